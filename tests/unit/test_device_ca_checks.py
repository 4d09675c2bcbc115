"""Checks about device CAs: who could log in after a switch, after a registration, after a deactivation."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import DeniedError
from provisioner.model.certificate import Leaf
from provisioner.model.finding import Severity
from provisioner.model.instance import DeviceCA
from provisioner.model.outcome import Outcome
from provisioner.planning import device_ca_checks
from provisioner.planning.device_cas import by_serial, is_number, lets_in
from provisioner.planning.observed import DeviceCAs
from tests.fakes.clock import START
from tests.fakes.stage import Stage

DAY = timedelta(days=1)
ACTIVE = DeviceCA("0a1b", "fleet", active=True, valid_from=START - DAY, valid_until=START + DAY)
SECOND = replace(ACTIVE, serial="02", name="second")
INACTIVE = replace(ACTIVE, active=False)
EXPIRED = replace(ACTIVE, valid_until=START)
EARLY = replace(ACTIVE, valid_from=START + DAY / 2)
UNDATED = replace(ACTIVE, valid_from=None, valid_until=None)
SIGNED = (ACTIVE.serial,)


def leaf(**changes: object) -> Leaf:
    """Return a certificate that is in date."""
    found = Leaf(
        sha256="0" * 64,
        serial=7,
        subject="CN=device",
        name=None,
        issuer="CN=fleet",
        dns_names=(),
        not_before=START - DAY,
        not_after=START + DAY,
        key="ec-p256",
        profile=None,
        is_ca=False,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def before_switch(*registered: DeviceCA, **seen: object) -> list[tuple[str, Severity]]:
    """Return what is said before a switch."""
    value = replace(DeviceCAs(registered), **seen)  # type: ignore[arg-type]
    found = device_ca_checks.before_switch(value, START, "prod", Severity.REFUSAL)
    return [(item.reason, item.severity) for item in found]


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        ((ACTIVE,), []),
        ((UNDATED,), []),
        ((INACTIVE, replace(SECOND, serial="03")), []),
        ((), ["no-device-ca"]),
        ((INACTIVE,), ["no-device-ca"]),
        ((EXPIRED,), ["no-device-ca"]),
        ((EARLY,), ["no-device-ca"]),
        ((INACTIVE, replace(EXPIRED, serial="02")), ["no-device-ca"]),
    ],
)
def test_one_active_ca_in_date_is_enough_without_a_canary(
    registered: tuple[DeviceCA, ...], expected: list[str]
) -> None:
    """Without a canary nobody can say more than that some device could log in."""
    assert before_switch(*registered) == [(reason, Severity.REFUSAL) for reason in expected]


@pytest.mark.parametrize(
    ("registered", "signers", "expected"),
    [
        ((ACTIVE,), SIGNED, []),
        ((ACTIVE, SECOND), SIGNED, []),
        ((ACTIVE,), (), ["canary-without-device-ca"]),
        ((INACTIVE, SECOND), SIGNED, ["canary-without-device-ca"]),
        ((EXPIRED, SECOND), SIGNED, ["canary-without-device-ca"]),
        ((EARLY, SECOND), SIGNED, ["canary-without-device-ca"]),
        ((INACTIVE, SECOND), ("0a1b", "02"), []),
        ((), (), ["no-device-ca"]),
        ((INACTIVE,), SIGNED, ["no-device-ca"]),
    ],
)
def test_the_canary_must_chain_to_an_active_ca_in_date(
    registered: tuple[DeviceCA, ...], signers: tuple[str, ...], expected: list[str]
) -> None:
    """Another active CA doesn't help the canary; where there is none at all, that is what is said."""
    found = before_switch(*registered, canary_signers=signers, canary_certificate=leaf())
    assert found == [(reason, Severity.REFUSAL) for reason in expected]


@pytest.mark.parametrize("dates", [{"not_after": START}, {"not_before": START + DAY / 2}])
def test_a_canary_outside_its_dates_is_refused(dates: dict[str, object]) -> None:
    """Also where the service does not say what is registered."""
    canary = leaf(**dates)
    expired = ("canary-expired", Severity.REFUSAL)
    assert before_switch(ACTIVE, canary_signers=SIGNED, canary_certificate=canary) == [expired]
    unknown = ("device-cas-unknown", Severity.REFUSAL)
    assert before_switch(unknown="no permission", canary_certificate=canary) == [unknown, expired]


@pytest.mark.parametrize(
    ("active", "expected"), [(False, [("canary-certificate-inactive", Severity.REFUSAL)]), (True, []), (None, [])]
)
def test_a_canary_that_the_service_cuts_off_is_refused(active: bool | None, expected: list[object]) -> None:
    """Its own certificate counts before its CA does; one that is unknown registers itself."""
    seen = {"canary_signers": SIGNED, "canary_certificate": leaf(serial=2587), "canary_certificate_active": active}
    assert before_switch(ACTIVE, **seen) == expected


def test_the_message_names_the_device_certificate() -> None:
    """By its serial number, with both ways out."""
    seen = DeviceCAs(
        (ACTIVE,), canary_signers=SIGNED, canary_certificate=leaf(serial=2587), canary_certificate_active=False
    )
    (found,) = device_ca_checks.before_switch(seen, START, "prod", Severity.REFUSAL)
    assert found.message == (
        "the canary's certificate (serial number a1b) is registered as a device certificate and inactive: the canary "
        "could not log in after the switch"
    )
    assert (
        found.hint == "activate it among the device certificates in the console, or give the canary another certificate"
    )


