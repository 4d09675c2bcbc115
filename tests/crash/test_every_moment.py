"""Runs killed at every moment, in pretended time: what the next command makes of it.

Each test kills a command before each of its calls to the outside, one after the other, and compares the set of ends
over all of these moments: outcome of the next command, what the wire shows, restarts, uploads, hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.event import Event, EventKind
from tests.crash import mortal
from tests.crash.mortal import Mortal

Make = Callable[[], Mortal]
Command = Callable[[Mortal], object]
Next = Callable[[Mortal], list[str]]
End = tuple[str, str, int, int, bool]


@dataclass(frozen=True, slots=True)
class Cloud:
    """Seconds until a request acts, whether the status shows a restart, and seconds until the next command."""

    late: float = 0.0
    tells: bool = True
    gap: float = 0.0


CLOUDS = {
    "at-once": Cloud(),
    "next-in-the-restart": Cloud(gap=40),
    "next-long-after": Cloud(gap=900),
    "late": Cloud(late=60),
    "untold": Cloud(tells=False),
}
WORLD_RESTART = Mortal().world.restart
clouds = pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS)


class Moments:
    """All moments at which a command can be killed.

    Args:
        make: makes the instance.
        command: what is killed.
        effects: what requests do, from then on.
        cloud: how it behaves.
    """

    def __init__(self, make: Make, command: Command, *effects: str, cloud: Cloud) -> None:
        self._make = make
        self._command = command
        self._effects = effects
        self._cloud = cloud

    def stages(self) -> Iterator[tuple[Mortal, int, int]]:
        """Yield the instance after each death, and after the whole command; with restarts and uploads before it."""
        for number in count():
            stage = self._make()
            stage.world.effects = list(self._effects)
            stage.world.delay, stage.world.tells = self._cloud.late, self._cloud.tells
            before = stage.world.restarts, len(stage.hosting.uploads)
            survived = stage.lives(number, self._command)
            yield stage, *before
            if survived:
                return

    def ends(self, then: Next, *, asked: bool = False) -> set[End]:
        """Return how the next command ends, over all moments, or over those at which something had been asked for.

        Args:
            then: the next command.
            asked: leave the moments out at which no request had been sent.
        """
        found = set()
        for stage, restarts, uploads in self.stages():
            if asked and not stage.world.requests:
                continue
            stage.clock.sleep(self._cloud.gap)
            outcomes = then(stage)
            assert stage.held() or not stage.open()
            more = stage.world.restarts - restarts, len(stage.hosting.uploads) - uploads
            found.add(("+".join(outcomes), stage.wire(), *more, stage.held()))
        return found


@clouds
@pytest.mark.parametrize("then", [mortal.apply, mortal.resume])
def test_a_killed_first_switch_is_finished_with_one_upload_and_one_restart(then: Next, cloud: Cloud) -> None:
    """Whenever the first switch dies, the next command ends it, and nothing is done twice."""
    moments = Moments(mortal.first_switch, mortal.apply, cloud=cloud)
    assert moments.ends(then) == {("converged", "first", 1, 1, False), ("unchanged", "first", 1, 1, False)}


@clouds
@pytest.mark.parametrize("then", [mortal.apply, mortal.resume])
def test_a_killed_rotation_is_finished_with_one_upload_and_one_restart(then: Next, cloud: Cloud) -> None:
    """Whenever a rotation dies, the next command ends it, and nothing is done twice."""
    moments = Moments(mortal.rotation, mortal.apply, cloud=cloud)
    assert moments.ends(then) == {("converged", "second", 1, 1, False), ("unchanged", "second", 1, 1, False)}


@clouds
def test_a_killed_switch_to_one_way_is_finished_with_one_restart(cloud: Cloud) -> None:
    """Going back by configuration is a switch like any other."""
    moments = Moments(mortal.back_by_configuration, mortal.apply, cloud=cloud)
    assert moments.ends(mortal.apply) == {("converged", "one-way", 1, 0, False), ("unchanged", "one-way", 1, 0, False)}


@clouds
def test_rollback_after_a_killed_first_switch_ends_one_way_on_hold(cloud: Cloud) -> None:
    """Nothing is restarted when nothing had been asked for, and one restart undoes the one that had."""
    moments = Moments(mortal.first_switch, mortal.apply, cloud=cloud)
    assert moments.ends(mortal.rollback) == {
        ("converged", "one-way", 0, 0, True),
        ("converged", "one-way", 0, 1, True),
        ("converged", "one-way", 2, 1, True),
    }


@clouds
def test_rollback_after_a_killed_rotation_ends_with_the_certificate_before(cloud: Cloud) -> None:
    """Once the rotation was asked for, the way back is the first certificate, requested only where needed."""
    moments = Moments(mortal.rotation, mortal.apply, cloud=cloud)
    assert moments.ends(mortal.rollback) == {
        ("converged", "one-way", 1, 0, True),  # nothing was recorded yet: back from the first certificate
        ("converged", "one-way", 1, 1, True),
        ("converged", "first", 0, 1, True),
        ("converged", "first", 2, 1, True),
    }


@clouds
@pytest.mark.parametrize("effect", ["wrong_leaf", "dead"])
@pytest.mark.parametrize("then", [mortal.apply, mortal.resume])
def test_a_run_killed_before_or_in_its_rollback_is_rolled_back_once(then: Next, effect: str, cloud: Cloud) -> None:
    """A bad switch is undone by one further restart, whenever the run dies, and the instance is on hold."""
    moments = Moments(mortal.first_switch, mortal.apply, effect, cloud=cloud)
    assert moments.ends(then) == {("rolled_back", "one-way", 2, 1, True), ("refused", "one-way", 2, 1, True)}


@clouds
@pytest.mark.parametrize("then", [mortal.apply, mortal.resume])
def test_a_rotation_killed_before_or_in_its_rollback_is_rolled_back_once(then: Next, cloud: Cloud) -> None:
    """The first certificate is restored by one further restart, whenever the run dies."""
    moments = Moments(mortal.rotation, mortal.apply, "devices_refused", cloud=cloud)
    assert moments.ends(then) == {("rolled_back", "first", 2, 1, True), ("refused", "first", 2, 1, True)}


@clouds
@pytest.mark.parametrize("effect", ["wrong_leaf", "dead"])
def test_rollback_goes_on_with_a_killed_rollback(effect: str, cloud: Cloud) -> None:
    """The command doesn't restart again what an earlier run's rollback is restarting already."""
    moments = Moments(mortal.first_switch, mortal.apply, effect, cloud=cloud)
    assert moments.ends(mortal.rollback, asked=True) == {("converged", "one-way", 2, 1, True)}


@clouds
def test_a_switch_that_reverts_is_not_asked_for_again_after_a_kill(cloud: Cloud) -> None:
    """Whenever the run dies, nothing is requested after the endpoint went back by itself, where anybody could see it.

    It can't be seen when the run died with its request, and the restart came and went before the next one.
    """
    moments = Moments(mortal.first_switch, mortal.apply, "reverts", cloud=cloud)
    unseen = {("converged", "first", 2, 1, False)} if cloud.gap > WORLD_RESTART else set()
    seen = {("rolled_back", "one-way", 1, 1, True), ("refused", "one-way", 1, 1, True)}
    assert moments.ends(mortal.apply) == seen | unseen


@clouds
@pytest.mark.parametrize("then", [mortal.to_one_way, mortal.resume])
def test_a_killed_command_rollback_is_finished_with_one_restart(then: Next, cloud: Cloud) -> None:
    """The same command, or resume, ends it. Before anything was recorded there is nothing to resume."""
    moments = Moments(mortal.switched, mortal.to_one_way, cloud=cloud)
    early = (
        {("unchanged", "first", 0, 0, False), ("refused", "one-way", 1, 0, True)} if then is mortal.resume else set()
    )
    assert moments.ends(then) == {("converged", "one-way", 1, 0, True)} | early


@clouds
def test_a_killed_rollback_to_the_previous_certificate_is_finished_with_one_restart(cloud: Cloud) -> None:
    """Whenever the rollback dies, what was asked for is reached by one restart."""
    moments = Moments(mortal.rotated, mortal.rollback, cloud=cloud)
    assert moments.ends(mortal.resume) == {
        ("unchanged", "second", 0, 0, False),
        ("converged", "first", 1, 0, True),
        ("refused", "first", 1, 0, True),
    }


def test_an_attended_switch_is_finished_once_the_person_has_acted() -> None:
    """Killed around a person's clicks: the next run says the steps again, or sees what they did."""

    def clicked_after_a_minute() -> Mortal:
        stage = Mortal(attended=True)

        def hear(event: Event) -> None:
            if event.kind is EventKind.INSTRUCTED:
                stage.clock.sleepers.append(click)

        def click() -> None:
            if stage.clock.monotonic() > 60 and not stage.world.restarts:
                stage.world.act(stage.world.requests[0])

        stage.on_event = hear
        return stage

    moments = Moments(clicked_after_a_minute, mortal.apply, cloud=Cloud())
    assert moments.ends(mortal.apply) == {("converged", "first", 1, 1, False), ("unchanged", "first", 1, 1, False)}


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    effect=st.sampled_from(["works", "works", "lost_answer", "lost_request", "no_effect"]),
    late=st.floats(0, 250),
    tells=st.booleans(),
    deaths=st.lists(st.tuples(st.integers(0, 150), st.floats(0, 900)), max_size=5),
)
def test_however_often_runs_die_the_switch_is_made_in_the_end(
    effect: str, late: float, tells: bool, deaths: list[tuple[int, float]]
) -> None:
    """Killed again and again, with a cloud that is late or loses the first request: one upload, and it converges.

    A second restart is asked for only where the first request could not be seen to act within ``effect_within``.
    """
    stage = Mortal()
    stage.world.effects, stage.world.delay, stage.world.tells = [effect], late, tells
    for calls, gap in deaths:
        stage.lives(calls, mortal.apply)
        stage.clock.sleep(gap)
    for _ in range(8):
        last = mortal.apply(stage)
        stage.clock.sleep(late + stage.world.restart)
    assert (last, stage.wire(), stage.open(), stage.held()) == (["unchanged"], "first", False, False)
    assert (len(stage.pki.issued), len(stage.hosting.uploads)) == (1, 1)
    seen_in_time = late < mortal.WAITING.effect_within.total_seconds()
    assert stage.world.restarts == 1 if seen_in_time else stage.world.restarts <= len(stage.world.requests)
