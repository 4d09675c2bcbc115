"""Unattended rotation through the command line, on the sandbox."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import INSTANCE, Cloud, Done

OPENAPI = 'switch = "openapi"'
MORE_NAMES = ('dns_names = ["*.mqtt.aliyuncs.com"]', 'dns_names = ["*.mqtt.aliyuncs.com", "mqtt.example.com"]')


@pytest.fixture
def rotating(cloud: Cloud) -> Cloud:
    """Return a sandbox whose instance is in mutual mode and may be rotated unattended."""
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true")
    assert cloud.apply().code == 0
    return cloud


def rotate(cloud: Cloud, *names: str) -> Done:
    """Run ``rotate --json``."""
    return cloud.run("rotate", *names, "--json")


def reasons(done: Done, severity: str = "alarm") -> list[str]:
    """Return the reasons of the findings of one severity."""
    return [item["reason"] for item in done.instance["findings"] if item["severity"] == severity]


def test_an_hourly_job_is_quiet(rotating: Cloud) -> None:
    """Nothing due means exit 0, no write, and with --quiet not a word."""
    before = len(rotating.actions())
    done = rotating.run("rotate", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    read = {"ListInstances", "ListCertificates", "ListCaCertificate", "ListDeviceCertificateByCaSn"}
    assert set(rotating.actions()[before:]) == read


def test_a_rotation_by_restart(rotating: Cloud) -> None:
    """A changed specification leads to a new certificate through the switch, with nobody asked."""
    before = rotating.machine.serving.leaf_sha256
    rotating.edit(*MORE_NAMES)
    done = rotate(rotating)
    assert (done.code, done.instance["outcome"], done.document["command"]) == (0, "converged", "rotate")
    assert done.instance["fingerprint_sha256"] == rotating.machine.serving.leaf_sha256 != before
    assert rotating.actions().count(rotating.sandbox.settings.mutual_action) == 2


def test_a_rotation_by_sni(rotating: Cloud) -> None:
    """The published SetSniConfig moves the default certificate, and the switch is not used again."""
    rotating.edit(OPENAPI, f'{OPENAPI}\nrotate_with = "sni"\nsni_owns_mapping = true')
    rotating.edit(*MORE_NAMES)
    done = rotate(rotating)
    assert (done.code, done.instance["fingerprint_sha256"]) == (0, rotating.machine.serving.leaf_sha256)
    assert rotating.actions().count("SetSniConfig") == 1
    assert rotating.actions().count(rotating.sandbox.settings.mutual_action) == 1


def test_a_rotation_that_breaks_the_canary(rotating: Cloud) -> None:
    """Back on the previous certificate and on hold, skipped with an alarm, lifted by ``apply --release``."""
    before = rotating.machine.serving.leaf_sha256
    rotating.edit(*MORE_NAMES)
    rotating.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    done = rotate(rotating)
    assert (done.code, done.instance["outcome"]) == (7, "rolled_back")
    assert (rotating.machine.serving.leaf_sha256, rotating.machine.restarts) == (before, 3)
    again = rotate(rotating)
    assert (again.code, rotating.machine.restarts) == (3, 3)
    assert "on-hold" in reasons(again)
    assert "--release" in again.instance["hint"]
    assert rotating.apply("--release").code == 0
    assert rotate(rotating).instance["outcome"] == "unchanged"


def test_an_instance_that_is_not_unattended_is_left_alone(cloud: Cloud) -> None:
    """Named it is refused, not named it is not looked at."""
    assert cloud.apply().code == 0
    named = rotate(cloud, "prod")
    assert (named.code, reasons(named)) == (3, ["not-unattended"])
    assert rotate(cloud).document["instances"] == []


def test_an_endpoint_found_one_way_stays_so(cloud: Cloud) -> None:
    """The mode is never changed unattended: alarm, exit 3, nothing made."""
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true")
    done = rotate(cloud)
    assert (done.code, cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (3, 0, 0)
    assert "mode-differs" in reasons(done)


def _window(start: datetime) -> str:
    """Return a daily window of an hour, which two of the deadlines below fill: a switch may begin at its start."""
    return f'window = {{ cron = "{start.minute} {start.hour} * * *", duration = "1h" }}'


@pytest.fixture
def windowed(cloud: Cloud) -> tuple[Cloud, datetime]:
    """Return such a sandbox with something to rotate, and when its window opens, hours from now."""
    return cloud, _wait_for_window(cloud, datetime.now(UTC) + timedelta(hours=3))


def _wait_for_window(cloud: Cloud, opens: datetime) -> datetime:
    cloud.configure(waiting={"deadline": "30m"})
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true\n{_window(opens)}")
    assert cloud.apply().code == 0
    cloud.edit(*MORE_NAMES)
    return opens


def test_a_window_that_opens(cloud: Cloud) -> None:
    """The new certificate is made and hosted at once; the switch begins when the window opens, by itself."""
    opens = (datetime.now(UTC) + timedelta(seconds=45)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    _wait_for_window(cloud, opens)
    waiting = rotate(cloud)
    assert (waiting.code, waiting.instance["outcome"]) == (0, "unchanged")
    assert reasons(waiting, "info")[-1] == "waits-for-window"
    assert (cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (1, 2)
    done = waiting
    while done.instance["outcome"] == "unchanged":
        time.sleep(1)
        done = rotate(cloud)
    assert (done.code, done.instance["outcome"], datetime.now(UTC) >= opens) == (0, "converged", True)
    assert (cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (2, 2)


def test_a_cron_job_hears_once_of_what_waits_for_its_window(windowed: tuple[Cloud, datetime]) -> None:
    """With --quiet the run that makes it ready tells all of it, why and until when; those after it say nothing."""
    cloud, opens = windowed
    first, second = cloud.run("rotate", "--quiet"), cloud.run("rotate", "--quiet")
    talk, result = ["issue  ", "host  "], [f"the switch waits until {opens:%Y-%m-%d %H:%M} UTC", "why: served leaf"]
    assert (first.code, [fact for fact in talk if fact not in first.err]) == (0, [])
    assert [fact for fact in result if fact not in first.out] == []
    assert second == Done(0, "", "")


def test_failures_of_the_service_back_off(rotating: Cloud) -> None:
    """After a failure the next run makes no call, says so, and still fails; ``apply`` does not wait."""
    rotating.edit(*MORE_NAMES)
    rotating.sandbox.faults.arm("lost_request", action="UploadUserCertificate")
    assert rotate(rotating).code == 6
    before = len(rotating.actions())
    held_back = rotate(rotating)
    assert (held_back.code, len(rotating.actions())) == (6, before)
    assert "left alone until" in held_back.instance["message"]
    assert rotating.apply().code == 0


def test_an_attended_rotation_waits_for_the_operator(rotating: Cloud) -> None:
    """With the console driver everything is prepared, exit 9 with the steps; the next rotation goes on."""
    rotating.edit(OPENAPI, 'switch = "console"')
    rotating.edit(*MORE_NAMES)
    done = rotating.run("rotate", "--json")
    assert (done.code, done.instance["outcome"], rotating.machine.restarts) == (9, "waiting", 1)
    assert "Mutual Authentication" in done.err
    operator(rotating, newest(rotating))
    done = rotate(rotating)
    assert (done.code, done.instance["outcome"]) == (0, "converged")


def newest(cloud: Cloud) -> str:
    """Return the identifier of the certificate that was hosted last."""
    listed = cloud.sandbox.hosting.list({"ShowSize": "100"})["CertificateList"]
    assert isinstance(listed, list)
    return str(listed[0]["CertIdentifier"])


def operator(cloud: Cloud, identifier: str | None) -> None:
    """Click in the console: mutual with a certificate, or one-way."""
    parameters: dict[str, Any] = {"MqttInstanceId": INSTANCE}
    settings = cloud.sandbox.settings
    if identifier is not None:
        parameters["CertIdentifier"] = identifier
    cloud.sandbox.console(settings.mutual_action if identifier else settings.one_way_action, parameters)
