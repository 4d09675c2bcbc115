"""What the canary's certificate has to do with the registered device CAs."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.errors import UnusableError
from provisioner.model.instance import DeviceCA, Endpoint
from provisioner.model.reading import CanaryResult, CanaryVerdict
from provisioner.pki import DerCertificateReader
from provisioner.planning.observed import DeviceCAs
from provisioner.runs.canary_chain import with_canary
from provisioner.runs.chain_text import ders
from provisioner.wire.canary import Device, PahoCanary
from tests.fakes.authorities import Extension, Made, good, make, refusal

CA_FALSE: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
READER = DerCertificateReader()


class Chain:
    """A canary that has a certificate and nothing else."""

    def __init__(self, *chain: Made) -> None:
        self.chain_pem = "".join(made.pem for made in chain)

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Never get in."""
        return CanaryResult(address, CanaryVerdict.UNREACHABLE, "")


def listed(ca: Made, serial: str) -> DeviceCA:
    """Return a registered CA."""
    return DeviceCA(serial, "", active=True, valid_from=None, valid_until=None, certificate_pem=ca.pem)


def test_every_ca_that_the_canary_chains_to_is_named(tmp_path: Path) -> None:
    """Root and intermediate may both be registered; whether they are active is the checks' business."""
    root, stranger = good(tmp_path, "Root"), good(tmp_path, "Stranger")
    between = good(tmp_path, "Between", issuer=root)
    device = make(tmp_path, "device", CA_FALSE, issuer=between)
    unreadable = DeviceCA("04", "", active=True, valid_from=None, valid_until=None)
    seen = DeviceCAs((listed(root, "01"), listed(stranger, "02"), listed(between, "03"), unreadable))
    found = with_canary(seen, Chain(device, between), READER)
    assert found == DeviceCAs(seen.registered, canary_certificate=READER.read(device.der), canary_signers=("01", "03"))


@pytest.mark.parametrize(
    ("answers", "expected", "asked"),
    [
        ({"01": True}, True, ["01"]),
        ({"01": False, "03": True}, False, ["01"]),
        ({"03": False}, False, ["01", "03"]),
        ({}, None, ["01", "03"]),
    ],
)
def test_the_service_is_asked_about_the_certificate_itself(
    tmp_path: Path, answers: dict[str, bool], expected: object, asked: list[str]
) -> None:
    """Under each registered CA that it chains to, until one of them knows it."""
    root, stranger = good(tmp_path, "Root"), good(tmp_path, "Stranger")
    between = good(tmp_path, "Between", issuer=root)
    device = make(tmp_path, "device", CA_FALSE, issuer=between)
    questions: list[tuple[str, str]] = []

    def ask(ca_serial: str, device_serial: str) -> bool | None:
        questions.append((ca_serial, device_serial))
        return answers.get(ca_serial)

    seen = DeviceCAs((listed(root, "01"), listed(stranger, "02"), listed(between, "03")))
    found = with_canary(seen, Chain(device, between), READER, ask)
    assert found.canary_certificate_active is expected
    assert questions == [(serial, f"{device.certificate.serial_number:x}") for serial in asked]


def test_nobody_is_asked_about_a_certificate_of_no_registered_ca(tmp_path: Path) -> None:
    """The service could know nothing of it."""
    seen = DeviceCAs((listed(good(tmp_path, "Stranger"), "02"),))

    def ask(ca_serial: str, device_serial: str) -> bool | None:
        raise LookupError(ca_serial, device_serial)

    found = with_canary(seen, Chain(make(tmp_path, "device", CA_FALSE)), READER, ask)
    assert (found.canary_signers, found.canary_certificate_active) == ((), None)


def test_without_a_canary_nothing_is_added(tmp_path: Path) -> None:
    """Nobody's certificate is looked at."""
    seen = DeviceCAs((listed(good(tmp_path), "01"),))
    assert with_canary(seen, None, READER) is seen


def test_where_the_service_does_not_list_the_certificate_alone_is_known(tmp_path: Path) -> None:
    """Its dates can be judged all the same."""
    device = make(tmp_path, "device", CA_FALSE)
    found = with_canary(DeviceCAs(unknown="denied"), Chain(device), READER)
    assert found == DeviceCAs(unknown="denied", canary_certificate=READER.read(device.der), canary_signers=None)


def test_the_first_certificate_is_found_behind_other_text(tmp_path: Path) -> None:
    """Files of other tools begin with a description."""
    first, second = good(tmp_path, "First"), good(tmp_path, "Second")
    assert ders(f"Bag Attributes: none\n{first.pem}{second.pem}")[0] == first.der
    with pytest.raises(ValueError, match="no certificate in PEM"):
        ders("nothing")


def test_the_canary_shows_its_chain_and_never_its_key(tmp_path: Path) -> None:
    """One file may hold everything."""
    ca = good(tmp_path)
    device = make(tmp_path, "device", CA_FALSE, issuer=ca)
    path = tmp_path / "all.pem"
    path.write_text(f"about\n{device.key_path.read_text()}{device.pem}{ca.pem}", encoding="ascii")
    canary = PahoCanary(Device(path, path, "GID_a@@@b"), [], timedelta(seconds=1))
    assert canary.chain_pem == device.pem + ca.pem


def test_a_canary_whose_file_is_gone_is_told(tmp_path: Path) -> None:
    """The file is named, with the key of the configuration."""
    device = make(tmp_path, "device", CA_FALSE)
    canary = PahoCanary(Device(device.certificate_path, device.key_path, "GID_a@@@b"), [])
    path = device.certificate_path
    path.write_text("nothing", encoding="ascii")
    assert refusal(lambda: canary.chain_pem, UnusableError) == (
        f"{path}: the canary's certificate is in no ordinary PEM block; nothing was changed",
        f"openssl x509 -in {path} writes one",
    )
    path.unlink()
    assert refusal(lambda: canary.chain_pem, UnusableError) == (
        f"{path}: the canary's certificate can't be read: No such file or directory; nothing was changed",
        "check canary.certificate",
    )
