"""Unattended rotation on the fake clock: what it does, what it leaves to a person, and three years of it."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import UnansweredError
from provisioner.model.certificate import KeyType
from provisioner.model.desired import RotationPolicy, Window
from provisioner.model.finding import Severity
from provisioner.model.instance import Mode
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.reading import CanaryVerdict
from tests.fakes.stage import NAME, Stage, wanted

SUNDAYS = Window("0 2 * * SUN", timedelta(hours=3))
HOUR = timedelta(hours=1).total_seconds()
DAY = 24 * HOUR


def unattended(**policy: object) -> Stage:
    """Return an instance in mutual mode that may be rotated unattended."""
    stage = Stage(wanted(rotation=RotationPolicy(unattended=True, **policy)))  # type: ignore[arg-type]
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.events.clear()
    return stage


def reasons(result: InstanceResult) -> list[str]:
    """Return the reasons of a result's alarms."""
    return [item.reason for item in result.findings if item.severity is Severity.ALARM]


def pass_until_due(stage: Stage) -> None:
    """Let the time pass until the certificate is due."""
    stage.clock.sleep(441 * DAY)


def test_what_is_not_due_is_left_alone() -> None:
    """An hourly job finds nothing to do, quietly."""
    stage = unattended()
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), stage.world.restarts) == (Outcome.UNCHANGED, [], 1)
    assert [event.kind.value for event in stage.events] == ["planned", "finished"]


def test_a_device_that_is_locked_out_is_an_alarm_though_nothing_is_due() -> None:
    """An hourly job that ends unchanged says nothing at all."""
    stage = unattended()
    stage.world.device_verdicts = {Mode.MUTUAL: CanaryVerdict.REFUSED_BY_TLS}
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), stage.world.restarts) == (Outcome.REFUSED, ["canary-refused"], 1)
    assert result.message == "prod: a person is needed: the canary can't log in: refused_by_tls; nothing was changed"
    stage.world.device_verdicts = {}
    assert stage.rotate_unattended().outcome is Outcome.UNCHANGED


class Once(dict[Mode, CanaryVerdict]):
    """Verdicts that hold for one session each."""

    def get(self, mode: Mode, default: CanaryVerdict | None = None) -> CanaryVerdict | None:  # type: ignore[override]
        """Return a verdict and forget it."""
        return self.pop(mode, default)


@pytest.mark.parametrize("verdict", [CanaryVerdict.UNREACHABLE, CanaryVerdict.NO_ECHO])
def test_a_lost_packet_of_the_canary_is_no_alarm(verdict: CanaryVerdict) -> None:
    """What passes at the next try wakes nobody."""
    stage = unattended()
    stage.world.device_verdicts = Once({Mode.MUTUAL: verdict})
    assert stage.rotate_unattended().outcome is Outcome.UNCHANGED
    assert stage.world.device_verdicts == {}


def test_what_is_due_is_renewed() -> None:
    """Within ``renew_before`` of expiry a new certificate is made, hosted and switched to."""
    stage = unattended()
    before = stage.leaf()
    pass_until_due(stage)
    result = stage.rotate_unattended()
    assert (result.outcome, result.mode, stage.leaf() != before) == (Outcome.CONVERGED, Mode.MUTUAL, True)
    assert (result.findings[-1].reason, result.findings[-1].message) == (
        "due",
        f"why: served leaf {before[:16]}: it expires in 59 days, and renewal begins 60 days before expiry",
    )
    assert stage.rotate_unattended().outcome is Outcome.UNCHANGED


def test_an_instance_that_is_not_unattended_is_refused() -> None:
    """Named without ``unattended = true`` it is refused before anything is looked at."""
    stage = Stage()
    stage.apply()
    calls = len(stage.world.calls)
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), len(stage.world.calls)) == (Outcome.REFUSED, ["not-unattended"], calls)


