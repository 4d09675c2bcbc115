"""Runs whose canary is refused, distrusts the server, or works in one mode alone."""

from dataclasses import replace

import pytest

from provisioner.model.desired import CanaryPolicy
from provisioner.model.finding import Severity
from provisioner.model.instance import Mode
from provisioner.model.outcome import Outcome
from provisioner.model.reading import CanaryVerdict
from tests.fakes.stage import Stage, wanted


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box, whose canary has a certificate and no login."""
    return Stage()


def with_login() -> Stage:
    """Return an instance whose canary logs in."""
    return Stage(wanted(canary=CanaryPolicy(configured=True, logs_in=True)))


def about_the_canary(stage: Stage) -> list[tuple[str, Severity, str]]:
    """Return what the checks say of the canary."""
    found = [item for item in stage.plan().findings if item.reason.startswith("canary")]
    return [(item.reason, item.severity, item.hint) for item in found]


@pytest.mark.parametrize("verdict", [CanaryVerdict.DISTRUSTED, CanaryVerdict.REFUSED_BY_TLS])
def test_a_rollback_to_one_way_does_not_depend_on_the_canary(stage: Stage, verdict: CanaryVerdict) -> None:
    """One-way serves Alibaba's certificate to clients without one: a canary that trusts only ours proves nothing."""
    stage.world.device_verdicts = {Mode.ONE_WAY: verdict}
    stage.world.effects = ["dead"]
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, 2)
    assert result.evidence is not None
    assert [item.canary for item in result.evidence.addresses] == [None]


def test_a_canary_without_login_is_not_tried_in_one_way_mode(stage: Stage) -> None:
    """What it would meet there says nothing about the switch."""
    stage.world.device_verdicts = {Mode.ONE_WAY: CanaryVerdict.DISTRUSTED}
    assert about_the_canary(stage) == []
    assert stage.apply().outcome is Outcome.CONVERGED


@pytest.mark.parametrize("verdict", [CanaryVerdict.REFUSED_BY_LOGIN, CanaryVerdict.DISTRUSTED, CanaryVerdict.NO_ECHO])
def test_a_login_has_to_work_before_the_switch(verdict: CanaryVerdict) -> None:
    """Else a refusal afterwards could not be told from one that the switch brought about."""
    stage = with_login()
    stage.world.device_verdicts = {Mode.ONE_WAY: verdict}
    ((reason, severity, hint),) = about_the_canary(stage)
    assert (reason, severity) == ("canary-fails-before", Severity.REFUSAL)
    assert ("canary.trust" in hint) == (verdict is CanaryVerdict.DISTRUSTED)
    assert (stage.apply().outcome, stage.world.requests) == (Outcome.REFUSED, [])


def test_a_device_certificate_that_is_refused_now_is_refused_later(stage: Stage) -> None:
    """A rotation that could only be rolled back, and whose rollback could not be verified, is not begun."""
    stage.apply()
    stage.rotate()
    stage.world.shown = replace(stage.world.shown, devices_accepted=False)
    assert [(reason, severity) for reason, severity, _ in about_the_canary(stage)] == [
        ("canary-fails-before", Severity.REFUSAL)
    ]
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.REFUSED, 1)


def test_a_server_that_the_canary_distrusts_can_be_mended(stage: Stage) -> None:
    """An expired or foreign certificate on the endpoint is what a rotation is for."""
    stage.apply()
    stage.rotate()
    stage.world.device_verdicts = {Mode.MUTUAL: CanaryVerdict.DISTRUSTED}
    assert [(reason, severity) for reason, severity, _ in about_the_canary(stage)] == [
        ("canary-refused", Severity.WARNING)
    ]
    stage.world.on_request = stage.world.device_verdicts.clear
    assert stage.apply().outcome is Outcome.CONVERGED
