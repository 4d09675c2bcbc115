"""What each end of a wait leads to: outcome, exit code, requests sent, hold, and what stays recorded."""

from dataclasses import replace
from datetime import timedelta
from itertools import repeat

import pytest

from provisioner.errors import UnansweredError
from provisioner.model.desired import WaitingPolicy
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import EndpointState, Instance, Mode
from provisioner.model.outcome import Outcome
from provisioner.planning.samples import Streak
from provisioner.planning.settling import Ending, Settling
from provisioner.planning.wire_state import View, WireState
from provisioner.ports import Instances
from provisioner.runs.seams import Seams
from tests.fakes.stage import NAME, Stage
from tests.fakes.views import down, mixed, up

POLICY = WaitingPolicy(
    deadline=timedelta(seconds=100),
    effect_within=timedelta(seconds=40),
    readings=3,
    smallest_share=0.5,
    over=timedelta(seconds=2),
    poll=timedelta(seconds=1),
    status_poll=timedelta(seconds=1),
)
BEFORE = EndpointState(Mode.ONE_WAY, "00")
GOOD = up(WireState(Mode.MUTUAL, "aa", asked=True), "good")
OLD = up(WireState(Mode.ONE_WAY, "00", asked=False), "old")
DOWN = down()
MIXED = mixed((15, GOOD.state), (15, OLD.state))


@pytest.mark.parametrize(
    ("effects", "outcome", "requests", "on_hold", "recorded"),
    [
        (["works"], Outcome.CONVERGED, 1, False, False),
        (["lost_answer"], Outcome.CONVERGED, 1, False, False),
        (["wrong_leaf"], Outcome.ROLLED_BACK, 2, True, False),
        (["anonymous"], Outcome.ROLLED_BACK, 2, True, False),
        (["devices_refused"], Outcome.ROLLED_BACK, 2, True, False),
        (["dead"], Outcome.ROLLED_BACK, 2, True, False),
        (["reverts"], Outcome.ROLLED_BACK, 1, True, False),
        (["no_effect"], Outcome.FAILED, 1, False, True),
        (["lost_request"], Outcome.FAILED, 1, False, True),
        (["rejected"], Outcome.FAILED, 0, False, False),
        (["stuck"], Outcome.BROKEN, 1, True, True),
        (["dead", "dead"], Outcome.BROKEN, 2, True, True),
        (["wrong_leaf", "stuck"], Outcome.BROKEN, 2, True, True),
        (["wrong_leaf", "reverts"], Outcome.BROKEN, 2, True, True),
        (["wrong_leaf", "rejected"], Outcome.BROKEN, 1, True, True),
    ],
)
def test_an_end_leads_to_its_outcome(
    effects: list[str],
    outcome: Outcome,
    requests: int,
    on_hold: bool,
    recorded: bool,
) -> None:
    """Each row of the table of end states; what a person has to judge stays recorded for ``resume``."""
    stage = Stage()
    stage.world.effects = list(effects)
    result = stage.apply()
    assert (result.outcome, len(stage.world.requests)) == (outcome, requests)
    assert (NAME in stage.records.holds.kept, NAME in stage.records.intents.kept) == (on_hold, recorded)
    assert result.outcome.good or result.hint


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.UNCHANGED, 0),
        (Outcome.CONVERGED, 0),
        (Outcome.REFUSED, 3),
        (Outcome.FAILED, 6),
        (Outcome.ROLLED_BACK, 7),
        (Outcome.BROKEN, 8),
        (Outcome.WAITING, 9),
        (Outcome.INTERRUPTED, 130),
    ],
)
def test_an_outcome_has_its_exit_code(outcome: Outcome, code: int) -> None:
    """Scripts tell the ends apart by it."""
    assert (outcome.exit_code, outcome.good) == (code, code == 0)


def follow(views: list[tuple[View, int | None]]) -> tuple[Ending | None, int]:
    """Hand one reading a second to a watch; return the ending and the second it came at."""
    watch = Settling(EndpointState(Mode.MUTUAL, "aa", "1-cn-hangzhou"), BEFORE, POLICY, 0.0)
    for second, (view, status) in enumerate(views):
        ending = watch.take(view, status, float(second))
        if ending is not None:
            return ending, second
    return None, len(views)


def during(view: View, seconds: int, status: int | None = 5) -> list[tuple[View, int | None]]:
    """Return equal readings, one a second."""
    return list(repeat((view, status), seconds))


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (
            during(OLD, 30) + during(DOWN, 1) + during(OLD, 20) + during(DOWN, 1) + during(OLD, 90),
            (Ending.REVERTED, 91),
        ),
        (during(OLD, 300, None), (Ending.UNSEEN, 240)),
        (during(OLD, 30, None) + during(OLD, 60), (Ending.UNSEEN, 40)),
        (during(MIXED, 300, None), (Ending.DOWN_OUT_OF_SERVICE, 200)),
        (during(DOWN, 150, 7) + during(DOWN, 100), (Ending.DOWN_IN_SERVICE, 200)),
        (during(DOWN, 150, 7) + during(GOOD, 10), (Ending.SETTLED, 152)),
        (during(DOWN, 99, 7) + during(DOWN, 10), (Ending.DOWN_IN_SERVICE, 100)),
        (during(DOWN, 199, 7) + during(GOOD, 10), (Ending.SETTLED, 201)),
    ],
)
def test_status_and_interruptions_decide_when_a_wait_ends(
    views: list[tuple[View, int | None]], expected: tuple[Ending, int]
) -> None:
    """Counted from the last interruption; an unreadable status extends, and one that turns to 5 is believed."""
    assert follow(views) == expected


