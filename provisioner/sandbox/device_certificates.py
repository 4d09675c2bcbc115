"""ApsaraMQ for MQTT, API 2020-04-20: certificates of single devices, which the broker judges one by one.

Documented: a device certificate registers itself at its first successful connection, active; one that is registered and
inactive is cut off before its CA is looked at; pages, parameters and codes of errors. What a page leaves open is marked
as "assumed".
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provisioner.sandbox.answers import Answer, ApiError
from provisioner.sandbox.device_cas import DeviceCAs
from provisioner.sandbox.fields import given, milliseconds, page_of, serial_text


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """A registered device certificate, and the serial number of the CA that signed it."""

    certificate: x509.Certificate
    ca_serial: str
    active: bool = True

    @property
    def serial(self) -> str:
        """Its own serial number's text."""
        return serial_text(self.certificate)


class DeviceCertificates:
    """The actions, and the device certificates of every instance.

    Args:
        cas: the device CAs, which know the instances too.
    """

    def __init__(self, cas: DeviceCAs) -> None:
        self._cas = cas
        self._lock = threading.Lock()
        self._registered: dict[tuple[str, str, str], DeviceCertificate] = {}
        self.actions: dict[str, Callable[[dict[str, str]], Answer]] = {
            "GetDeviceCertificate": self.get,
            "ListDeviceCertificate": self.list,
            "ListDeviceCertificateByCaSn": self.list_of_ca,
            "ActiveDeviceCertificate": lambda parameters: self._set(parameters, active=True),
            "InactivateDeviceCertificate": lambda parameters: self._set(parameters, active=False),
        }

    def admit(self, instance_id: str, der: bytes) -> bool:
        """Return whether a client whose certificate TLS has let in may stay, and register a certificate that is new.

        Assumed: a certificate whose CA's own CA is what is registered is let in and registered nowhere, and so is one
        that nobody vouches for, which a fault has let in.
        """
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:  # OpenSSL takes more than is well-formed
            return True
        ca_serial = self._cas.signer(instance_id, certificate)
        if ca_serial is None:
            return True
        made = DeviceCertificate(certificate, ca_serial)
        with self._lock:
            return self._registered.setdefault((instance_id, ca_serial, made.serial), made).active

    def get(self, parameters: dict[str, str]) -> Answer:
        """GetDeviceCertificate; an unknown one is an error (documented)."""
        with self._lock:
            return {"Data": _told(self._registered[self._key(parameters)])}

    def list(self, parameters: dict[str, str]) -> Answer:
        """ListDeviceCertificate: those of an instance."""
        instance_id = self._cas.machine(parameters).settings.id
        return self._page(parameters, lambda key: key[0] == instance_id)

    def list_of_ca(self, parameters: dict[str, str]) -> Answer:
        """ListDeviceCertificateByCaSn: those that a CA signed; assumed: an unknown CA has none."""
        wanted = (self._cas.machine(parameters).settings.id, given(parameters, "CaSn", 400))
        return self._page(parameters, lambda key: key[:2] == wanted)

    def _page(self, parameters: dict[str, str], wanted: Callable[[tuple[str, str, str]], bool]) -> Answer:
        """Return a page; pages begin with 1 and have at most 100 entries (documented)."""
        page, size = page_of(parameters, 400)
        with self._lock:
            listed = [item for key, item in self._registered.items() if wanted(key)]
        shown = [_told(item) for item in listed[(page - 1) * size : page * size]]
        return {"Data": {"DeviceCertificateVOS": shown, "PageNo": page, "PageSize": size, "Total": len(listed)}}

    def _set(self, parameters: dict[str, str], *, active: bool) -> Answer:
        """ActiveDeviceCertificate and InactivateDeviceCertificate; assumed: a client that is connected stays."""
        with self._lock:
            key = self._key(parameters)
            self._registered[key] = replace(self._registered[key], active=active)
        return {"DeviceSn": key[2]}

    def _key(self, parameters: dict[str, str]) -> tuple[str, str, str]:
        """Return what a call names. Raises ``ApiError`` when it is not registered."""
        instance_id = self._cas.machine(parameters).settings.id
        key = (instance_id, given(parameters, "CaSn", 400), given(parameters, "DeviceSn", 400))
        if key not in self._registered:
            message = "Failed to find the device certificate by the SN. Please check sn is valid"
            raise ApiError("FindDeviceBySnError", message, 500)
        return key


def _told(item: DeviceCertificate) -> Answer:
    """Return an entry; assumed: its name is the common name."""
    names = item.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return {
        "DeviceName": str(names[0].value) if names else "",
        "DeviceContent": item.certificate.public_bytes(Encoding.PEM).decode("ascii"),
        "DeviceSn": item.serial,
        "CaSn": item.ca_serial,
        "Status": "1" if item.active else "0",
        "ValidBegin": milliseconds(item.certificate.not_valid_before_utc),
        "ValidEnd": milliseconds(item.certificate.not_valid_after_utc),
    }