def test_the_mode_is_never_changed() -> None:
    """An endpoint found one-way stays so, with an alarm."""
    stage = Stage(wanted(rotation=RotationPolicy(unattended=True)))
    result = stage.rotate_unattended()
    assert (result.outcome, stage.world.restarts, stage.hosting.uploads) == (Outcome.REFUSED, 0, [])
    assert "mode-differs" in reasons(result)


def test_a_bad_rotation_goes_back_and_is_not_repeated() -> None:
    """The previous certificate is back, the instance is on hold, and the next rotation only raises an alarm."""
    stage = unattended()
    before = stage.leaf()
    pass_until_due(stage)
    stage.world.effects = ["devices_refused"]
    assert (stage.rotate_unattended().outcome, stage.leaf()) == (Outcome.ROLLED_BACK, before)
    restarts = stage.world.restarts
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), stage.world.restarts) == (
        Outcome.REFUSED,
        ["on-hold", "taken-back"],
        restarts,
    )
    released = stage.apply(release=True)
    assert (released.outcome, stage.rotate_unattended().outcome) == (Outcome.CONVERGED, Outcome.UNCHANGED)


def test_a_certificate_that_was_taken_back_elsewhere_is_not_tried_again() -> None:
    """What was rolled back on one instance is not switched to unattended on another with the same state."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.effects = ["devices_refused"]
    stage.rotate_unattended()
    stage.records.holds.release(NAME)  # as another instance, which has no hold of its own, would find it
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result)) == (Outcome.REFUSED, ["taken-back"])


def test_questions_refuse() -> None:
    """What ``apply`` would ask about is refused: a changed key type, a dropped name."""
    stage = unattended()
    stage.rotate()
    assert reasons(stage.rotate_unattended()) == ["key-type-changes"]
    stage.respecify(key=KeyType.RSA_2048, dns_names=("mqtt-1.mqtt.aliyuncs.com",))
    assert reasons(stage.rotate_unattended()) == ["names-dropped"]
    assert stage.world.restarts == 1


def test_a_request_without_effect_is_repeated_once_and_then_held() -> None:
    """Two requests at most, then a person."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.effects = ["no_effect", "no_effect"]
    assert stage.rotate_unattended().outcome is Outcome.FAILED
    assert stage.rotate_unattended().outcome is Outcome.FAILED
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), len(stage.world.requests)) == (Outcome.REFUSED, ["on-hold"], 3)


def test_a_renewed_certificate_waits_for_the_window() -> None:
    """It is made and hosted when due; the switch begins when the window is open at the instance's own point."""
    stage = unattended(window=SUNDAYS)
    pass_until_due(stage)
    began = stage.clock.now()
    restarts, outcomes = stage.world.restarts, []
    while stage.world.restarts == restarts:
        outcomes.append(stage.rotate_unattended())
        stage.clock.sleep(HOUR)
    waiting, last = outcomes[:-1], outcomes[-1]
    assert {(item.outcome, item.findings[-1].reason) for item in waiting} == {(Outcome.UNCHANGED, "waits-for-window")}
    assert (last.outcome, len(stage.hosting.uploads)) == (Outcome.CONVERGED, 2)
    assert stage.clock.now() - began < timedelta(days=8)
    assert (stage.clock.now() - timedelta(hours=1)).strftime("%a %H") in {"Sun 02", "Sun 03", "Sun 04"}


def test_a_certificate_that_a_person_issued_is_not_unknown_once_it_is_hosted_here() -> None:
    """What lies in the key store is taken, hosted, and waited with, hour after hour."""
    stage = unattended(window=SUNDAYS)
    pass_until_due(stage)
    stage.pki.issue(stage.desired.specification)
    for _ in range(2):
        result = stage.rotate_unattended()
        assert (result.outcome, reasons(result)) == (Outcome.UNCHANGED, [])
        stage.clock.sleep(HOUR)
    assert (len(stage.pki.issued), len(stage.hosting.uploads)) == (2, 2)


def test_a_certificate_that_no_window_is_left_for_alarms_at_once() -> None:
    """With expiry nearer than any window nothing is made, and a person is told."""
    stage = unattended(window=Window("0 2 1 1 *", timedelta(hours=3)))
    stage.clock.sleep(495 * DAY)
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result), len(stage.hosting.uploads)) == (Outcome.REFUSED, ["no-window-in-time"], 1)


