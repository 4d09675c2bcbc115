"""Runs on an endpoint behind a balancer: nothing is called verified that part of the connections contradict."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.desired import CanaryPolicy, WaitingPolicy
from provisioner.model.finding import Severity
from provisioner.model.instance import Mode
from provisioner.model.outcome import Outcome
from provisioner.model.reading import CanaryVerdict
from tests.fakes.stage import NAME, Stage, wanted
from tests.fakes.world import ALIBABA, Shown

DEFAULTS = WaitingPolicy()
STALE = Shown(ALIBABA, mutual=False)


def balanced(*, configured: bool = True, logs_in: bool = False) -> Stage:
    """Return an instance that is judged as in production, with or without a canary."""
    return Stage(wanted(canary=CanaryPolicy(configured, logs_in), waiting=DEFAULTS))


def after_requests(stage: Stage, count: int, backends: Sequence[Shown | str | None]) -> None:
    """Let some backends differ once so many requests were sent, until the next one is."""

    def change() -> None:
        stage.world.backends = list(backends) if len(stage.world.requests) == count else []

    stage.clock.sleepers.append(change)


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("backends", [[None, STALE], [None, None, STALE, STALE], [None] * 7 + [STALE]])
def test_a_stale_backend_leads_back(backends: list[Shown | str | None], canary: bool) -> None:
    """Round robin, whichever backend each kind of client would meet: never verified, rolled back with the reason."""
    stage = balanced(configured=canary)
    after_requests(stage, 1, backends)
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 2)
    assert "connections still meet the old certificate (one-way)" in result.message
    assert "met something else" in result.message
    assert "rolled back, verified" in result.message


def test_a_stale_backend_on_a_rotation_leads_back() -> None:
    """Old and new both demand certificates there; the leaf tells them apart."""
    stage = balanced()
    assert stage.apply().outcome is Outcome.CONVERGED
    before = replace(stage.world.shown)
    stage.rotate()
    after_requests(stage, 2, [None, before])
    result = stage.apply()
    assert (result.outcome, result.mode) == (Outcome.ROLLED_BACK, Mode.MUTUAL)
    assert "connections still meet the old certificate (mutual)" in result.message


def test_a_rollback_with_a_stale_backend_is_not_verified() -> None:
    """The way back is judged like the way there: half of the connections in the failed state need the operator."""
    stage = balanced()
    stage.world.effects = ["anonymous", "works"]
    failed: list[Shown] = []

    def keep() -> None:
        if len(stage.world.requests) == 1 and stage.world.shown.up and not failed and stage.world.shown.asks:
            failed.append(replace(stage.world.shown, mutual=True))
        stage.world.backends = [None, *failed] if len(stage.world.requests) == 2 else []

    stage.clock.sleepers.append(keep)
    result = stage.apply()
    assert result.outcome is Outcome.BROKEN
    assert "verified" not in result.message


def test_a_backend_that_comes_late_is_waited_for() -> None:
    """A stale backend that follows within the deadline costs time and nothing else."""
    stage = balanced()
    begun: list[float] = []

    def follow() -> None:
        if len(stage.world.requests) == 1:
            begun.append(stage.clock.monotonic())
        late = begun and stage.clock.monotonic() - begun[0] < 300
        stage.world.backends = [None, STALE] if late else []

    stage.clock.sleepers.append(follow)
    result = stage.apply()
    assert (result.outcome, stage.world.restarts, result.outage_partly) == (Outcome.CONVERGED, 1, False)
    assert result.evidence is not None
    assert result.evidence.connections >= 104
    assert result.evidence.stale_share_ruled_out <= 0.125


def test_an_apply_on_an_endpoint_whose_connections_disagree_is_refused() -> None:
    """Nothing is to be done about a state that can't be told, and it is not called unchanged."""
    stage = balanced()
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.world.backends = [None, STALE]
    result = stage.apply()
    assert result.outcome is Outcome.REFUSED
    assert any("connections disagree" in item.message for item in result.findings)


def test_devices_that_are_cut_off_without_an_alert_are_waited_for() -> None:
    """A TLS front that is back before its broker looks so; the canary gets in as soon as the broker is there."""
    stage = balanced()
    verdicts = {Mode.MUTUAL: CanaryVerdict.CUT_OFF}
    begun: list[float] = []

    def start_broker() -> None:
        if stage.world.shown.mutual:
            begun.append(stage.clock.monotonic())
        waited = bool(begun) and stage.clock.monotonic() - begun[0] > 600
        stage.world.device_verdicts = {} if waited else verdicts

    stage.clock.sleepers.append(start_broker)
    result = stage.apply()
    assert (result.outcome, stage.world.restarts) == (Outcome.CONVERGED, 1)


