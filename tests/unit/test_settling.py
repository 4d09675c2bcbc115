"""The settling rule, reading by reading, and what each end of a wait means."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.desired import WaitingPolicy
from provisioner.model.instance import EndpointState, Mode
from provisioner.planning.settling import Ending, Settling
from provisioner.planning.wire_state import Gap, Look, Met, View, WireState
from tests.fakes.views import ADDRESS, CONNECTIONS, SILENT, down, mixed, up

POLICY = WaitingPolicy(
    deadline=timedelta(seconds=100),
    effect_within=timedelta(seconds=40),
    readings=3,
    smallest_share=0.5,
    over=timedelta(seconds=2),
    poll=timedelta(seconds=1),
    status_poll=timedelta(seconds=1),
)
OURS = EndpointState(Mode.MUTUAL, "aa", "1-cn-hangzhou")
BEFORE = EndpointState(Mode.ONE_WAY, "00")

GOOD = up(WireState(Mode.MUTUAL, "aa", asked=True), "good")
REFUSED = up(WireState(Mode.MUTUAL, "aa", asked=True, good_client_refused=True), "refused")
ANONYMOUS = up(WireState(Mode.ONE_WAY, "aa", asked=True), "anonymous")
WRONG_LEAF = up(WireState(Mode.MUTUAL, "bb", asked=True), "wrong leaf")
RENEWED = up(WireState(Mode.ONE_WAY, "01", asked=False), "renewed")
OLD = up(WireState(Mode.ONE_WAY, "00", asked=False), "old")
DOWN = down()
MIXED = mixed((CONNECTIONS // 2, GOOD.state), (CONNECTIONS // 2, OLD.state))


def follow(watch: Settling, views: Sequence[View], status: int | None = 5) -> tuple[Ending | None, int]:
    """Hand one view a second to the watch; return the ending and the second it came at."""
    for second, view in enumerate(views):
        ending = watch.take(view, status, float(second))
        if ending is not None:
            return ending, second
    return None, len(views)


def new(*, attended: bool = False, interrupted: bool = False, previous: EndpointState | None = BEFORE) -> Settling:
    """Return a watch for our certificate that begins at second 0."""
    return Settling(OURS, previous, POLICY, 0.0, attended=attended, interrupted=interrupted)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([OLD, DOWN, DOWN, GOOD, GOOD, GOOD], (Ending.SETTLED, 5)),
        ([GOOD, GOOD, GOOD], (Ending.SETTLED, 2)),
        ([DOWN, GOOD, GOOD, DOWN, GOOD, GOOD, GOOD], (Ending.SETTLED, 6)),
        ([DOWN, GOOD, GOOD, MIXED, GOOD, GOOD, GOOD], (Ending.SETTLED, 6)),
        ([DOWN, GOOD, SILENT, GOOD, GOOD], (Ending.SETTLED, 4)),
        ([DOWN, GOOD, SILENT, GOOD, SILENT, *[GOOD] * 18], (None, 23)),
        ([DOWN, GOOD, SILENT, GOOD, SILENT, *[GOOD] * 19], (Ending.SETTLED, 23)),
        ([DOWN, GOOD, GOOD, OLD, GOOD, GOOD, GOOD], (Ending.SETTLED, 6)),
        ([DOWN, WRONG_LEAF, WRONG_LEAF, WRONG_LEAF], (Ending.WRONG, 3)),
        ([DOWN, REFUSED, REFUSED, REFUSED], (Ending.WRONG, 3)),
        ([DOWN, ANONYMOUS, ANONYMOUS, ANONYMOUS], (Ending.WRONG, 3)),
        ([OLD] * 60, (Ending.UNSEEN, 40)),
        ([OLD, SILENT] + [OLD] * 60, (Ending.UNSEEN, 40)),
        ([OLD, DOWN] + [OLD] * 60, (Ending.REVERTED, 41)),
        ([OLD, SILENT, SILENT] + [OLD] * 60, (Ending.REVERTED, 42)),
        ([OLD, GOOD] + [OLD] * 60, (Ending.REVERTED, 41)),
        ([OLD, DOWN] + [RENEWED] * 60, (Ending.REVERTED, 41)),
        ([OLD] * 5 + [RENEWED] * 60, (Ending.UNSEEN, 40)),
        ([DOWN] * 300, (Ending.DOWN_IN_SERVICE, 100)),
        ([MIXED] * 300, (Ending.DOWN_IN_SERVICE, 100)),
        ([SILENT] * 300, (Ending.DOWN_IN_SERVICE, 100)),
        ([OLD] * 5 + [SILENT] * 300, (Ending.DOWN_IN_SERVICE, 100)),
        ([OLD] * 5 + [DOWN] + [OLD] * 5 + [SILENT] * 300, (Ending.DOWN_IN_SERVICE, 100)),
    ],
)
def test_a_wait_ends_as_the_table_says(views: list[View], expected: tuple[Ending | None, int]) -> None:
    """Each row of the table of end states is told apart, at the reading that shows it."""
    assert follow(new(), views) == expected


@pytest.mark.parametrize("status", [7, None])
def test_out_of_service_extends_once_and_then_needs_a_person(status: int | None) -> None:
    """Down at the deadline without status 5 is extended by the same length, once."""
    watch = new()
    assert follow(watch, [DOWN] * 300, status) == (Ending.DOWN_OUT_OF_SERVICE, 200)
    assert watch.extended


def test_the_state_before_is_no_reversion_while_the_instance_is_at_work() -> None:
    """Reverted takes status 5: an instance that is still at work at the extended deadline needs a person."""
    assert follow(new(), [OLD, DOWN] + [OLD] * 400, 7)[0] is Ending.DOWN_OUT_OF_SERVICE
    assert follow(new(), [OLD] * 400, None)[0] is Ending.UNSEEN


def test_a_busy_status_is_an_interruption() -> None:
    """A status that is not 5 counts as an interruption even when every probe is answered."""
    watch = new()
    assert watch.take(OLD, 7, 0.0) is None
    assert [watch.take(OLD, 5, float(second)) for second in range(1, 41)][-1] is Ending.REVERTED


def test_a_span_shorter_than_wanted_does_not_settle() -> None:
    """Enough readings within too short a span are not enough."""
    watch = new()
    assert [watch.take(GOOD, 5, at) for at in (0.0, 0.5, 1.0, 1.5, 2.0)] == [None] * 4 + [Ending.SETTLED]


def test_a_count_in_progress_may_finish_past_the_deadline() -> None:
    """Good readings that began just before the deadline are counted to their end."""
    assert follow(new(), [DOWN] * 99 + [GOOD] * 5) == (Ending.SETTLED, 101)


def test_flapping_past_the_deadline_rolls_back() -> None:
    """An endpoint that never agrees with itself is given up at the deadline."""
    assert follow(new(), [GOOD, DOWN] * 200)[0] is Ending.DOWN_IN_SERVICE


def test_a_wanted_state_that_was_there_before_needs_a_change() -> None:
    """Going back to one-way from an endpoint that only asks is not believed before a restart was seen."""
    asking = EndpointState(Mode.ONE_WAY, "aa")
    watch = Settling(EndpointState(Mode.ONE_WAY), asking, POLICY, 0.0)
    assert follow(watch, [ANONYMOUS] * 10)[0] is None
    restarted = Settling(EndpointState(Mode.ONE_WAY), asking, POLICY, 0.0)
    assert follow(restarted, [ANONYMOUS, DOWN, OLD, OLD, OLD]) == (Ending.SETTLED, 4)


def test_a_busy_status_does_not_settle_the_state_that_was_there_before() -> None:
    """Until the announced restart is seen, a wanted state that the endpoint was already in proves nothing."""
    watch = Settling(EndpointState(Mode.ONE_WAY), EndpointState(Mode.ONE_WAY, "aa"), POLICY, 0.0)
    waiting = [watch.take(ANONYMOUS, 7, float(second)) for second in range(6)]
    restarting = [watch.take(DOWN, 7, float(second)) for second in range(6, 9)]
    assert set(waiting + restarting) == {None}
    assert [watch.take(OLD, 5, float(second)) for second in range(9, 12)][-1] is Ending.SETTLED


def test_silence_settles_nothing() -> None:
    """A state that was read often enough before a silence is not believed in its midst, nor at once after it."""
    watch = Settling(EndpointState(Mode.ONE_WAY), EndpointState(Mode.ONE_WAY, "aa"), POLICY, 0.0)
    busy = [watch.take(ANONYMOUS if second < 6 else SILENT, 7, float(second)) for second in range(9)]
    assert set(busy) == {None}
    later = [watch.take(view, 5, 9.0 + second) for second, view in enumerate([SILENT, *[ANONYMOUS] * 3])]
    assert later == [None, None, None, Ending.SETTLED]
    wrong = new()
    follow(wrong, [DOWN, *[WRONG_LEAF] * 9], 7)
    assert (wrong.take(SILENT, 5, 10.0), wrong.take(WRONG_LEAF, 5, 11.0)) == (None, Ending.WRONG)


@pytest.mark.parametrize("status", [7, None])
def test_a_wrong_state_is_judged_once_the_instance_is_in_service(status: int | None) -> None:
    """No rollback can be asked for before status 5, so an instance still at work may yet become right."""
    watch = new()
    half_way = [watch.take(view, status, float(second)) for second, view in enumerate([DOWN, *[ANONYMOUS] * 9])]
    assert set(half_way) == {None}
    assert [watch.take(GOOD, 5, float(second)) for second in range(10, 13)][-1] is Ending.SETTLED
    wrong = new()
    follow(wrong, [DOWN, *[ANONYMOUS] * 9], status)
    assert wrong.take(ANONYMOUS, 5, 10.0) is Ending.WRONG


def test_an_earlier_runs_interruption_is_remembered() -> None:
    """A run that takes over knows that the restart had begun: the state before means reverted, not unseen."""
    assert follow(new(interrupted=True), [OLD] * 60) == (Ending.REVERTED, 40)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([OLD] * 101, (Ending.UNCHANGED, 100)),
        ([OLD] * 90 + [DOWN] * 20 + [GOOD] * 5, (Ending.SETTLED, 112)),
        ([OLD] * 90 + [DOWN] * 200, (Ending.DOWN_IN_SERVICE, 190)),
        ([OLD] * 90 + [DOWN] + [OLD] * 200, (Ending.UNCHANGED, 100)),
        ([OLD] * 90 + [DOWN] * 2 + [OLD] * 200, (Ending.REVERTED, 190)),
        ([OLD] * 90 + [SILENT] * 300, (Ending.DOWN_IN_SERVICE, 190)),
        ([OLD] * 5 + [DOWN] + [WRONG_LEAF] * 5, (Ending.WRONG, 8)),
    ],
)
def test_a_person_has_the_whole_deadline_and_the_restart_its_own(
    views: list[View], expected: tuple[Ending, int]
) -> None:
    """With an attended driver the restart's deadline starts at the first changed reading; one lost one is no change."""
    assert follow(new(attended=True), views) == expected