def test_the_last_window_in_time_is_used_despite_jitter_and_back_off() -> None:
    """At the very start of the last window the switch begins."""
    stage = unattended(window=Window("0 2 * * *", timedelta(hours=3)))
    expiry = stage.pki.read(stage.world.shown.der).not_after
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    assert stage.rotate_unattended().outcome is Outcome.FAILED
    stage.clock.sleep((expiry - timedelta(days=2) - stage.clock.now()).total_seconds())
    assert stage.clock.now().strftime("%H:%M") == "02:00"
    backoff = stage.records.backoffs.get(NAME)
    assert backoff is not None
    stage.records.backoffs.put(replace(backoff, until=stage.clock.now() + timedelta(hours=30)))
    stage.world.directory_error = None
    assert stage.rotate_unattended().outcome is Outcome.CONVERGED


def test_a_failure_says_when_it_is_tried_again() -> None:
    """The run that failed and those that leave the instance alone tell the same time, and what had failed."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    failed, left_alone = stage.rotate_unattended(), stage.rotate_unattended()
    until = (stage.clock.now() + timedelta(minutes=55)).strftime("%Y-%m-%d %H:%M UTC")
    assert [(item.reason, until in item.message) for item in failed.findings] == [("backs-off", True)]
    assert left_alone.findings == ()
    assert left_alone.message == (
        f"prod: left alone until {until} after a failure of the service (ListInstances: no answer); nothing was changed"
    )


def test_failures_of_the_service_back_off_by_doubling() -> None:
    """One hour, doubled up to 32; while it lasts no call is made, and the exit code still tells of the failure."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    tried, began = [], stage.clock.now()
    for hour in range(130):
        calls = len(stage.world.calls)
        assert stage.rotate_unattended().outcome is Outcome.FAILED
        if len(stage.world.calls) > calls:
            tried.append(hour)
        stage.clock.sleep((began + timedelta(hours=hour + 1) - stage.clock.now()).total_seconds())
    assert tried[:6] == [0, 1, 3, 7, 15, 31]
    assert [later - earlier for earlier, later in itertools.pairwise(tried[5:])] == [32, 32, 32]


