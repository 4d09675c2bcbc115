"""Runs on several instances, and on endpoints that somebody else changes meanwhile."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from provisioner.errors import RefusedError
from provisioner.model.certificate import KeyType
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import Mode
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning.checks import Permissions
from provisioner.runs.fleet import Approve, Fleet
from tests.fakes.stage import Killed, Stage, specified, wanted

FIRST, SECOND = "first", "second"


class Pair:
    """Two instances with one clock, one authority and one set of records."""

    def __init__(self) -> None:
        self.first, self.second = Stage(wanted(name=FIRST)), Stage(wanted(name=SECOND))
        first, second = self.first, self.second
        second.clock, second.pki, second.hosting, second.records = first.clock, first.pki, first.hosting, first.records
        second.world.clock = first.clock
        self.records = first.records

    def apply(self, approve: Approve | None = None, *, only_open: bool = False) -> list[tuple[str, Outcome]]:
        """Run ``apply`` on both and return how it ended."""
        return [(item.name, item.outcome) for item in self.results(approve, only_open=only_open)]

    def results(self, approve: Approve | None = None, *, only_open: bool = False) -> tuple[InstanceResult, ...]:
        """Run ``apply`` on both and return the results."""
        attempts = [stage._attempt("apply", Permissions()) for stage in (self.first, self.second)]
        return Fleet(attempts, self.records.locks, "run-1").apply(approve or (lambda _plans: None), only_open=only_open)


@pytest.fixture
def pair() -> Pair:
    """Return two instances out of the box."""
    return Pair()


def killed(stage: Stage) -> None:
    """Kill a run of one instance in the midst of its restart."""
    stage.kill_at(EventKind.WAITING, 3)
    with pytest.raises(Killed):
        stage.apply()


def test_two_instances_share_a_certificate(pair: Pair) -> None:
    """It is made and hosted once, and both are switched to it, one after the other."""
    assert pair.apply() == [(FIRST, Outcome.CONVERGED), (SECOND, Outcome.CONVERGED)]
    assert (len(pair.first.pki.issued), len(pair.first.hosting.uploads)) == (1, 1)
    assert pair.first.leaf() == pair.second.leaf()


def test_a_failure_keeps_the_next_from_being_begun(pair: Pair) -> None:
    """What went wrong once is not tried on the next."""
    pair.first.world.effects = ["wrong_leaf"]
    assert pair.apply() == [(FIRST, Outcome.ROLLED_BACK), (SECOND, Outcome.REFUSED)]
    assert pair.second.world.requests == []


@pytest.mark.parametrize("effect", ["wrong_leaf", "stuck", "no_effect"])
def test_every_open_request_is_followed_to_its_end(pair: Pair, effect: str) -> None:
    """A restart on its way is not left alone because another one ended badly."""
    pair.first.world.effects = [effect]
    killed(pair.first)
    killed(pair.second)
    assert pair.apply()[1] == (SECOND, Outcome.CONVERGED)
    assert SECOND not in pair.records.intents.kept


def test_a_stop_is_heeded_before_the_next_request_is_followed(pair: Pair) -> None:
    """A run that is asked to stop ends, so that the other one gets its lock in time."""
    killed(pair.first)
    killed(pair.second)
    pair.records.locks.asked[FIRST] = "run-9"
    began = pair.first.clock.monotonic()
    assert pair.apply()[0] == (FIRST, Outcome.INTERRUPTED)
    assert pair.first.clock.monotonic() - began < 30


def test_an_instance_that_is_done_is_free_for_others(pair: Pair) -> None:
    """A rollback of the first need not wait until the second is through its restart."""
    held: list[list[str]] = []

    def hear(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            held.append(list(pair.records.locks.held))

    pair.first.on_event = pair.second.on_event = hear
    pair.apply()
    assert (held[0], held[-1], pair.records.locks.held) == ([FIRST, SECOND], [SECOND], {})


def test_a_declined_plan_ends_every_run_in_the_history(pair: Pair) -> None:
    """Nobody is left wondering whether a run still goes on."""

    def decline(_plans: Sequence[Plan]) -> None:
        raise RefusedError("declined; nothing was changed")

    with pytest.raises(RefusedError):
        pair.apply(decline)
    assert [(item.name, item.outcome) for item in pair.records.history.ended] == [
        (FIRST, Outcome.REFUSED),
        (SECOND, Outcome.REFUSED),
    ]


def somebody_else(stage: Stage) -> None:
    """Let somebody else have switched the endpoint to another certificate of ours."""
    der = stage.pki.known
    leaf = stage.pki.issue(specified(name="elsewhere", key=KeyType.EC_P256))
    stage.world.shown = replace(
        stage.world.shown, der=next(item for item in der if der[item] == leaf), mutual=True, asks=True
    )


@pytest.mark.parametrize("kind", [EventKind.PLANNED, EventKind.ISSUED, EventKind.HOSTED])
def test_an_endpoint_that_changed_since_the_plan_is_not_touched(kind: EventKind) -> None:
    """However long a question stood unanswered, what is asked for is what was approved, and the way back is right."""
    stage = Stage()

    def hear(event: Event) -> None:
        if event.kind is kind:
            stage.on_event = None
            somebody_else(stage)

    stage.on_event = hear
    result = stage.apply()
    assert (result.outcome, stage.world.requests, stage.records.intents.kept) == (Outcome.REFUSED, [], {})
    assert "changed since the plan was made" in result.message


def test_the_next_instance_is_held_to_the_approved_plan_too(pair: Pair) -> None:
    """What was looked at again after another's restart has to be what was approved."""

    def hear(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            pair.first.on_event = None
            somebody_else(pair.second)

    pair.first.on_event = hear
    assert pair.apply() == [(FIRST, Outcome.CONVERGED), (SECOND, Outcome.REFUSED)]
    assert pair.second.world.requests == []


def test_resume_goes_on_with_open_requests_alone(pair: Pair) -> None:
    """An instance without one is left out."""
    killed(pair.second)
    assert pair.apply(only_open=True) == [(SECOND, Outcome.CONVERGED)]
    assert (pair.first.world.requests, pair.second.world.shown.mutual) == ([], True)
    assert pair.first.plan().mode is Mode.MUTUAL