def test_a_streak_spans_from_its_first_to_its_last_reading() -> None:
    """Its span is what is compared with the settle rule."""
    streak = Streak(WireState(Mode.MUTUAL, "aa", asked=True), first=3.0, last=10.5, count=4)
    assert streak.span == 7.5


@pytest.mark.parametrize("attended", [False, True])
def test_the_budget_begins_with_the_request_or_with_the_first_change(attended: bool) -> None:
    """A person has the whole deadline; the restart's begins when the endpoint leaves the state before."""
    watch = Settling(EndpointState(Mode.MUTUAL, "aa"), BEFORE, POLICY, 10.0, attended=attended)
    watch.take(OLD, 5, 11.0)
    assert watch.budget() == (None if attended else 110.0)
    watch.take(DOWN, 5, 50.0)
    watch.take(DOWN, 5, 51.0)
    assert watch.budget() == (150.0 if attended else 110.0)


class Shaky:
    """Implements ``Instances``: the directory does not answer while the endpoint is down."""

    def __init__(self, stage: Stage, directory: Instances) -> None:
        self._stage = stage
        self._directory = directory
        self.failures = 0

    def list(self, region: str) -> tuple[Instance, ...]:
        """Return what the directory says, or fail as clouds do in a restart."""
        if not self._stage.world.shown.up:
            self.failures += 1
            raise UnansweredError("ListInstances: no answer", action="ListInstances")
        return self._directory.list(region)


class ShakyStage(Stage):
    """A stage whose directory fails through every restart."""

    shaky: Shaky | None = None

    def seams(self) -> Seams:
        """Return the ports with the shaky directory."""
        seams = super().seams()
        self.shaky = self.shaky or Shaky(self, seams.reads.instances)
        return replace(seams, reads=replace(seams.reads, instances=self.shaky))


def test_a_directory_that_fails_through_the_restart_disturbs_nothing() -> None:
    """The wire tells; the status is read again when it can be."""
    stage = ShakyStage()
    assert stage.apply().outcome is Outcome.CONVERGED
    assert stage.shaky is not None
    assert stage.shaky.failures > 0
    waiting = [event.data["status"] for event in stage.events if event.kind is EventKind.WAITING]
    assert {"unreadable", "in service (5)"} <= set(waiting)


@pytest.mark.parametrize("kind", [EventKind.PLANNED, EventKind.HOSTED, EventKind.WAITING])
def test_ctrl_c_leaves_a_resumable_run(kind: EventKind) -> None:
    """Whenever it comes, the run ends interrupted, and the next one comes to one upload and one switch."""
    stage = Stage()

    def hear(event: Event) -> None:
        if event.kind is kind:
            stage.on_event = None
            raise KeyboardInterrupt

    stage.on_event = hear
    result = stage.apply()
    assert (result.outcome, result.hint) == (Outcome.INTERRUPTED, f"provisioner resume {NAME}")
    assert stage.apply().outcome is Outcome.CONVERGED
    assert (stage.world.restarts, len(stage.hosting.uploads), stage.records.intents.kept) == (1, 1, {})


def test_a_released_hold_forgets_the_request_that_led_to_it() -> None:
    """A person who releases a stuck instance has judged what became of the request: all is planned anew."""
    stage = Stage()
    stage.world.effects = ["stuck"]
    assert stage.apply().outcome is Outcome.BROKEN
    stage.world.act(EndpointState(Mode.ONE_WAY))
    stage.clock.sleep(120)
    assert stage.apply().outcome is Outcome.REFUSED
    assert stage.apply(release=True).outcome is Outcome.CONVERGED
    assert (stage.records.intents.kept, stage.records.holds.kept) == ({}, {})


def test_resume_asks_again_for_a_rollback_that_was_refused() -> None:
    """A rollback that the service said no to certainly did not land, so it is sent without looking first."""
    stage = Stage()
    stage.world.effects = ["wrong_leaf", "rejected"]
    assert stage.apply().outcome is Outcome.BROKEN
    began = stage.clock.monotonic()
    (result,) = stage.resume()
    assert (result.outcome, result.mode, len(stage.world.requests)) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 2)
    assert stage.clock.monotonic() - began < stage.desired.waiting.effect_within.total_seconds()


def test_a_rollback_twice_without_effect_is_not_asked_for_a_third_time() -> None:
    """``resume`` looks, and leaves it to the person to ask with ``rollback``."""
    stage = Stage()
    stage.world.effects = ["wrong_leaf", "no_effect", "no_effect"]
    assert stage.apply().outcome is Outcome.BROKEN
    assert ([item.outcome for item in stage.resume()], len(stage.world.requests)) == ([Outcome.BROKEN], 3)
    assert (stage.rollback("one-way").outcome, len(stage.world.requests)) == (Outcome.CONVERGED, 4)