@pytest.mark.parametrize(
    "verdict", [CanaryVerdict.CUT_OFF, CanaryVerdict.REFUSED_BY_LOGIN, CanaryVerdict.NO_ECHO, CanaryVerdict.UNREACHABLE]
)
def test_devices_that_never_get_in_lead_back_at_the_deadline(verdict: CanaryVerdict) -> None:
    """Patience ends at the deadline, and not before."""
    stage = balanced()
    stage.world.device_verdicts = {Mode.MUTUAL: verdict}
    began = stage.clock.monotonic()
    result = stage.apply()
    assert (result.outcome, result.mode) == (Outcome.ROLLED_BACK, Mode.ONE_WAY)
    assert timedelta(seconds=stage.clock.monotonic() - began) > DEFAULTS.deadline


@pytest.mark.parametrize("verdict", [CanaryVerdict.REFUSED_BY_TLS, CanaryVerdict.DISTRUSTED])
def test_a_refusal_that_says_so_leads_back_at_once(verdict: CanaryVerdict) -> None:
    """An alert that speaks of the certificate is positive evidence, and the outage is kept short."""
    stage = balanced()
    stage.world.device_verdicts = {Mode.MUTUAL: verdict}
    began = stage.clock.monotonic()
    assert stage.apply().outcome is Outcome.ROLLED_BACK
    assert timedelta(seconds=stage.clock.monotonic() - began) < DEFAULTS.deadline / 2


def test_an_endpoint_that_takes_any_certificate_is_not_verified() -> None:
    """A certificate that nobody knows has to be refused."""
    stage = balanced()

    def open_up() -> None:
        stage.world.shown.any_certificate = stage.world.shown.mutual

    stage.clock.sleepers.append(open_up)
    result = stage.apply()
    assert (result.outcome, result.mode) == (Outcome.ROLLED_BACK, Mode.ONE_WAY)
    assert "accepts certificates of unknown CAs" in result.message


def test_without_alerts_and_without_a_canary_nothing_is_proven() -> None:
    """A server that cuts off who has no certificate may as well be restarting: exit 9, and a canary proves it later."""
    stage = balanced(configured=False)
    stage.world.alerts = False
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.WAITING, Mode.MUTUAL, 1)
    assert "verified" not in result.message
    alarm = [item for item in result.findings if item.reason == "not-proven"]
    assert [item.severity for item in alarm] == [Severity.ALARM]
    assert result.hint == f"add canary to [instances.{NAME}], then: provisioner resume {NAME}"
    assert NAME not in stage.records.holds.kept
    stage.desired = replace(stage.desired, canary=CanaryPolicy(configured=True, logs_in=True))
    assert [item.outcome for item in stage.resume()] == [Outcome.CONVERGED]
    assert (stage.world.restarts, stage.records.intents.kept) == (1, {})


def test_with_a_canary_a_close_is_a_refusal() -> None:
    """The canary is let in on the same leaf, and who has no certificate, or an unknown one, is cut off."""
    stage = balanced()
    stage.world.alerts = False
    assert stage.apply().outcome is Outcome.CONVERGED


def test_a_broker_that_drops_who_does_not_log_in_can_be_managed_with_a_canary() -> None:
    """One-way, mutual, and back: sessions that log in show what a probe can't."""
    stage = balanced(logs_in=True)
    stage.world.drops_logins = True
    assert stage.apply().outcome is Outcome.CONVERGED
    assert stage.rollback("one-way").outcome is Outcome.CONVERGED


def test_a_broker_that_drops_who_does_not_log_in_is_refused_without_a_canary() -> None:
    """Nobody could tell afterwards whether the way back worked."""
    stage = balanced(configured=False)
    stage.world.drops_logins = True
    result = stage.apply()
    assert (result.outcome, stage.world.requests) == (Outcome.REFUSED, [])
    assert any("a canary that logs in" in item.hint for item in result.findings)


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("size", [4, 16])
def test_a_backend_that_does_not_answer_is_not_verified_away(size: int, canary: bool) -> None:
    """One time-out may be a lost packet; repeated ones are connections like the others."""
    stage = balanced(configured=canary)
    after_requests(stage, 1, [None] * (size - 1) + ["silent"])
    assert stage.apply().outcome is Outcome.ROLLED_BACK


def test_a_backend_that_refuses_devices_is_not_verified_by_the_number_of_probes() -> None:
    """Once the canary was refused, as many of its sessions in a row have to be let in as probes have to agree."""
    stage = balanced()

    def refuse() -> None:
        shown = stage.world.shown
        odd = replace(shown, devices_accepted=False)
        stage.world.backends = [None, None, odd, None, None] if shown.mutual and shown.up else []

    stage.clock.sleepers.append(refuse)
    assert stage.apply().outcome is Outcome.ROLLED_BACK
