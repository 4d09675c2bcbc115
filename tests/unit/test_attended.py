"""Runs with the attended driver: a person clicks, late, differently, or not at all."""

import pytest

from provisioner.model.event import Event, EventKind
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.intent import Action
from provisioner.model.outcome import InstanceResult, Outcome
from tests.fakes.stage import NAME, Stage, one_way


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box, whose switch needs a person."""
    return Stage(attended=True)


def clicking(stage: Stage, *effects: str, after: float = 0.0) -> None:
    """Let a person do what each instruction says, with these effects, so many seconds after it."""
    due: list[tuple[float, EndpointState, str]] = []
    left = list(effects)

    def hear(event: Event) -> None:
        if event.kind is EventKind.INSTRUCTED and left:
            target = stage.records.intents.kept[NAME].target
            due.append((stage.clock.monotonic() + after, target, left.pop(0)))

    def click() -> None:
        if due and stage.clock.monotonic() >= due[0][0]:
            _, target, effect = due.pop(0)
            stage.world.act(target, effect)

    stage.on_event = hear
    stage.clock.sleepers.append(click)


def ended(result: InstanceResult) -> tuple[Outcome, Mode | None, int]:
    """Return how a run ended, in which mode, with which exit code."""
    return result.outcome, result.mode, result.outcome.exit_code


def test_a_person_may_take_almost_the_whole_deadline(stage: Stage) -> None:
    """The restart has a deadline of its own, from the first changed reading on."""
    stage.world.restart = 20 * 60
    clicking(stage, "works", after=29 * 60)
    assert ended(stage.apply()) == (Outcome.CONVERGED, Mode.MUTUAL, 0)


def test_a_bad_switch_is_taken_back_by_the_same_person(stage: Stage) -> None:
    """The rollback's steps are shown, and what came of them is verified."""
    clicking(stage, "devices_refused", "works", after=60)
    result = stage.apply()
    assert ended(result) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 7)
    assert (result.fingerprint_sha256, len(stage.told(EventKind.INSTRUCTED))) == (one_way().leaf, 2)


@pytest.mark.parametrize("effect", ["wrong_leaf", "dead"])
def test_a_rollback_that_nobody_does_by_its_deadline_needs_a_person(stage: Stage, effect: str) -> None:
    """Exit 8 and on hold; the request stays on record, so that resume shows the steps again."""
    clicking(stage, effect)
    assert stage.apply().outcome.exit_code == 8
    assert (list(stage.records.holds.kept), stage.records.intents.kept[NAME].action) == ([NAME], Action.ROLLBACK)
    clicking(stage, "works", after=60)
    assert [ended(item) for item in stage.resume()] == [(Outcome.ROLLED_BACK, Mode.ONE_WAY, 7)]


def test_a_person_who_reads_while_a_bad_state_comes_up_is_waited_for(stage: Stage) -> None:
    """A rollback asked for while the endpoint was down does not judge what came up before the click."""
    clicking(stage, "dead", "works", after=600)

    def come_up() -> None:
        if len(stage.told(EventKind.INSTRUCTED)) == 2 and stage.world.restarts == 1:
            stage.world.shown.up = True

    stage.clock.sleepers.append(come_up)
    assert ended(stage.apply()) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 7)


def test_what_nobody_has_begun_is_planned_anew(stage: Stage) -> None:
    """A person who changed the configuration is not shown the steps for the certificate before."""
    assert ended(stage.apply()) == (Outcome.WAITING, Mode.ONE_WAY, 9)
    stage.rotate()
    clicking(stage, "works")
    assert ended(stage.apply()) == (Outcome.CONVERGED, Mode.MUTUAL, 0)
    assert [target.leaf for target in stage.world.requests[-1:]] == [stage.leaf()]
    assert (len(stage.hosting.uploads), len(stage.approved)) == (2, 2)


def test_what_somebody_has_begun_is_followed(stage: Stage) -> None:
    """A restart that began after the run had ended is waited for, whatever the configuration says by now."""
    stage.apply()
    target = stage.records.intents.kept[NAME].target
    stage.rotate()
    stage.world.act(target)
    stage.clock.sleep(5)
    clicking(stage, "works", "works")
    assert ended(stage.apply()) == (Outcome.CONVERGED, Mode.MUTUAL, 0)
    assert stage.world.restarts == 2
