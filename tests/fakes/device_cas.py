"""The device CAs of two instances of one region in memory, with troubles on the way."""

from collections import defaultdict
from dataclasses import replace

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from provisioner.errors import DeniedError, NotFoundError, RejectedError, ThrottledError, UnansweredError
from provisioner.model.instance import DeviceCA
from tests.fakes.clock import FakeClock

INSTANCE, OTHER, BASIC = "mqtt-1", "mqtt-2", "mqtt-basic"


class FakeDeviceCAs:
    """Implements ``DeviceCAs`` and ``DeviceCARegistry``.

    Attributes:
        kept: what is registered, by instance.
        devices: whether device certificates are active, by instance, serial of the CA, and number of their own.
        calls: the actions called so far.
        lag: seconds after which a new registration is listed.
        denied: an error of every listing.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.kept: dict[str, dict[str, DeviceCA]] = {INSTANCE: {}, OTHER: {}}
        self.devices: dict[tuple[str, str, int], bool] = {}
        self.calls: list[str] = []
        self.lag = 0.0
        self.denied: RejectedError | None = None
        self._hidden: dict[str, float] = {}
        self._troubles: dict[str, list[str]] = defaultdict(list)
        self._codes: dict[str, str] = {}
        self._given = 0
        self._used: set[str] = set()

    def arm(self, trouble: str, action: str, times: int = 1) -> None:
        """Let the next calls of an action be ``lost_answer``, ``lost_request`` or ``throttled``."""
        self._troubles[action] += [trouble] * times

    def add(self, instance_id: str, name: str, pem: str) -> str:
        """Have a CA registered, without a call; return its serial."""
        ca = x509.load_pem_x509_certificate(pem.encode())
        serial, begins, ends = f"{ca.serial_number:x}", ca.not_valid_before_utc, ca.not_valid_after_utc
        made = DeviceCA(serial, name, active=True, valid_from=begins, valid_until=ends, certificate_pem=pem)
        self.kept[instance_id][serial] = made
        return serial

    def list(self, region: str, instance_id: str) -> tuple[DeviceCA, ...]:
        """Return what is registered and not hidden any more."""
        lost = self._enter("ListCaCertificate", instance_id)
        if self.denied is not None:
            raise self.denied
        now = self.clock.monotonic()
        listed = tuple(item for item in self.kept[instance_id].values() if self._hidden.get(item.serial, 0) <= now)
        self._leave("ListCaCertificate", lost=lost)
        return listed

    def device_certificate_active(
        self, region: str, instance_id: str, ca_serial: str, device_serial: str
    ) -> bool | None:
        """Return what is known of a device certificate."""
        lost = self._enter("ListDeviceCertificateByCaSn", instance_id)
        self._leave("ListDeviceCertificateByCaSn", lost=lost)
        return self.devices.get((instance_id, ca_serial, int(device_serial, 16)))

    def register_code(self, region: str, instance_id: str) -> str:
        """Return a new code, which ends the one before it."""
        lost = self._enter("GetRegisterCode", instance_id)
        self._given += 1
        self._codes[instance_id] = f"code-{self._given}"
        self._leave("GetRegisterCode", lost=lost)
        return self._codes[instance_id]

    def register(self, region: str, instance_id: str, name: str, certificate_pem: str, verification_pem: str) -> str:
        """Register a CA whose key signed the last code."""
        action = "RegisterCaCertificate"
        lost = self._enter(action, instance_id)
        ca = x509.load_pem_x509_certificate(certificate_pem.encode())
        proof = x509.load_pem_x509_certificate(verification_pem.encode())
        code = self._codes.get(instance_id, "")
        if not _is_ca(ca) or not _signed(proof, ca):
            raise RejectedError(action, action=action, code="CertificateContentError")
        if proof.subject.rfc4514_string() != f"CN={code}":
            raise RejectedError(action, action=action, code="RegisterCodeError")
        if code in self._used:
            raise RejectedError(action, action=action, code="RegisterCodeUsed")
        serial = f"{ca.serial_number:x}"
        if any(serial in items for items in self.kept.values()):
            raise RejectedError(action, action=action, code="SnNotUnique")
        self._used.add(code)
        self.add(instance_id, name, certificate_pem)
        self._hidden[serial] = self.clock.monotonic() + self.lag
        self._leave(action, lost=lost)
        return serial

    def activate(self, region: str, instance_id: str, serial: str) -> None:
        """Set a status."""
        self._set("ActiveCaCertificate", instance_id, serial, active=True)

    def deactivate(self, region: str, instance_id: str, serial: str) -> None:
        """Set a status."""
        self._set("InactivateCaCertificate", instance_id, serial, active=False)

    def _set(self, action: str, instance_id: str, serial: str, *, active: bool) -> None:
        lost = self._enter(action, instance_id)
        kept = self.kept[instance_id]
        if serial not in kept:
            raise NotFoundError(action, action=action, code="FindCaBySnError")
        kept[serial] = replace(kept[serial], active=active)
        self._leave(action, lost=lost)

    def _enter(self, action: str, instance_id: str) -> bool:
        self.calls.append(action)
        trouble = self._troubles[action].pop(0) if self._troubles[action] else ""
        if trouble == "throttled":
            raise ThrottledError(action, action=action)
        if trouble == "lost_request":
            raise UnansweredError(action, action=action)
        if instance_id == BASIC:
            raise DeniedError(action, action=action, code="InstancePermissionCheckFailed")
        if instance_id not in self.kept:
            raise NotFoundError(action, action=action, code="MqttInstanceNotFound")
        return trouble == "lost_answer"

    @staticmethod
    def _leave(action: str, *, lost: bool) -> None:
        if lost:
            raise UnansweredError(action, action=action)


def _is_ca(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _signed(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