def test_another_specification_ends_the_back_off() -> None:
    """A corrected configuration is tried at once."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    stage.rotate_unattended()
    stage.world.directory_error = None
    assert stage.rotate_unattended().outcome is Outcome.FAILED
    stage.respecify(dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"))
    assert stage.rotate_unattended().outcome is Outcome.CONVERGED


def test_another_specification_backs_off_anew() -> None:
    """A corrected configuration that fails too is not tried every hour, and begins with an hour."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    for _ in range(4):
        stage.rotate_unattended()
        stage.clock.sleep(8 * HOUR)
    stage.rotate_unattended()
    stage.respecify(dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"))
    failed, left_alone = stage.rotate_unattended(), stage.rotate_unattended()
    until = (stage.clock.now() + timedelta(minutes=55)).strftime("%Y-%m-%d %H:%M UTC")
    assert [(item.reason, until in item.message) for item in failed.findings] == [("backs-off", True)]
    assert f"left alone until {until} after a failure" in left_alone.message


def test_a_back_off_of_a_clock_that_ran_ahead_does_not_count() -> None:
    """A run at a wrong time of day, which the service refuses, must not leave the instance alone for years."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.directory_error = UnansweredError("ListInstances: no answer", action="ListInstances")
    stage.rotate_unattended()
    backoff = stage.records.backoffs.get(NAME)
    assert backoff is not None
    stage.records.backoffs.put(replace(backoff, until=backoff.until + timedelta(days=900)))
    stage.world.directory_error = None
    assert stage.rotate_unattended().outcome is Outcome.CONVERGED


def test_an_attended_driver_prepares_and_waits_for_a_person() -> None:
    """Everything is ready and the steps are told; the next rotation goes on once the wire shows it."""
    stage = Stage(wanted(rotation=RotationPolicy(unattended=True)), attended=True)
    stage.world.on_request = lambda: stage.world.act(stage.world.requests[-1]) if stage.world.requests else None
    stage.world.attended = False
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.world.attended, stage.world.on_request = True, None
    pass_until_due(stage)
    before, began = stage.leaf(), stage.clock.now()
    result = stage.rotate_unattended()
    assert (result.outcome, stage.leaf(), len(stage.hosting.uploads)) == (Outcome.WAITING, before, 2)
    assert "stay until provisioner resume has ended" in result.findings[-2].message
    assert stage.clock.now() - began < timedelta(minutes=1)
    assert stage.rotate_unattended().outcome is Outcome.WAITING
    stage.world.act(stage.world.requests[-1])
    assert (stage.rotate_unattended().outcome, stage.leaf() != before) == (Outcome.CONVERGED, True)
    assert stage.world.restarts == 2


@pytest.mark.parametrize(("allowed", "outcome"), [(False, Outcome.REFUSED), (True, Outcome.CONVERGED)])
def test_an_attended_way_back_has_to_be_allowed(allowed: bool, outcome: Outcome) -> None:
    """Where the driver acts alone and only a person could take it back, rotation refuses unless that is allowed."""
    stage = unattended(allow_attended_rollback=allowed)
    stage.rotating = stage.world.alone()
    stage.world.attended = True
    stage.hosting.kept.clear()  # the served certificate has no hosted copy, so the way back is one-way
    pass_until_due(stage)
    result = stage.rotate_unattended()
    assert result.outcome is outcome
    assert reasons(result) == ([] if allowed else ["attended-rollback-only"])


def test_an_expired_certificate_is_no_way_back() -> None:
    """Nothing goes back to it, so what is left is the way back by a person, which has to be allowed."""
    stage = unattended()
    stage.rotating = stage.world.alone()
    stage.world.attended = True
    stage.clock.sleep(501 * DAY)
    made = stage.plan()
    assert made.undo == "back to one-way with Alibaba's certificate (another restart)"
    assert "previous-expired" in [item.reason for item in made.findings]
    result = stage.rotate_unattended()
    assert (result.outcome, reasons(result)) == (Outcome.REFUSED, ["attended-rollback-only"])


def test_a_hosted_certificate_that_nobody_remembers_is_left_to_a_person() -> None:
    """A certificate that would do, hosted and not served, may have been rolled back by a run whose state was lost."""
    stage = unattended()
    pass_until_due(stage)
    stage.world.effects = ["devices_refused"]
    stage.rotate_unattended()
    other = stage.twin()
    result = other.rotate_unattended()
    assert (result.outcome, reasons(result), len(stage.hosting.uploads)) == (Outcome.REFUSED, ["unknown-hosted"], 2)
    assert stage.apply(release=True).outcome is Outcome.CONVERGED
    assert other.rotate_unattended().outcome is Outcome.UNCHANGED


@pytest.mark.usefixtures("untraced")  # fifty thousand runs
@pytest.mark.timeout(600)
def test_two_machines_renew_once_per_due_date_over_three_years() -> None:
    """Same configuration, own empty key stores and states, hourly: one renewal per due date, and no restart more."""
    first = unattended(window=SUNDAYS)
    second = first.twin()
    end = first.clock.now() + timedelta(days=3 * 365)
    switched = []
    while first.clock.now() < end:
        for machine in (first, second):
            restarts = first.world.restarts
            result = machine.rotate_unattended()
            assert result.outcome in {Outcome.UNCHANGED, Outcome.CONVERGED, Outcome.REFUSED}
            assert result.outcome is not Outcome.REFUSED or reasons(result) == ["unknown-hosted"]
            if first.world.restarts > restarts:
                switched.append(first.clock.now())
        first.clock.sleep(HOUR)
    assert len(switched) == 2
    assert (first.world.restarts, len(first.hosting.uploads)) == (3, 3)