def test_the_message_names_the_ca_that_the_canary_chains_to() -> None:
    """What is wrong with it decides the next step."""
    cases = {
        "to none of the 1 registered device CAs": (SECOND, ()),
        "to device CA fleet (0a1b), which is inactive": (INACTIVE, SIGNED),
        "to device CA fleet (0a1b), which expired on 2026-03-01": (EXPIRED, SIGNED),
        "to device CA fleet (0a1b), which is not yet valid": (EARLY, SIGNED),
    }
    other = replace(SECOND, serial="03")
    for words, (registered, signers) in cases.items():
        shown = (registered, other) if signers else (registered,)
        seen = DeviceCAs(shown, canary_signers=signers, canary_certificate=leaf())
        (found,) = device_ca_checks.before_switch(seen, START, "prod", Severity.REFUSAL)
        assert found.message == f"the canary's certificate chains {words}: the canary could not log in after the switch"


@pytest.mark.parametrize(
    ("registered", "signers", "expected"),
    [
        ((ACTIVE,), None, "last-device-ca"),
        ((ACTIVE,), SIGNED, "last-device-ca"),
        ((ACTIVE, replace(INACTIVE, serial="02")), None, "last-device-ca"),
        ((ACTIVE, replace(EXPIRED, serial="02")), None, "last-device-ca"),
        ((ACTIVE, SECOND), None, ""),
        ((ACTIVE, SECOND), (), ""),
        ((ACTIVE, SECOND), SIGNED, "canary-device-ca"),
        ((ACTIVE, SECOND), ("02",), ""),
        ((ACTIVE, SECOND), ("0a1b", "02"), ""),
        ((ACTIVE, replace(INACTIVE, serial="02")), ("0a1b", "02"), "last-device-ca"),
        ((ACTIVE, SECOND, replace(INACTIVE, serial="03")), ("0a1b", "03"), "canary-device-ca"),
        ((EXPIRED,), SIGNED, ""),
        ((EARLY, SECOND), SIGNED, ""),
    ],
)
def test_the_last_ca_that_lets_somebody_in_is_kept(
    registered: tuple[DeviceCA, ...], signers: tuple[str, ...] | None, expected: str
) -> None:
    """A CA that lets nobody in may go; so may one of several, unless the canary needs it."""
    seen = DeviceCAs(registered, canary_signers=signers)
    found = device_ca_checks.before_deactivating(seen, registered[0], START, "prod")
    assert [(item.reason, item.severity) for item in found] == ([(expected, Severity.REFUSAL)] if expected else [])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"not_after": START}, ["ca-outside-dates"]),
        ({"not_before": START + DAY / 2}, ["ca-outside-dates"]),
        ({"serial": 16**128 - 1}, []),
        ({"serial": 16**128}, ["serial-too-long"]),
    ],
)
def test_what_the_service_cannot_take_is_not_sent(changes: dict[str, object], expected: list[str]) -> None:
    """A CA outside its dates would let nobody in; a serial number has 128 bytes at most (documented)."""
    assert [item.reason for item in device_ca_checks.before_registering(leaf(**changes), START)] == expected


@pytest.mark.parametrize("text", ["0a1b", "A1B", "0x0A1B", "00:0a:1b", " 0a 1b "])
def test_a_serial_number_is_found_however_it_is_written(text: str) -> None:
    """Colons, blanks, case, prefix and leading zeros make no difference."""
    assert by_serial((SECOND, ACTIVE), text) == ACTIVE


@pytest.mark.parametrize("text", ["", "0", "a1b0", "b", ":", "\x1b"])
def test_another_serial_number_is_not_found(text: str) -> None:
    """Nothing is guessed."""
    assert by_serial((SECOND, ACTIVE), text) is None


def test_a_serial_number_may_be_listed_in_hexadecimal_or_decimal() -> None:
    """How the service writes it is not documented."""
    assert [is_number(text, 2587) for text in ("a1b", "0A1B", "2587", "002587", "a1c", "")] == [True] * 4 + [False] * 2


def test_unknown_dates_count_as_good() -> None:
    """A service that does not tell a date keeps nobody out by that."""
    assert [lets_in(item, START) for item in (ACTIVE, UNDATED, INACTIVE, EXPIRED, EARLY)] == [True, True] + [False] * 3


def test_a_run_is_refused_before_anything_is_changed() -> None:
    """A canary without a device CA stops a switch, unless the permission is given; then it only warns."""
    stage = Stage()
    stage.pki.canary_chains = False
    assert [item.reason for item in stage.plan().refusals] == ["canary-without-device-ca"]
    assert (stage.apply().outcome, stage.pki.issued, stage.world.requests) == (Outcome.REFUSED, [], [])
    allowed = stage.plan(unsafe_allow_lockout=True)
    warned = [item.severity for item in allowed.findings if item.reason == "canary-without-device-ca"]
    assert (allowed.refusals, warned) == ((), [Severity.WARNING])
    assert stage.apply(unsafe_allow_lockout=True).outcome is Outcome.CONVERGED


def test_a_run_with_an_inactive_canary_is_refused() -> None:
    """Before anything is changed, unless the permission is given; a service that refuses to say refuses nothing."""
    stage = Stage()
    stage.world.canary_certificate_active = False
    assert (stage.apply().outcome, stage.pki.issued, stage.world.requests) == (Outcome.REFUSED, [], [])
    assert [item.reason for item in stage.plan().refusals] == ["canary-certificate-inactive"]
    assert stage.plan(unsafe_allow_lockout=True).refusals == ()
    stage.world.canary_certificate_active = DeniedError("no", action="ListDeviceCertificateByCaSn")
    assert stage.apply().outcome is Outcome.CONVERGED


def test_a_run_with_an_expired_canary_is_refused() -> None:
    """A switch that a good device survives would look like one that it doesn't."""
    stage = Stage()
    stage.clock.sleep(timedelta(days=3651).total_seconds())
    assert "canary-expired" in [item.reason for item in stage.plan().refusals]
