"""Device CAs of one instance: looking at them, registering one, and turning one on and off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from provisioner.errors import RefusedError, RejectedError, UnansweredError
from provisioner.model.desired import Desired
from provisioner.model.finding import Finding
from provisioner.model.instance import DeviceCA, Edition, Instance, Mode, edition_label
from provisioner.model.outcome import Outcome
from provisioner.planning import device_ca_checks
from provisioner.planning.device_cas import by_serial, expired, is_number
from provisioner.planning.endpoint_view import view
from provisioner.planning.observed import DeviceCAs
from provisioner.ports import DeviceAuthority, DeviceCARegistry
from provisioner.runs.canary_chain import with_canary
from provisioner.runs.chain_text import ders
from provisioner.runs.looking import Looker
from provisioner.runs.seams import Reads
from provisioner.waiting import Repeater, poll_until

_EDITIONS = {Edition.PLATINUM, Edition.PROFESSIONAL}


@dataclass(frozen=True, slots=True)
class Change:
    """How a change ended: ``CONVERGED`` or ``UNCHANGED``, a sentence, the CA as it is listed now, and the next step.

    ``device_ca`` is None where the service does not list what is registered.
    """

    outcome: Outcome
    message: str
    device_ca: DeviceCA | None
    hint: str = ""


class Registrar:
    """Works on the device CAs of one instance; for a change the caller holds the instance's lock.

    A registration looks first (the CA may be there), asks for a code, has the CA sign it, registers, and looks again.
    When an answer is lost it looks for the effect and, where there is none, begins once more with a new code; the
    service refuses what it has, so nothing is registered twice. Setting a status twice is setting it once.

    Args:
        desired: the instance.
        reads: what is looked through.
        registry: what changes are made with.
        look_for: seconds in which a change must show in the listing.
    """

    def __init__(self, desired: Desired, reads: Reads, registry: DeviceCARegistry, look_for: float = 5.0) -> None:
        self._desired = desired
        self._reads = reads
        self._registry = registry
        self._look_for = look_for
        self._repeater = Repeater(reads.clock)

    def instance(self) -> Instance:
        """Return the directory's entry. Raises ``RefusedError`` for an unknown instance or one without device CAs."""
        desired = self._desired
        listed = self._repeater.read(lambda: self._reads.instances.list(desired.region))
        found = next((item for item in listed if item.id == desired.id and item.region == desired.region), None)
        if found is None:
            there = ", ".join(item.id for item in listed if item.region == desired.region) or "none"
            self._refuse(
                f"instance {desired.id} is not in region {desired.region}; instances there: {there}",
                f"correct id or region of [instances.{desired.name}]",
            )
        if found.edition not in _EDITIONS:
            self._refuse(
                f"edition {edition_label(found.edition)} has no device CAs: they are documented for platinum (1), on "
                "some pages for professional (4) too",
                "upgrade the instance, or take it out of the configuration",
            )
        return found

    def listing(self) -> DeviceCAs:
        """Return the registered CAs and which of them the canary's certificate chains to. Raises ``ServiceError``."""
        return with_canary(DeviceCAs(self._listed()), self._reads.canary, self._reads.reader)

    def register(self, authority: DeviceAuthority, name: str) -> Change:
        """Register a CA under a name, unless it is registered already."""
        for finding in device_ca_checks.before_registering(authority.certificate, self._reads.clock.now()):
            self._refuse(finding.message, finding.hint)
        self.instance()
        found = self._find(authority)
        if found is None:
            asked = self._send(authority, name)
            found = self._until(lambda: self._find(authority))
            if found is None:
                raise UnansweredError(
                    f"{self._desired.name}: device CA {name} was accepted{asked} but is not listed after "
                    f"{self._look_for:.0f} s",
                    hint=f"provisioner device-ca list {self._desired.name}",
                )
            return Change(Outcome.CONVERGED, f"registered device CA {found.name} ({found.serial})", found)
        hint = "" if found.active else f"provisioner device-ca activate {self._desired.name} {found.serial}"
        status = "active" if found.active else "inactive"
        return Change(Outcome.UNCHANGED, f"registered already as {found.name} ({found.serial}), {status}", found, hint)

    def activate(self, serial: str) -> Change:
        """Let the devices of a registered CA log in again."""
        self.instance()
        found = self._pick(self._listed(), serial)
        if found.active:
            return Change(Outcome.UNCHANGED, f"device CA {found.name} ({found.serial}) is active already", found)
        after = self._set(found, active=True)
        gone = expired(found, self._reads.clock.now())
        hint = "it has expired, so its devices still can't log in; register its successor" if gone else ""
        return Change(Outcome.CONVERGED, f"activated device CA {found.name} ({found.serial})", after, hint)

    def deactivate(self, serial: str, approve: Callable[[DeviceCA], None], *, unsafe_allow_lockout: bool) -> Change:
        """Refuse the devices of a registered CA from now on.

        Args:
            serial: which CA.
            approve: is handed the CA before anything is changed; raises when the change is declined.
            unsafe_allow_lockout: go on although no device, or not the canary, could log in afterwards.
        """
        self.instance()
        seen = self._seen(unknown_is_fine=unsafe_allow_lockout)
        if seen.unknown:
            found = DeviceCA(serial, "of unknown name", active=True, valid_from=None, valid_until=None)
        else:
            found = self._pick(seen.registered, serial)
        if not found.active:
            return Change(Outcome.UNCHANGED, f"device CA {found.name} ({found.serial}) is inactive already", found)
        for finding in () if unsafe_allow_lockout else self._lockouts(seen, found):
            self._refuse(finding.message, finding.hint)
        approve(found)
        message = f"deactivated device CA {found.name} ({found.serial})"
        if seen.unknown:
            self._repeater.read(lambda: self._call(found, active=False))
            return Change(
                Outcome.CONVERGED, f"{message}; the service does not list it, so this was not read back", None
            )
        return Change(Outcome.CONVERGED, message, self._set(found, active=False))

    def _seen(self, *, unknown_is_fine: bool) -> DeviceCAs:
        try:
            return self.listing()
        except RejectedError as error:
            if unknown_is_fine:
                return DeviceCAs(unknown=error.message)
            self._refuse(
                f"whether another device CA would let devices in could not be known: {error.message}",
                "look at Certificates > CA Certificate in the console; if another is active: --unsafe-allow-lockout",
            )

    def _lockouts(self, seen: DeviceCAs, target: DeviceCA) -> tuple[Finding, ...]:
        """Return what speaks against it, nothing where clients need no certificate now and shall need none."""
        if self._desired.mode is Mode.ONE_WAY:
            state = view(Looker(self._desired.endpoint, self._reads).look()).state
            if state is not None and state.mode is Mode.ONE_WAY:
                return ()
        now = self._reads.clock.now()
        return tuple(device_ca_checks.before_deactivating(seen, target, now, self._desired.name))

    def _send(self, authority: DeviceAuthority, name: str) -> str:
        """Register, once more after a lost answer without effect; return words on what the service answered."""
        lost: UnansweredError | None = None
        while True:
            try:
                return self._send_once(authority, name)
            except RejectedError:  # also of what landed late, or came from another machine
                found = self._find(authority) if lost is None else self._until(lambda: self._find(authority))
                if found is None:
                    raise
                return ""
            except UnansweredError as error:
                if self._until(lambda: self._find(authority)) is not None:
                    return ""
                if lost is not None:
                    raise
                lost = error

    def _send_once(self, authority: DeviceAuthority, name: str) -> str:
        region, instance = self._desired.region, self._desired.id
        code = self._repeater.read(lambda: self._registry.register_code(region, instance))
        proof = authority.verification_pem(code, self._reads.clock.now())
        pem = authority.certificate_pem
        serial = self._repeater.write(lambda: self._registry.register(region, instance, name, pem, proof))
        return f" as {serial}"

    def _set(self, found: DeviceCA, *, active: bool) -> DeviceCA:
        """Set a status, once more after a lost answer without effect, and return the CA as it is listed then."""
        wanted = "active" if active else "inactive"
        for last in (False, True):
            lost: UnansweredError | None = None
            try:
                self._repeater.write(lambda: self._call(found, active=active))
            except UnansweredError as error:
                lost = error
            after = self._until(lambda: self._in_status(found.serial, active=active))
            if after is not None:
                return after
            if lost is None or last:
                break
        raise lost or UnansweredError(
            f"{self._desired.name}: device CA {found.serial} is not listed as {wanted} after {self._look_for:.0f} s",
            hint=f"provisioner device-ca list {self._desired.name}",
        )

    def _call(self, found: DeviceCA, *, active: bool) -> None:
        call = self._registry.activate if active else self._registry.deactivate
        call(self._desired.region, self._desired.id, found.serial)

    def _in_status(self, serial: str, *, active: bool) -> DeviceCA | None:
        found = by_serial(self._listed(), serial)
        return found if found is not None and found.active is active else None

    def _listed(self) -> tuple[DeviceCA, ...]:
        return self._repeater.read(lambda: self._reads.device_cas.list(self._desired.region, self._desired.id))

    def _find(self, authority: DeviceAuthority) -> DeviceCA | None:
        """Return the CA as it is listed: by its certificate, or by serial number where no certificate is listed."""
        wanted = ders(authority.certificate_pem)[0]
        listed = [(item, _der_of(item)) for item in self._listed()]
        same = (
            item
            for item, der in listed
            if (der == wanted if der is not None else is_number(item.serial, authority.certificate.serial))
        )
        return next(same, None)

    def _pick(self, registered: tuple[DeviceCA, ...], serial: str) -> DeviceCA:
        found = by_serial(registered, serial)
        if found is None:
            known = ", ".join(f"{item.serial} ({item.name})" for item in registered) or "none"
            self._refuse(
                f"no device CA has the serial number {serial}; registered: {known}",
                f"provisioner device-ca list {self._desired.name}",
            )
        return found

    def _until(self, look: Callable[[], DeviceCA | None]) -> DeviceCA | None:
        """Look until something is found or the time for it is over."""
        clock = self._reads.clock
        end = clock.monotonic() + self._look_for

        def once() -> tuple[DeviceCA | None] | None:
            found = look()
            return (found,) if found is not None or clock.monotonic() >= end else None

        return poll_until(once, clock, self._look_for / 10)[0]

    def _refuse(self, message: str, hint: str) -> NoReturn:
        raise RefusedError(f"{self._desired.name}: {message}; nothing was changed", hint=hint)


def _der_of(device_ca: DeviceCA) -> bytes | None:
    try:
        return ders(device_ca.certificate_pem)[0]
    except ValueError:
        return None
