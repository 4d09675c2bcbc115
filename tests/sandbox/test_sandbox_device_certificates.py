"""Device certificates of the sandbox: registered at the first connection, cut off one by one, and asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.sandbox.answers import ApiError
from provisioner.sandbox.certificates import KeyPair, SandboxAuthority
from provisioner.sandbox.fields import serial_text
from provisioner.sandbox.serving import Serving
from tests.sandbox.tls_client import CUT_OFF, REFUSED_LOGIN, V12, V13, Client

ID, OTHER = "mqtt-1", "mqtt-2"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a running sandbox whose instances demand certificates, one with two backends and one of basic edition."""
    instances = (SandboxInstance(ID, backends=2), SandboxInstance(OTHER), SandboxInstance("mqtt-basic", edition=0))
    with Sandbox(SandboxSettings(instances)) as running:
        server = running.certificates.server
        for name in (ID, OTHER):
            for one in running.machine(name).backends:
                one.serve(Serving(True, server.chain_pem, server.private_key_pem))  # noqa: FBT003
        yield running


def serial(pem: str) -> str:
    """Return the text of a certificate's serial number."""
    return serial_text(x509.load_pem_x509_certificate(pem.encode()))


class Office:
    """A running sandbox, with calls about one device and connections of it."""

    def __init__(self, sandbox: Sandbox, folder: Path, pair: KeyPair | None = None) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.pair = pair or sandbox.certificates.device
        self.ca = serial(sandbox.certificates.device_ca_pem)
        self.serial = serial(self.pair.certificate_pem)

    def connect(self, version: object = None, instance: str = ID) -> bytes | str:
        """Return what the device meets."""
        client = Client(self.folder, version, self.pair, self.sandbox.certificates.root_pem)  # type: ignore[arg-type]
        return client.outcome(self.sandbox.machine(instance).listener)

    def call(self, action: str, **parameters: str) -> Any:  # noqa: ANN401  whatever JSON holds
        """Call an action about the device."""
        asked = {"MqttInstanceId": ID, "CaSn": self.ca, "DeviceSn": self.serial, "PageNo": "1", "PageSize": "10"}
        return self.sandbox.console(action, asked | parameters)

    def failure(self, action: str, **parameters: str) -> tuple[str, int]:
        """Return code and status with which an action is refused."""
        with pytest.raises(ApiError) as caught:
            self.call(action, **parameters)
        return caught.value.code, caught.value.status

    def listed(self, action: str = "ListDeviceCertificate", **parameters: str) -> list[tuple[str, str]]:
        """Return serial number and status of what a listing has."""
        items = self.call(action, **parameters)["Data"]["DeviceCertificateVOS"]
        return [(item["DeviceSn"], item["Status"]) for item in items]


@pytest.fixture
def office(sandbox: Sandbox, tmp_path: Path) -> Office:
    """Return the ready-made device at the running sandbox."""
    return Office(sandbox, tmp_path)


def test_the_first_connection_registers_a_device(office: Office) -> None:
    """Once, under the CA that signed it, on the instance that it connected to, with what its certificate says."""
    assert (office.listed(), office.failure("GetDeviceCertificate")) == ([], ("FindDeviceBySnError", 500))
    assert [office.connect() for _ in range(2)] == [REFUSED_LOGIN] * 2
    assert office.listed() == office.listed("ListDeviceCertificateByCaSn") == [(office.serial, "1")]
    assert office.listed(MqttInstanceId=OTHER) == []
    certificate = x509.load_pem_x509_certificate(office.pair.certificate_pem.encode())
    assert office.call("GetDeviceCertificate")["Data"] == {
        "DeviceName": "sandbox-device",
        "DeviceContent": office.pair.certificate_pem,
        "DeviceSn": office.serial,
        "CaSn": office.ca,
        "Status": "1",
        "ValidBegin": f"{certificate.not_valid_before_utc.timestamp():.0f}000",
        "ValidEnd": f"{certificate.not_valid_after_utc.timestamp():.0f}000",
    }


@pytest.mark.parametrize("version", [V12, V13])
def test_an_inactive_device_is_cut_off(office: Office, version: object) -> None:
    """After its handshake and without a word, on every backend, until it is active again; other devices get in."""
    office.connect(version)
    assert office.call("InactivateDeviceCertificate") == {"DeviceSn": office.serial}
    assert [office.connect(version) for _ in range(2)] == [CUT_OFF] * 2
    other = Office(office.sandbox, office.folder, office.sandbox.certificates.issue_device("other"))
    assert (other.connect(version), office.connect(version, OTHER)) == (REFUSED_LOGIN, REFUSED_LOGIN)
    assert office.listed() == [(office.serial, "0"), (other.serial, "1")]
    assert office.call("ActiveDeviceCertificate") == {"DeviceSn": office.serial}
    assert office.connect(version) == REFUSED_LOGIN


def test_a_device_that_is_refused_is_not_registered(office: Office) -> None:
    """Neither one of a stranger's CA nor one that comes without a certificate."""
    stranger = Office(office.sandbox, office.folder, SandboxAuthority("strangers").issue_client("a"))
    stranger.connect()
    assert office.listed() == []


def test_a_device_of_a_ca_below_is_let_in_and_not_registered(office: Office) -> None:
    """What is registered is the root, which did not sign the certificate itself."""
    root = SandboxAuthority("Root", path_length=1)
    office.sandbox.device_cas.add(ID, "root", root.certificate_pem)
    office.sandbox.machine(ID).device_cas_changed()
    below = Office(office.sandbox, office.folder, SandboxAuthority("Between", issuer=root).issue_client("device"))
    assert (below.connect(V12), office.listed()) == (REFUSED_LOGIN, [])


def test_what_is_no_certificate_is_not_judged(sandbox: Sandbox) -> None:
    """OpenSSL has let it in, so that here nothing stops it."""
    assert sandbox.device_certificates.admit(ID, b"nonsense")


@pytest.mark.parametrize(
    ("action", "parameters", "expected"),
    [
        ("GetDeviceCertificate", {"DeviceSn": "0" * 129}, ("ParameterFieldCheckFailed", 400)),
        ("GetDeviceCertificate", {"CaSn": ""}, ("ParameterFieldCheckFailed", 400)),
        ("ActiveDeviceCertificate", {}, ("FindDeviceBySnError", 500)),
        ("InactivateDeviceCertificate", {}, ("FindDeviceBySnError", 500)),
        ("ListDeviceCertificate", {"PageSize": "101"}, ("ParameterFieldCheckFailed", 400)),
        ("ListDeviceCertificateByCaSn", {"PageNo": "0"}, ("ParameterFieldCheckFailed", 400)),
        ("ListDeviceCertificateByCaSn", {"MqttInstanceId": "mqtt-x"}, ("MqttInstanceNotFound", 500)),
        ("ListDeviceCertificate", {"MqttInstanceId": "mqtt-basic"}, ("InstancePermissionCheckFailed", 400)),
    ],
)
def test_each_refusal_has_the_documented_code(
    office: Office, action: str, parameters: dict[str, str], expected: tuple[str, int]
) -> None:
    """Unknown ones, pages that nobody has, and other editions."""
    assert office.failure(action, **parameters) == expected


def test_an_unknown_ca_has_no_devices(office: Office) -> None:
    """A listing of its devices is empty."""
    office.connect()
    assert office.listed("ListDeviceCertificateByCaSn", CaSn="01") == []
