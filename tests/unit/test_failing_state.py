"""A state that fails in the middle of a run: locked by a backup for a minute, or on a disk that is full."""

from datetime import datetime

import pytest

from provisioner.errors import StateError
from provisioner.model.event import Event, EventKind
from provisioner.model.outcome import InstanceResult, Outcome
from tests.fakes.memory import MemoryHistory
from tests.fakes.stage import NAME, Stage

PROBLEM = "state.sqlite: the state can't be used: database or disk is full"
_WRITES = ("save", "close", "put", "release", "switched", "trust", "distrust", "meet", "begin", "record", "end")


class Failing:
    """Stands before a part of the state; while that fails, nothing can be written."""

    def __init__(self, stage: Stage, part: object) -> None:
        self._stage, self._part = stage, part
        self.until: float | None = None

    def __getattr__(self, name: str) -> object:
        """Return a method, which fails while the time is not over."""
        found = getattr(self._part, name)
        failing = self.until is not None and self._stage.clock.monotonic() < self.until
        return _refuse if failing and name in _WRITES else found


def _refuse(*_arguments: object) -> None:
    raise StateError(PROBLEM)


def failing(stage: Stage) -> list[Failing]:
    """Put what fails before the parts of the state that a run writes."""
    made = []
    for name in ("intents", "holds", "history", "leaves"):
        made.append(Failing(stage, getattr(stage.records, name)))
        setattr(stage.records, name, made[-1])
    return made


def fail(made: list[Failing], until: float) -> None:
    """Let parts of the state fail until a time."""
    for part in made:
        part.until = until


@pytest.mark.parametrize(
    ("effect", "outcome"), [("works", Outcome.CONVERGED), ("devices_refused", Outcome.ROLLED_BACK)]
)
def test_trouble_at_the_end_of_a_wait_is_outlasted(effect: str, outcome: Outcome) -> None:
    """What became of the request is recorded as soon as it can be, and the way back is not given up."""
    stage = Stage()
    parts = failing(stage)
    stage.world.effects = [effect]
    stage.world.on_request = lambda: fail(parts, stage.clock.monotonic() + 150)
    result = stage.apply()
    assert (result.outcome, stage.records.intents.open(NAME)) == (outcome, None)
    assert f"{PROBLEM}; trying again" in stage.told(EventKind.WAITING)


@pytest.mark.parametrize(("effect", "then"), [("works", Outcome.CONVERGED), ("devices_refused", Outcome.ROLLED_BACK)])
def test_trouble_that_stays_needs_a_person(effect: str, then: Outcome) -> None:
    """Nobody is told that the endpoint is as it was; once the state is mended, the run can be resumed."""
    stage = Stage()
    parts = failing(stage)
    stage.world.effects = [effect]
    stage.world.on_request = lambda: fail(parts, float("inf"))
    result = stage.apply()
    assert (result.outcome, len(stage.world.requests)) == (Outcome.BROKEN, 1)
    assert result.message == (
        f"{NAME}: a person is needed: {PROBLEM}; what became of the request is not recorded, and nothing more was "
        "requested"
    )
    assert [item.reason for item in result.findings] == ["end-not-recorded"]
    stage.world.on_request = None
    fail(parts, 0)
    assert [item.outcome for item in stage.resume()] == [then]


def test_trouble_before_the_request_leaves_the_endpoint_alone() -> None:
    """What can't be recorded is not asked for."""
    stage = Stage()
    parts = failing(stage)
    stage.on_event = lambda event: fail(parts, float("inf")) if event.kind is EventKind.HOSTED else None
    result = stage.apply()
    assert (result.outcome, result.message, stage.world.requests) == (Outcome.FAILED, f"{NAME}: {PROBLEM}", [])


class Deaf(MemoryHistory):
    """A history that takes neither events nor ends."""

    def record(self, event: Event) -> None:
        """Fail."""
        raise StateError(PROBLEM)

    def end(self, run: str, result: InstanceResult, at: datetime) -> None:
        """Fail."""
        raise StateError(PROBLEM)


def test_a_history_without_events_and_ends_stops_no_run() -> None:
    """They are for information: the run says that its end is missing."""
    stage = Stage()
    stage.records.history = Deaf()
    stage.world.effects = ["devices_refused"]
    result = stage.apply()
    assert result.outcome is Outcome.ROLLED_BACK
    assert [(item.reason, item.message) for item in result.findings] == [
        ("end-not-recorded", f"{PROBLEM}; the history lacks this end")
    ]