@pytest.mark.parametrize(
    ("views", "failed_at", "good_at"),
    [
        ([OLD, OLD, DOWN, DOWN, GOOD, GOOD, GOOD], 2.0, 4.0),
        ([OLD, DOWN, GOOD, DOWN, GOOD, GOOD, GOOD], 1.0, 4.0),
        ([OLD, SILENT, OLD, DOWN, GOOD, GOOD, GOOD], 3.0, 4.0),
        ([OLD, WRONG_LEAF, WRONG_LEAF, WRONG_LEAF], 1.0, 1.0),
        ([GOOD, GOOD, GOOD], None, 0.0),
    ],
)
def test_the_outage_runs_from_the_first_failed_to_the_first_good(
    views: list[View], failed_at: float | None, good_at: float
) -> None:
    """A single time-out that turns out to be nothing does not begin the outage."""
    watch = new()
    follow(watch, views)
    assert (watch.failed_at, watch.good_at) == (failed_at, good_at)


@given(st.lists(st.sampled_from([GOOD, REFUSED, ANONYMOUS, WRONG_LEAF, OLD, DOWN, MIXED, SILENT]), max_size=80))
def test_only_agreeing_readings_settle(views: list[View]) -> None:
    """Whatever came before, a settled end follows at least three equal readings without a contradiction between."""
    ending, second = follow(new(), views)
    if ending in {Ending.SETTLED, Ending.WRONG}:
        told = [view for view in views[: second + 1] if view is not SILENT]
        assert len(set(told[-3:])) == 1
        assert (told[-1] is GOOD) == (ending is Ending.SETTLED)


