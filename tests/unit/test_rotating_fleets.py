"""Unattended rotation of several instances in one run: what one of them does to the others."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.desired import RotationPolicy, Window
from provisioner.model.event import Event, EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import Status
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.planning.checks import Permissions
from provisioner.runs.rotation import Rotation
from tests.fakes.stage import Killed, Stage, wanted

NIGHTLY = Window("0 2 * * *", timedelta(hours=1))
DAY = timedelta(days=1)


class Rotating:
    """Instances in mutual mode with one clock, one authority, one set of records and one certificate, due together."""

    def __init__(self, *names: str, window: Window | None = None) -> None:
        policy = RotationPolicy(unattended=True, window=window)
        self.stages = [Stage(wanted(name=name, rotation=policy)) for name in names]
        self.head = self.stages[0]
        for stage in self.stages:
            stage.clock, stage.pki, stage.hosting = self.head.clock, self.head.pki, self.head.hosting
            stage.records, stage.world.clock = self.head.records, self.head.clock
            assert stage.apply().outcome is Outcome.CONVERGED
        self.head.clock.sleep((441 * DAY).total_seconds())

    def rotate(self) -> tuple[InstanceResult, ...]:
        """Run ``rotate`` on all of them."""
        self.head._runs += 1
        for stage in self.stages:
            stage._runs = self.head._runs - 1
        attempts = [stage._attempt("rotate", Permissions(unattended=True)) for stage in self.stages]
        records, run = self.head.records, attempts[0].journal.run
        return Rotation(attempts, records.locks, records.backoffs, self.head.clock, run).run()

    def outcomes(self) -> list[Outcome]:
        """Run ``rotate`` on all of them and return how it ended."""
        return [item.outcome for item in self.rotate()]

    def restarts(self) -> list[int]:
        """Return how often each was restarted, the first switch left out."""
        return [stage.world.restarts - 1 for stage in self.stages]

    def hear(self, call: Callable[[Event], None]) -> None:
        """Hand every event of every instance to a call."""
        for stage in self.stages:
            stage.on_event = call


def alarms(result: InstanceResult) -> list[str]:
    """Return the reasons of a result's alarms."""
    return [item.reason for item in result.findings if item.severity is Severity.ALARM]


def test_a_shared_certificate_is_made_once_and_every_instance_switched() -> None:
    """One upload before any is touched, then one restart each."""
    fleet = Rotating("a", "b", "c")
    assert fleet.outcomes() == [Outcome.CONVERGED] * 3
    assert (fleet.restarts(), len(fleet.head.hosting.uploads)) == ([1, 1, 1], 2)
    assert fleet.outcomes() == [Outcome.UNCHANGED] * 3


def test_an_instance_is_held_only_while_it_is_worked_on() -> None:
    """A person can take one back, or apply to one, while another restarts."""
    fleet = Rotating("a", "b", "c")
    held: set[tuple[str, ...]] = set()
    fleet.hear(
        lambda event: held.add(tuple(fleet.head.records.locks.held)) if event.kind is EventKind.WAITING else None
    )
    assert fleet.outcomes() == [Outcome.CONVERGED] * 3
    assert held == {("a",), ("b",), ("c",)}


def test_an_instance_that_another_run_takes_meanwhile_is_busy() -> None:
    """The others are rotated; the next run sees to it."""
    fleet = Rotating("a", "b")
    locks = fleet.head.records.locks
    taken = locks.hold("b", "run-of-a-person")

    def take(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            fleet.hear(lambda _event: None)
            taken.__enter__()

    fleet.hear(take)
    assert (fleet.outcomes(), fleet.restarts()) == ([Outcome.CONVERGED, Outcome.BUSY], [1, 0])
    taken.__exit__(None, None, None)
    assert (fleet.outcomes(), fleet.restarts()) == ([Outcome.UNCHANGED, Outcome.CONVERGED], [1, 1])


def test_no_switch_begins_when_the_window_has_closed_meanwhile() -> None:
    """Restarts of the first ones take their time; what is left waits for the next opening."""
    fleet = Rotating("a", "b", window=NIGHTLY)
    clock = fleet.head.clock
    now = clock.now()
    clock.sleep((now.replace(hour=2, minute=55) - now).total_seconds() % DAY.total_seconds())
    for stage in fleet.stages:
        stage.world.restart = 600
    first, second = fleet.rotate()
    assert (first.outcome, second.outcome) == (Outcome.CONVERGED, Outcome.UNCHANGED)
    assert (second.findings[-1].reason, fleet.restarts()) == ("waits-for-window", [1, 0])
    clock.sleep((DAY - timedelta(minutes=30)).total_seconds())
    assert clock.now().strftime("%H") == "02"
    assert (fleet.outcomes(), fleet.restarts()) == ([Outcome.UNCHANGED, Outcome.CONVERGED], [1, 1])


@pytest.mark.parametrize("kind", [EventKind.PLANNED, EventKind.ISSUED, EventKind.HOSTED])
def test_a_stop_while_certificates_are_made_ready_stops_the_whole_run(kind: EventKind) -> None:
    """Nothing is begun after Ctrl-C or SIGTERM, on no other instance either."""
    fleet = Rotating("a", "b")

    def interrupt(event: Event) -> None:
        if event.kind is kind:
            fleet.hear(lambda _event: None)
            raise KeyboardInterrupt

    fleet.hear(interrupt)
    assert fleet.outcomes() == [Outcome.INTERRUPTED, Outcome.REFUSED]
    assert (fleet.restarts(), fleet.head.records.locks.held) == ([0, 0], {})
    assert fleet.outcomes() == [Outcome.CONVERGED] * 2


def test_a_certificate_that_an_instance_did_not_come_back_with_is_not_tried_on_the_next() -> None:
    """One instance that stays away is trouble enough; once it is verified with it, the others follow."""
    fleet = Rotating("a", "b")
    fleet.head.world.effects = ["stuck"]
    first, second = fleet.rotate()
    assert (first.outcome, second.outcome, fleet.restarts()) == (Outcome.BROKEN, Outcome.REFUSED, [1, 0])
    assert alarms(second) == ["taken-back"]
    world = fleet.head.world
    world.shown, world.status = replace(world.shown, asks=True, up=True), Status.IN_SERVICE
    assert [item.outcome for item in fleet.head.resume()] == [Outcome.CONVERGED]
    assert fleet.outcomes() == [Outcome.UNCHANGED, Outcome.CONVERGED]


def test_two_machines_that_begin_at_the_same_moment_don_t_both_switch() -> None:
    """Each looks once more right before it asks, and leaves it to a person when the other's certificate is hosted."""
    fleet = Rotating("a")
    first = fleet.head
    second = first.twin()

    def meanwhile(event: Event) -> None:
        if event.kind is EventKind.ISSUED:
            first.on_event = None
            second.kill_at(EventKind.REQUESTED)
            with pytest.raises(Killed):
                second.rotate_unattended()

    first.on_event = meanwhile
    result = first.rotate_unattended()
    assert (result.outcome, alarms(result), first.world.requests[1:]) == (Outcome.REFUSED, ["unknown-hosted"], [])
