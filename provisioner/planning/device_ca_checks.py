"""Checks about device CAs: before a switch, before one is registered, and before one is deactivated.

Pure functions of what was seen; who calls decides whether a finding that is about a lock-out refuses or warns.
"""

from collections.abc import Iterator
from datetime import datetime

from provisioner.model.certificate import Leaf
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import DeviceCA
from provisioner.planning.device_cas import by_serial, expired, lets_in
from provisioner.planning.observed import DeviceCAs

# Documented of the serial number, as text.
LONGEST_SERIAL = 128


def before_switch(seen: DeviceCAs, at: datetime, instance: str, severity: Severity) -> Iterator[Finding]:
    """Say after which switch to mutual authentication no device could log in, or the canary could not.

    Args:
        seen: the registered CAs, and what the canary's certificate has to do with them.
        at: the time of day.
        instance: its name in the configuration.
        severity: of what may lock clients out.
    """
    allow = f"provisioner apply {instance} --unsafe-allow-lockout"
    if seen.unknown:
        yield Finding(
            "device-cas-unknown",
            f"whether a device CA is registered could not be known: {seen.unknown}",
            severity,
            f"look at Certificates > CA Certificate in the console; if one is active: {allow}",
        )
    elif not any(lets_in(item, at) for item in seen.registered):
        count = len(seen.registered)
        yield Finding(
            "no-device-ca",
            f"no active device CA that is in date ({count} registered): no device could log in after the switch",
            severity,
            f"register the CA that signs your devices: provisioner device-ca register {instance} --certificate FILE "
            "--private-key FILE",
        )
    else:
        yield from _canary_signer(seen, at, instance, severity)
    yield from _canary_state(seen, severity)
    yield from _canary_dates(seen.canary_certificate, at, instance, severity)


def before_registering(certificate: Leaf, at: datetime) -> Iterator[Finding]:
    """Refuse a CA that the service can't take, or that would let nobody in."""
    if not certificate.not_before <= at < certificate.not_after:
        yield Finding(
            "ca-outside-dates",
            f"the device CA is valid from {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}, "
            f"today is {at:%Y-%m-%d}: no device of it could log in",
            Severity.REFUSAL,
            "check this machine's clock; register the CA that signs your devices now",
        )
    length = len(f"{certificate.serial:x}")
    if length > LONGEST_SERIAL:
        yield Finding(
            "serial-too-long",
            f"the device CA's serial number has {length} bytes as text, the service takes at most {LONGEST_SERIAL} "
            "(documented)",
            Severity.REFUSAL,
            "make the CA anew with a shorter serial number",
        )


def before_deactivating(seen: DeviceCAs, target: DeviceCA, at: datetime, instance: str) -> Iterator[Finding]:
    """Refuse to deactivate the last CA that lets devices in, or the last one that lets the canary in."""
    if not lets_in(target, at):
        return
    others = [item for item in seen.registered if item is not target and lets_in(item, at)]
    allow = f"provisioner device-ca deactivate {instance} {target.serial} --unsafe-allow-lockout"
    signers = seen.canary_signers or ()
    if not others:
        yield Finding(
            "last-device-ca",
            f"device CA {target.name} ({target.serial}) is the only active one that is in date: no device could log in "
            "afterwards",
            Severity.REFUSAL,
            f"register or activate another one first; else: {allow}",
        )
    elif target.serial in signers and not any(item.serial in signers for item in others):
        yield Finding(
            "canary-device-ca",
            f"the canary's certificate chains to device CA {target.name} ({target.serial}) and to no other active one: "
            "the canary could not log in afterwards, and a good switch would look like a bad one",
            Severity.REFUSAL,
            f"give the canary a certificate of another active device CA first; else: {allow}",
        )


def _canary_signer(seen: DeviceCAs, at: datetime, instance: str, severity: Severity) -> Iterator[Finding]:
    signers = seen.canary_signers
    if signers is None or any(item.serial in signers and lets_in(item, at) for item in seen.registered):
        return
    found = next((by_serial(seen.registered, serial) for serial in signers), None)
    if found is None:
        why = f"to none of the {len(seen.registered)} registered device CAs"
        hint = "register the CA that signed it (provisioner device-ca register), or correct canary.certificate"
    elif expired(found, at):
        why = f"to device CA {found.name} ({found.serial}), which expired on {found.valid_until:%Y-%m-%d}"
        hint = "give the canary a certificate of a device CA that is in date"
    else:
        why = f"to device CA {found.name} ({found.serial}), which is {'not yet valid' if found.active else 'inactive'}"
        hint = f"provisioner device-ca activate {instance} {found.serial}, or give the canary another certificate"
    yield Finding(
        "canary-without-device-ca",
        f"the canary's certificate chains {why}: the canary could not log in after the switch",
        severity,
        hint,
    )


def _canary_state(seen: DeviceCAs, severity: Severity) -> Iterator[Finding]:
    """Say that the service cuts the canary off for its own certificate's sake, whatever its CA's state (documented)."""
    if seen.canary_certificate is not None and seen.canary_certificate_active is False:
        yield Finding(
            "canary-certificate-inactive",
            f"the canary's certificate (serial number {seen.canary_certificate.serial:x}) is registered as a device "
            "certificate and inactive: the canary could not log in after the switch",
            severity,
            "activate it among the device certificates in the console, or give the canary another certificate",
        )


def _canary_dates(certificate: Leaf | None, at: datetime, instance: str, severity: Severity) -> Iterator[Finding]:
    if certificate is not None and not certificate.not_before <= at < certificate.not_after:
        yield Finding(
            "canary-expired",
            f"the canary's certificate is valid from {certificate.not_before:%Y-%m-%d} to "
            f"{certificate.not_after:%Y-%m-%d}, today is {at:%Y-%m-%d}: the canary could not log in after the switch",
            severity,
            f"renew the certificate that canary of [instances.{instance}] names",
        )
