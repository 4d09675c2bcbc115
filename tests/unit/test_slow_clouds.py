"""Runs on a cloud that takes its time, with a state and a network that fail in passing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import StateError
from provisioner.model.instance import Endpoint, Mode, Status
from provisioner.model.intent import Intent
from provisioner.model.outcome import Outcome
from provisioner.model.reading import Stage as ProbeStage
from provisioner.wire.probe import StdlibWireProbe
from tests.fakes.memory import MemoryIntents, MemoryLocks
from tests.fakes.stage import Stage, one_way
from tests.fakes.world import Shown

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


def test_a_state_half_way_is_not_judged_by_a_status_from_before(stage: Stage) -> None:
    """With few readings to settle, the instance's being at work is seen before a passing state is called wrong."""
    quick = replace(stage.desired.waiting, readings=3, over=timedelta(seconds=2), poll=timedelta(seconds=1))
    stage.desired = replace(stage.desired, waiting=replace(quick, status_poll=timedelta(minutes=1)))
    stage.world.effects = ["no_effect"]
    began: list[float] = []
    stage.world.on_request = lambda: began.append(stage.clock.monotonic())

    def restart() -> None:
        if not began or stage.clock.monotonic() < began[0] + 3:
            return
        done = stage.clock.monotonic() >= began[0] + 20
        ours = stage.pki.issued[-1][1]
        stage.world.shown = Shown(ours, mutual=done, asks=True)
        stage.world.status = Status.IN_SERVICE if done else Status.UPGRADING

    stage.clock.sleepers.append(restart)
    assert (stage.apply().outcome, len(stage.world.requests)) == (Outcome.CONVERGED, 1)


class Locked(MemoryIntents):
    """Intents in a database that is locked for a while after the request."""

    trouble = 3

    def save(self, intent: Intent) -> None:
        """Fail a few times to write that the wire has changed."""
        if intent.interrupted and self.trouble:
            self.trouble -= 1
            raise StateError("state.sqlite: the state can't be used: database is locked")
        super().save(intent)


class Deaf(MemoryLocks):
    """Locks whose requests to stop can't be read."""

    def stop_asked(self, instance: str, run: str) -> str | None:
        """Fail."""
        raise StateError("state.sqlite: the state can't be used: disk I/O error")


def test_a_wait_outlives_trouble_with_the_state() -> None:
    """A restart on its way is followed to its end, and the record is written as soon as it can be."""
    stage = Stage()
    intents = stage.records.intents = Locked()
    stage.records.locks = Deaf(stage.clock)
    assert (stage.apply().outcome, intents.trouble) == (Outcome.CONVERGED, 0)


def test_a_network_without_a_way_there_is_silence() -> None:
    """What this machine's network lacks, IPv6 for one, says nothing about the endpoint."""
    probe = StdlibWireProbe(timeout=timedelta(milliseconds=300))
    seen = probe.probe(Endpoint("mqtt.example.com"), "224.0.0.1")  # no unicast address
    assert (seen.stage, seen.timed_out, seen.leaf_sha256) == (ProbeStage.CONNECT, True, None)
