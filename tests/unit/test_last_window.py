"""The last maintenance window before expiry: what even it does not override."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.desired import RotationPolicy, Window
from provisioner.model.finding import Severity
from provisioner.model.intent import Hold
from provisioner.model.outcome import Outcome
from tests.fakes.stage import NAME, Stage, wanted

NIGHTLY = Window("0 2 * * *", timedelta(hours=3))


def in_the_last_window() -> Stage:
    """Return an instance that is due, at the very start of its last window in time."""
    stage = Stage(wanted(rotation=RotationPolicy(unattended=True, window=NIGHTLY)))
    assert stage.apply().outcome is Outcome.CONVERGED
    expiry = stage.pki.read(stage.world.shown.der).not_after
    stage.clock.sleep((expiry - timedelta(days=2) - stage.clock.now()).total_seconds())
    assert f"{stage.clock.now():%H:%M}" == "02:00"
    return stage


def hold(stage: Stage) -> None:
    """Put the instance on hold, whatever its specification."""
    stage.records.holds.put(Hold(NAME, "run-1", stage.clock.now(), "rolled back", ""))


def forbid(stage: Stage) -> None:
    """Take the permission back."""
    stage.desired = replace(stage.desired, rotation=RotationPolicy(unattended=False, window=NIGHTLY))


@pytest.mark.parametrize(("change", "reason"), [(hold, "on-hold"), (forbid, "not-unattended")])
def test_a_hold_and_a_missing_permission_stand(change: Callable[[Stage], None], reason: str) -> None:
    """However near the end: nothing is requested, and a person is told."""
    stage = in_the_last_window()
    change(stage)
    result = stage.rotate_unattended()
    alarms = [item.reason for item in result.findings if item.severity is Severity.ALARM]
    assert (result.outcome, alarms, stage.world.restarts) == (Outcome.REFUSED, [reason], 1)


def test_without_them_it_is_used() -> None:
    """So that the test above can fail."""
    stage = in_the_last_window()
    assert (stage.rotate_unattended().outcome, stage.world.restarts) == (Outcome.CONVERGED, 2)
