"""ApsaraMQ for MQTT, API 2020-04-20: the device CAs of every instance, and the actions on them.

Documented: a registration code goes into a validation certificate that the CA signs; a registered CA is active; serial
numbers are unique, and since March 2026 a CA is registered with one instance per region; the codes of errors. Their
HTTP statuses are those of the newest page that has them. What a page leaves open is marked as "assumed".
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from provisioner.sandbox.answers import Answer, ApiError
from provisioner.sandbox.fields import LONGEST_SERIAL, given, milliseconds, page_of, serial_text
from provisioner.sandbox.machine import Machine, machine_of
from provisioner.sandbox.settings import PLATINUM, PROFESSIONAL, SandboxSettings

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


@dataclass(frozen=True, slots=True)
class DeviceCA:
    """A registered device CA."""

    name: str
    pem: str
    serial: str
    begins: datetime
    ends: datetime
    code: str = ""
    verification_pem: str = ""
    active: bool = True


class DeviceCAs:
    """The actions, and the device CAs of every instance.

    Args:
        settings: the sandbox's.
        machines: the instances.
        device_ca_pem: the device CA that instances begin with; assumed: several instances share it still, if they did
            before that was ended.
    """

    def __init__(self, settings: SandboxSettings, machines: Mapping[str, Machine], device_ca_pem: str) -> None:
        self._settings = settings
        self._machines = machines
        self._lock = threading.Lock()
        self._codes: dict[str, str] = {}
        self._used: set[str] = set()
        self._registered: dict[str, dict[str, DeviceCA]] = {item.id: {} for item in settings.instances}
        for item in settings.instances:
            if item.device_ca_registered:
                self.add(item.id, "sandbox-devices", device_ca_pem)
        self.actions: dict[str, Callable[[dict[str, str]], Answer]] = {
            "GetRegisterCode": self.give_code,
            "RegisterCaCertificate": self.register,
            "ListCaCertificate": self.list,
            "ActiveCaCertificate": lambda parameters: self._set(parameters, active=True),
            "InactivateCaCertificate": lambda parameters: self._set(parameters, active=False),
        }

    def add(self, instance_id: str, name: str, pem: str) -> str:
        """Register a CA without a proof, before the instance serves; return the text for its serial number."""
        made = _device_ca(name, pem)
        with self._lock:
            self._registered[instance_id][made.serial] = made
        return made.serial

    def active(self, instance_id: str) -> tuple[str, ...]:
        """Return the device CAs whose devices an instance lets in, in PEM."""
        with self._lock:
            return tuple(item.pem for item in self._registered[instance_id].values() if item.active)

    def signer(self, instance_id: str, certificate: x509.Certificate) -> str | None:
        """Return the serial number's text of the registered CA that signed a certificate itself, None for no such."""
        with self._lock:
            kept = tuple(self._registered[instance_id].values())
        return next((item.serial for item in kept if _signed(certificate, _certificate(item.pem))), None)

    def give_code(self, parameters: dict[str, str]) -> Answer:
        """GetRegisterCode; assumed: each call gives a new code, which ends the one before it."""
        machine = self.machine(parameters)
        code = f"{uuid.uuid4()}{uuid.uuid4().int % 10**10:010}"
        with self._lock:
            self._codes[machine.settings.id] = code
        return {"RegisterCode": code}

    def register(self, parameters: dict[str, str]) -> Answer:
        """RegisterCaCertificate; the CA is active from then on."""
        machine = self.machine(parameters)
        name, pem, proof = (given(parameters, field) for field in ("CaName", "CaContent", "VerificationContent"))
        ca, verification = _certificate(pem), _certificate(proof)
        _require_ca(ca)
        _require_signed(verification, ca)
        with self._lock:
            code = self._require_code(machine.settings.id, verification)
            made = replace(_device_ca(name, pem), code=code, verification_pem=proof)
            self._require_unique(machine.settings.region, made.serial)
            self._used.add(code)
            self._registered[machine.settings.id][made.serial] = made
        machine.device_cas_changed()
        return {"Sn": made.serial}

    def list(self, parameters: dict[str, str]) -> Answer:
        """ListCaCertificate; pages begin with 1 and have at most 100 entries (documented)."""
        machine = self.machine(parameters)
        page, size = page_of(parameters)
        with self._lock:
            listed = list(self._registered[machine.settings.id].values())
        shown = [_listed(item) for item in listed[(page - 1) * size : page * size]]
        return {
            "Code": "200",
            "Success": "true",
            "Message": "operation success.",
            "Data": {"CaCertificateVOS": shown, "PageNo": page, "PageSize": size, "Total": 1},
        }

    def _set(self, parameters: dict[str, str], *, active: bool) -> Answer:
        """ActiveCaCertificate and InactivateCaCertificate; assumed: setting a status again is no error."""
        machine, serial = self.machine(parameters), given(parameters, "Sn")
        with self._lock:
            kept = self._registered[machine.settings.id]
            if serial not in kept:
                raise ApiError("FindCaBySnError", "Failed to find the CA by the SN. Please check sn is valid.", 500)
            kept[serial] = replace(kept[serial], active=active)
        machine.device_cas_changed()
        return {"Sn": serial}

    def machine(self, parameters: dict[str, str]) -> Machine:
        """Return the instance of a call; the calls are documented for platinum, on some pages for professional too."""
        machine = machine_of(self._machines, parameters)
        professional = machine.settings.edition == PROFESSIONAL and self._settings.professional_lists_cas
        if machine.settings.edition != PLATINUM and not professional:
            raise ApiError("InstancePermissionCheckFailed", "The edition does not support this operation.")
        return machine

    def _require_code(self, instance_id: str, verification: x509.Certificate) -> str:
        """Return the code that a proof carries as its common name, as a page on CA certificates has it."""
        given = self._codes.get(instance_id)
        names = [str(item.value) for item in verification.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        if given is None or names != [given]:
            raise ApiError("RegisterCodeError", "Register code error in verification certificate.", 500)
        if given in self._used:
            raise ApiError("RegisterCodeUsed", "Register code has been used.", 401)
        return given

    def _require_unique(self, region: str, serial: str) -> None:
        for instance_id, kept in self._registered.items():
            if serial in kept and self._machines[instance_id].settings.region == region:
                raise ApiError("SnNotUnique", "Sn is not unique in global.", 401)


def _certificate(pem: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        _ = found.extensions, found.public_key()
    except _UNREADABLE:
        raise _content_error() from None
    return found


def _require_ca(ca: x509.Certificate) -> None:
    """Refuse what is no CA; assumed: a CA that has expired or whose serial number is too long is refused."""
    try:
        constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise _content_error() from None
    supported = isinstance(ca.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    if not constraints.ca or not supported or ca.not_valid_after_utc <= datetime.now(UTC):
        raise _content_error()
    if len(serial_text(ca)) > LONGEST_SERIAL:
        raise _content_error()


def _require_signed(verification: x509.Certificate, ca: x509.Certificate) -> None:
    """Refuse a proof that the CA did not sign; assumed: one that is not within its dates is refused too."""
    if not _signed(verification, ca):
        raise _content_error()
    if not verification.not_valid_before_utc <= datetime.now(UTC) < verification.not_valid_after_utc:
        raise _content_error()


def _signed(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _content_error() -> ApiError:
    message = (
        "Certificate content error, please check ca/verification certificate content. "
        "BasicConstraints extension should be set to true in CA certificate."
    )
    return ApiError("CertificateContentError", message, 401)


def _device_ca(name: str, pem: str) -> DeviceCA:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    ends = certificate.not_valid_after_utc
    return DeviceCA(name, pem, serial_text(certificate), certificate.not_valid_before_utc, ends)


def _listed(item: DeviceCA) -> Answer:
    return {
        "CaName": item.name,
        "CaContent": item.pem,
        "Sn": item.serial,
        "Status": "1" if item.active else "0",
        "RegistrationCode": item.code,
        "VerificationContent": item.verification_pem,
        "ValidBegin": milliseconds(item.begins),
        "ValidEnd": milliseconds(item.ends),
    }
