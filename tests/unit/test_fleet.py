"""Several instances in one run: all are guarded together, then changed one after the other."""

from collections.abc import Sequence

import pytest

from provisioner.errors import BusyError, DeniedError, RefusedError
from provisioner.model.certificate import HostedCertificate
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import Edition
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning.checks import Permissions
from provisioner.runs.fleet import Fleet
from tests.fakes.memory import MemoryHosting
from tests.fakes.stage import Killed, Stage, wanted


class FailingHosting(MemoryHosting):
    """A service that refuses to list anything."""

    def find(self, name_prefix: str) -> tuple[HostedCertificate, ...]:
        """Refuse."""
        raise DeniedError(f"ListCertificates of {name_prefix}: not allowed", action="ListCertificates")


class Three:
    """Three instances with one state; each has a world of its own."""

    def __init__(self) -> None:
        self.stages = [Stage(wanted(name=name)) for name in ("a", "b", "c")]
        self.records = self.stages[0].records
        self.approved: list[str] = []
        for stage in self.stages:
            stage.records = self.records

    def apply(self, *, only_open: bool = False, decline: bool = False) -> list[tuple[str, Outcome]]:
        """Run ``apply``, or ``resume``, on all of them."""
        return [(item.name, item.outcome) for item in self.run(only_open=only_open, decline=decline)]

    def run(self, *, only_open: bool = False, decline: bool = False) -> tuple[InstanceResult, ...]:
        """Return the whole results."""

        def approve(plans: Sequence[Plan]) -> None:
            self.approved += [made.instance for made in plans]
            if decline:
                raise RefusedError("declined; nothing was changed")

        attempts = [stage._attempt("apply", Permissions()) for stage in self.stages]
        return Fleet(attempts, self.records.locks, "run-1").apply(approve, only_open=only_open)

    def restarts(self) -> list[int]:
        """Return how often each was restarted."""
        return [stage.world.restarts for stage in self.stages]


@pytest.fixture
def three() -> Three:
    """Return three instances out of the box."""
    return Three()


def test_all_are_changed_one_after_the_other(three: Three) -> None:
    """All are approved at once, each is switched once, and a second run finds nothing to do and asks nobody."""
    assert three.apply() == [("a", Outcome.CONVERGED), ("b", Outcome.CONVERGED), ("c", Outcome.CONVERGED)]
    assert (three.approved, three.restarts()) == (["a", "b", "c"], [1, 1, 1])
    assert {outcome for _, outcome in three.apply()} == {Outcome.UNCHANGED}
    assert (three.approved, three.restarts()) == (["a", "b", "c"], [1, 1, 1])


def test_one_refusal_keeps_all_as_they_are(three: Three) -> None:
    """Those that could go on say because of whom they did not begin."""
    three.stages[1].world.edition = Edition.BASIC
    results = three.run()
    assert [item.outcome for item in results] == [Outcome.REFUSED] * 3
    assert results[0].message == "a: not started because of b, which a check refused; nothing was changed"
    assert (three.restarts(), three.approved) == ([0, 0, 0], [])


def test_a_refusal_does_not_hide_what_is_as_wanted(three: Three) -> None:
    """An instance with nothing to do is unchanged, whatever becomes of the others."""
    assert three.stages[0].apply().outcome is Outcome.CONVERGED
    three.stages[1].world.edition = Edition.BASIC
    assert [outcome for _, outcome in three.apply()] == [Outcome.UNCHANGED, Outcome.REFUSED, Outcome.REFUSED]


def test_the_first_that_fails_keeps_the_rest_from_beginning(three: Three) -> None:
    """A bad switch is rolled back, and nobody else is disconnected."""
    three.stages[1].world.effects = ["wrong_leaf"]
    results = three.run()
    assert [item.outcome for item in results] == [Outcome.CONVERGED, Outcome.ROLLED_BACK, Outcome.REFUSED]
    assert results[2].message == "c: not started because of b, which ended rolled_back; nothing was changed"
    assert three.restarts() == [1, 2, 0]


def test_an_observation_that_fails_changes_nothing_anywhere(three: Three) -> None:
    """Everything is looked at before anything is touched."""
    three.stages[2].hosting = FailingHosting(three.stages[2].pki)
    assert [outcome for _, outcome in three.apply()] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.FAILED]
    assert three.restarts() == [0, 0, 0]


def test_declined_plans_change_nothing(three: Three) -> None:
    """The person's no ends the run, every lock free again."""
    with pytest.raises(RefusedError):
        three.apply(decline=True)
    assert (three.restarts(), three.records.locks.held) == ([0, 0, 0], {})


def test_a_held_instance_keeps_all_from_beginning(three: Three) -> None:
    """Locks are taken before anything is looked at, and given back when one is missing."""
    with three.records.locks.hold("c", "another run"), pytest.raises(BusyError):
        three.apply()
    assert (three.records.locks.held, [stage.world.calls for stage in three.stages]) == ({}, [[], [], []])


def test_resume_goes_on_with_open_requests_alone(three: Three) -> None:
    """The others are left out of the results."""

    def kill(event: Event) -> None:
        if event.kind is EventKind.REQUESTED:
            three.stages[1].on_event = None
            raise Killed

    three.stages[1].on_event = kill
    with pytest.raises(Killed):
        three.apply()
    assert three.apply(only_open=True) == [("b", Outcome.CONVERGED)]
    assert three.apply(only_open=True) == []
    assert three.restarts() == [1, 1, 0]


def test_an_open_request_that_ends_badly_keeps_the_others_from_beginning(three: Three) -> None:
    """What was asked for before is followed to its end first."""
    three.stages[0].world.effects = ["wrong_leaf"]

    def kill(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            three.stages[0].on_event = None
            raise Killed

    three.stages[0].on_event = kill
    with pytest.raises(Killed):
        three.apply()
    assert [outcome for _, outcome in three.apply()] == [Outcome.ROLLED_BACK, Outcome.REFUSED, Outcome.REFUSED]
    assert three.restarts() == [2, 0, 0]
