"""Whatever lies in certificate and key files: material, or ``UnusableError``."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import UnusableError
from provisioner.model.secret import Secret
from provisioner.pki import Authority, DerCertificateReader, FileKeyStore
from provisioner.pki.pem import certificates, private_key
from provisioner.wire.canary import Device, PahoCanary
from tests.fakes.authorities import CA_TRUE, SIGNS, Made, make

# The command line leaves this out; here a changed byte makes such serial numbers.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LABELS = st.sampled_from(
    ["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PUBLIC KEY", "", "X"]
)
EDITS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4)


def _pem(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(content) + f"-----END {label}-----\n".encode()


NONSENSE = (
    st.binary(max_size=200)
    | st.builds(_pem, LABELS, st.binary(max_size=200))
    | st.builds(lambda one, two: one + two, st.builds(_pem, LABELS, st.binary(max_size=60)), st.binary(max_size=60))
)


def _edited(content: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for at, value in edits:
        changed[at % len(changed)] = value
    return bytes(changed)


def _unusable_or(action: Callable[[], object]) -> None:
    """Hold that an action succeeds or raises ``UnusableError`` with a next step."""
    hint = "none is needed"
    try:
        action()
    except UnusableError as error:
        hint = error.hint
    assert hint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a good authority."""
    return make(tmp_path_factory.mktemp("made"), "good", CA_TRUE, SIGNS)


def _use_everywhere(folder: Path, certificate: bytes, key: bytes) -> None:
    """Give the same two files to everybody who reads certificates and keys."""
    (folder / "chain.pem").write_bytes(certificate)
    (folder / "private-key.pem").write_bytes(key)
    (folder / "private-key.pem").chmod(0o600)
    authority = Authority(folder / "chain.pem", folder / "private-key.pem", lambda: Secret("password"))
    _unusable_or(lambda: certificates(folder / "chain.pem", "a chain"))
    _unusable_or(lambda: private_key(folder / "private-key.pem", "a key", lambda: None))
    _unusable_or(authority.facts)
    _unusable_or(authority.bundle_pem)
    _unusable_or(lambda: authority.key)
    store = FileKeyStore(folder.parent.parent)
    _unusable_or(lambda: [store.material("iot", leaf.sha256) for leaf in store.leaves("iot")])
    device = Device(folder / "chain.pem", folder / "private-key.pem", "GID_ops@@@canary", Secret("password"))
    _unusable_or(lambda: PahoCanary(device, [certificate.decode("latin-1")]))


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    """Return the directory of one certificate in a key store."""
    folder = tmp_path / "iot" / "0123456789abcdef"
    folder.mkdir(parents=True)
    return folder


@QUICK
@given(certificate=NONSENSE, key=NONSENSE)
def test_nonsense(generation: Path, certificate: bytes, key: bytes) -> None:
    """Any bytes, with and without the marks of PEM."""
    _use_everywhere(generation, certificate, key)


@QUICK
@given(edits=EDITS, key_edits=EDITS)
def test_good_files_with_a_few_bytes_changed(
    generation: Path, made: Made, edits: list[tuple[int, int]], key_edits: list[tuple[int, int]]
) -> None:
    """What looks right at first and isn't."""
    der = made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = _pem("CERTIFICATE", _edited(made.der, edits))
    _use_everywhere(generation, certificate, _pem("PRIVATE KEY", _edited(der, key_edits)))


@QUICK
@given(edits=EDITS, nonsense=st.binary(max_size=100))
def test_certificates_from_the_wire(made: Made, edits: list[tuple[int, int]], nonsense: bytes) -> None:
    """What a server serves is read, or is no certificate; whether the authority signed it is always told."""
    for der in (_edited(made.der, edits), nonsense):
        _unusable_or(lambda der=der: DerCertificateReader().read(der))  # type: ignore[misc]
        assert made.authority().signed(der) in {True, False}