@given(
    st.lists(st.sampled_from([GOOD, REFUSED, OLD, DOWN, MIXED, SILENT]), min_size=1, max_size=6),
    st.sampled_from([5, 7, None]),
    st.booleans(),
)
def test_every_wait_ends(pattern: list[View], status: int | None, attended: bool) -> None:
    """No pattern of readings waits for ever."""
    ending, _ = follow(new(attended=attended), pattern * 400, status)
    assert ending is not None


def half(state: WireState | None) -> View:
    """Return a reading half of whose connections met ours, and half another state."""
    return mixed((CONNECTIONS // 2, GOOD.state), (CONNECTIONS - CONNECTIONS // 2, state), words="half")


def test_one_of_two_backends_that_stays_behind_never_settles() -> None:
    """Neither as wanted nor as before: the deadline ends such a wait, and what was met is told."""
    watch = new()
    assert follow(watch, [half(OLD.state)] * 300) == (Ending.DOWN_IN_SERVICE, 100)
    assert watch.wanted_and_others() == (3030, 6060)
    assert watch.last_other == "half"


def test_a_rare_sighting_takes_many_more_connections() -> None:
    """One of 240 connections that met the old state asks for far more than no sighting at all."""
    rare = mixed((CONNECTIONS - 1, GOOD.state), (1, OLD.state))
    watch = new()
    ending, second = follow(watch, [GOOD, GOOD, rare, *[GOOD] * 97])
    assert ending is Ending.SETTLED
    assert second == 2 + math.ceil(1099 / CONNECTIONS)


def test_what_is_ruled_out_follows_from_the_connections() -> None:
    """The share that a million of such waits would miss once."""
    watch = new()
    follow(watch, [GOOD] * 2)
    assert (watch.connections(), round(watch.ruled_out(), 4)) == ((120, 20), 0.1087)


def test_backends_that_treat_devices_differently_are_no_agreement() -> None:
    """Where the canary is let in and then refused, the same leaf is served by backends that differ."""
    state = WireState(Mode.MUTUAL, "aa", asked=True, good_client_refused=False)
    accepted = replace(up(state, "accepted"), devices=(1, 0))
    refused = replace(REFUSED, devices=(0, 1))
    pattern = [accepted, accepted, accepted, refused]
    assert follow(new(), [accepted, refused, *[accepted] * 19]) == (None, 21)
    assert follow(new(), [accepted, refused, *[accepted] * 20]) == (Ending.SETTLED, 21)
    assert follow(new(), pattern[1:] * 200)[0] is Ending.DOWN_IN_SERVICE


@pytest.mark.parametrize(("gaps", "expected"), [((), Ending.SETTLED), (tuple(Gap), Ending.UNPROVEN)])
def test_what_was_never_shown_is_not_proven(gaps: tuple[Gap, ...], expected: Ending) -> None:
    """As wanted for all that was seen is not verified while a control is missing."""
    seen = up(WireState(Mode.MUTUAL, "aa", asked=True), "good", gaps=gaps)
    assert follow(new(), [OLD, seen, seen, seen]) == (expected, 3)


def test_a_gap_that_one_reading_closed_is_closed() -> None:
    """A control that was lost in one reading was shown in another."""
    gap = up(WireState(Mode.MUTUAL, "aa", asked=True), "good", gaps=(Gap.UNKNOWN_CERTIFICATE,))
    assert follow(new(), [OLD, gap, GOOD, gap]) == (Ending.SETTLED, 3)


def test_an_address_that_went_away_is_not_waited_for() -> None:
    """The addresses that the last reading speaks of are those that have to be counted."""
    both = View(Look.UP, GOOD.state, "both", (*GOOD.met, *(replace(item, address="192.0.2.11") for item in GOOD.met)))
    assert follow(new(), [OLD, half(None), both, GOOD, GOOD]) == (Ending.SETTLED, 4)
    moved = replace(GOOD, met=tuple(replace(item, address="192.0.2.12") for item in GOOD.met))
    assert follow(new(), [GOOD, GOOD, moved]) == (Ending.SETTLED, 2)


def test_every_address_has_to_be_counted() -> None:
    """Few connections to one address are not made up for by many to another."""
    lone = (replace(GOOD.met[0], address="192.0.2.11"),)
    seen = View(Look.UP, GOOD.state, "one has few", (*GOOD.met, *lone))
    assert follow(new(), [OLD, *[seen] * 30]) == (Ending.SETTLED, 20)


@pytest.mark.parametrize(
    ("views", "partly"),
    [
        ([OLD, MIXED, MIXED, GOOD, GOOD, GOOD], True),
        ([OLD, MIXED, DOWN, MIXED, GOOD, GOOD, GOOD], False),
        ([OLD, MIXED, SILENT, GOOD, GOOD, GOOD], False),
    ],
)
def test_an_outage_is_partial_while_some_connections_work(views: list[View], partly: bool) -> None:
    """A reading in which nothing worked is an outage of all clients."""
    watch = new()
    follow(watch, views)
    assert watch.departure.blackout is not partly


def test_what_failed_before_the_first_good_connection_was_the_restart() -> None:
    """A reading in whose midst the port opens is no sighting of another state."""
    opening = View(Look.MIXED, None, "opening", (Met(ADDRESS, None, "refused"),) * 2 + GOOD.met[2:])
    assert follow(new(), [OLD, opening, GOOD, GOOD, GOOD]) == (Ending.SETTLED, 4)
    flapping = View(Look.MIXED, None, "flapping", GOOD.met[2:] + (Met(ADDRESS, None, "refused"),) * 2)
    assert follow(new(), [OLD, flapping, GOOD, GOOD, GOOD]) == (None, 5)
