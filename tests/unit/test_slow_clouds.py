"""Runs on a cloud that takes its time: requests are acted on late, and the status and the wire disagree meanwhile."""

import pytest

from provisioner.model.instance import Mode
from provisioner.model.outcome import Outcome
from tests.fakes.stage import Stage, one_way

SLOW = 45.0  # longer than the span of readings that settles


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box, in a cloud that acts on a request after a while."""
    stage = Stage()
    stage.world.delay = SLOW
    return stage


@pytest.mark.parametrize("busy_at_once", [False, True])
@pytest.mark.parametrize("effect", ["wrong_leaf", "anonymous", "devices_refused", "dead"])
def test_a_slow_rollback_is_followed_to_its_end(stage: Stage, effect: str, *, busy_at_once: bool) -> None:
    """The state that a rollback has not yet changed is neither believed nor given up."""
    stage.world.effects, stage.world.busy_at_once = [effect], busy_at_once
    result = stage.apply()
    assert (result.outcome, result.mode, result.fingerprint_sha256) == (
        Outcome.ROLLED_BACK,
        Mode.ONE_WAY,
        one_way().leaf,
    )
    assert stage.world.restarts == 2
