"""Runs on endpoints with several addresses, some of which are unreachable, late, or go another way."""

import pytest

from provisioner.model.event import EventKind
from provisioner.model.finding import Finding
from provisioner.model.instance import Mode
from provisioner.model.outcome import InstanceResult, Outcome
from tests.fakes.stage import Killed, Stage
from tests.fakes.world import ADDRESS, ALIBABA, Shown

OTHER = "192.0.2.11"
SIXTH = "2001:db8::10"


@pytest.fixture
def stage() -> Stage:
    """Return an endpoint with two addresses of one kind and one of the other."""
    stage = Stage()
    stage.world.addresses = (ADDRESS, OTHER, SIXTH)
    return stage


def judged(result: InstanceResult) -> list[str]:
    """Return the addresses that the evidence speaks of."""
    assert result.evidence is not None
    return [item.address for item in result.evidence.addresses]


def test_every_address_is_judged(stage: Stage) -> None:
    """All addresses have to agree, and the canary gets in at each."""
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.CONVERGED, [ADDRESS, OTHER, SIXTH])
    assert result.evidence is not None
    assert [item.canary for item in result.evidence.addresses] == ["accepted"] * 3


def test_an_address_that_was_unreachable_before_is_told_and_left_out(stage: Stage) -> None:
    """A host without IPv6 goes on with the addresses that it reaches, and says which it doesn't."""
    stage.world.elsewhere = {SIXTH: "unreachable"}
    found: list[Finding] = [item for item in stage.plan().findings if item.reason == "addresses-left-out"]
    assert [item.message for item in found] == [f"unreachable before any change, so not judged later: {SIXTH}"]
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.CONVERGED, [ADDRESS, OTHER])
    assert result.evidence is not None
    assert result.evidence.left_out == (SIXTH,)


def test_one_lost_packet_leaves_no_address_out(stage: Stage) -> None:
    """An address that answers at the next look is judged like the others."""
    stage.world.glitches = ["silent"]
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.CONVERGED, [ADDRESS, OTHER, SIXTH])


def test_an_address_without_mqtt_is_not_left_out(stage: Stage) -> None:
    """Devices get to it, so an endpoint that is broken there is not touched."""
    stage.world.elsewhere = {OTHER: "no_mqtt"}
    assert (stage.apply().outcome, stage.world.requests) == (Outcome.REFUSED, [])


@pytest.mark.parametrize("shown", ["unreachable", "silent", Shown(ALIBABA, mutual=False)])
def test_an_address_that_stays_behind_leads_back(stage: Stage, shown: Shown | str) -> None:
    """One address that is down, silent or still in the old state after the switch is an endpoint that failed."""
    stage.world.on_request = lambda: stage.world.elsewhere.update({OTHER: shown})

    def recover() -> None:
        if len(stage.world.requests) == 2:
            stage.world.elsewhere.clear()

    stage.clock.sleepers.append(recover)
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 2)


def test_an_endpoint_that_falls_silent_is_taken_back(stage: Stage) -> None:
    """Where every packet is dropped soon after the request, nothing has gone back by itself."""
    requested: list[float] = []
    stage.world.delay = 20.0
    stage.world.on_request = lambda: requested.append(stage.clock.monotonic())

    def fall_silent() -> None:
        begun = len(requested) == 1 and stage.clock.monotonic() >= requested[0] + stage.world.delay
        stage.world.elsewhere = dict.fromkeys(stage.world.addresses, "silent") if begun else {}

    stage.clock.sleepers.append(fall_silent)
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 2)


def test_addresses_may_change_during_the_restart(stage: Stage) -> None:
    """What the name leads to afterwards is what counts."""

    def move() -> None:
        stage.world.elsewhere = dict.fromkeys(stage.world.addresses, "unreachable")
        stage.world.addresses = ("192.0.2.20",)

    stage.world.on_request = move
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.CONVERGED, ["192.0.2.20"])


def test_an_address_that_left_the_name_is_judged_while_it_answers(stage: Stage) -> None:
    """Devices remember addresses: one that stays in the old state is a part of the endpoint that failed."""

    def move() -> None:
        if len(stage.world.requests) == 0:
            stage.world.elsewhere = {OTHER: Shown(ALIBABA, mutual=False), SIXTH: "unreachable"}
            stage.world.addresses = (ADDRESS,)

    stage.world.on_request = move
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.ROLLED_BACK, [ADDRESS, OTHER])
    assert f"still meet the old certificate (one-way) at {OTHER}" in result.message


def test_an_address_that_was_dead_and_comes_back_stale_is_judged(stage: Stage) -> None:
    """An address that was unreachable before the change is no exception once it answers."""
    stage.world.elsewhere = {OTHER: "unreachable"}

    def wake() -> None:
        if len(stage.world.requests) == 1:
            stage.world.elsewhere = {OTHER: Shown(ALIBABA, mutual=False)}

    stage.clock.sleepers.append(wake)
    result = stage.apply()
    assert (result.outcome, judged(result)) == (Outcome.ROLLED_BACK, [ADDRESS, OTHER, SIXTH])
    assert f"still meet the old certificate (one-way) at {OTHER}" in result.message


def test_a_run_that_goes_on_judges_the_addresses_of_the_run_before(stage: Stage) -> None:
    """What belonged to the name when the change began is recorded with the request."""
    stage.kill_at(EventKind.WAITING, 2)
    with pytest.raises(Killed):
        stage.apply()
    stage.world.elsewhere = {OTHER: Shown(ALIBABA, mutual=False), SIXTH: "unreachable"}
    stage.world.addresses = (ADDRESS,)
    assert judged(stage.resume()[0]) == [ADDRESS, OTHER]


def test_a_name_that_does_not_resolve_for_a_moment_costs_nothing(stage: Stage) -> None:
    """This machine's name service pauses a count and does not look like a restart."""
    stage.world.effects = ["no_effect"]

    def forget() -> None:
        stage.world.unresolved = 1

    stage.world.on_request = forget
    result = stage.apply()
    assert (result.outcome, result.outage_seconds) == (Outcome.FAILED, 0.0)
