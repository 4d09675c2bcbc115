"""Certificates and keys that can't be used: exit 5, or 3 where a check judges readable material; nothing is done."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.e2e.conftest import Cloud
from tests.e2e.untouched import refused_clearly, untouched
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Made, as_sm2, make, p256, usage, write_key

DAY = timedelta(days=1)
CERTIFICATES = ("ca/ca.crt", "device/device.crt")
KEYS = ("ca/ca.key", "device/device.key")
NAMED = {
    "ca/ca.crt": "a CA certificate",
    "ca/ca.key": "the CA's private key",
    "device/device.crt": "the canary's certificate",
    "device/device.key": "the canary's private key",
}


def _refused(cloud: Cloud, code: int, *words: str, command: tuple[str, ...] = ("apply", "--yes")) -> None:
    with untouched(cloud):
        done = cloud.run(*command)
    refused_clearly(done, code, "nothing was changed", *words)


def _made(cloud: Cloud, name: str, *extensions: Extension, begin: int = -1, end: int = 3650, **more: object) -> Made:
    """Make a certificate whose dates are days from today."""
    today = datetime.now(UTC).replace(microsecond=0)
    folder = cloud.writer.files.directory / "made"
    folder.mkdir(exist_ok=True)
    return make(folder, name, *extensions, begin=today + begin * DAY, end=today + end * DAY, **more)  # type: ignore[arg-type]


def _use(cloud: Cloud, place: str, made: Made, key: Made | None = None) -> None:
    """Put a certificate and a key where the configuration says: ``ca/ca`` or ``device/device``."""
    root = cloud.writer.files.directory
    (root / f"{place}.crt").write_bytes(made.certificate_path.read_bytes())
    (root / f"{place}.key").write_bytes((key or made).key_path.read_bytes())


@pytest.mark.parametrize("place", [*CERTIFICATES, *KEYS])
def test_a_file_that_is_not_there(cloud: Cloud, place: str) -> None:
    """The file and what it should hold are named."""
    path = cloud.writer.files.directory / place
    path.unlink()
    _refused(cloud, 5, f"{path}: {NAMED[place]} can't be read: ", "o such file or directory")


@pytest.mark.parametrize("place", [*CERTIFICATES, *KEYS])
def test_a_directory_in_the_place_of_a_file(cloud: Cloud, place: str) -> None:
    """A directory is told as such."""
    path = cloud.writer.files.directory / place
    path.unlink()
    path.mkdir()
    _refused(cloud, 5, f"{path}: {NAMED[place]} can't be read: ", "s a directory")


def _emptied(_content: bytes) -> bytes:
    return b""


def _halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _garbled(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[: middle - 8] + b"!!!!////" + content[middle:]


def _binary(_content: bytes) -> bytes:
    return bytes(range(256))


@pytest.mark.parametrize("spoil", [_emptied, _halved, _garbled, _binary])
@pytest.mark.parametrize("place", [*CERTIFICATES, *KEYS])
def test_a_file_that_is_malformed(cloud: Cloud, place: str, spoil: Callable[[bytes], bytes]) -> None:
    """Empty, cut off, garbled and binary files are told by name, and nothing of their content is shown."""
    path = cloud.writer.files.directory / place
    content = path.read_bytes()
    path.write_bytes(spoil(content))
    _refused(cloud, 5, f"{path}: ", NAMED[place])


def test_a_certificate_in_the_place_of_a_key(cloud: Cloud) -> None:
    """Files that were swapped are told as what they are."""
    root = cloud.writer.files.directory
    certificate = (root / "ca/ca.crt").read_bytes()
    (root / "ca/ca.crt").write_bytes((root / "ca/ca.key").read_bytes())
    _refused(cloud, 5, "expected a CA certificate, found a private key")
    (root / "ca/ca.crt").write_bytes(certificate)
    (root / "ca/ca.key").write_bytes(certificate)
    _refused(cloud, 5, "expected the CA's private key, found a certificate")


def test_keys_that_belong_to_another_certificate(cloud: Cloud) -> None:
    """The pair is named, for the authority and for the canary."""
    good, other = _made(cloud, "good", CA_TRUE, SIGNS), _made(cloud, "other", CA_TRUE, SIGNS)
    _use(cloud, "ca/ca", good, other)
    _refused(cloud, 5, "ca/ca.key: this key does not belong to ")
    _use(cloud, "ca/ca", good)
    _use(cloud, "device/device", good, other)
    _refused(cloud, 5, "device/device.key: the canary's private key does not belong to ", "check canary.private_key")


def test_an_encrypted_key_needs_its_password(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password, with a wrong one, and with an empty one, the next step is to set it; it is never shown."""
    good = _made(cloud, "good", CA_TRUE, SIGNS)
    _use(cloud, "ca/ca", good)
    write_key(cloud.writer.files.directory / "ca" / "ca.key", good.key, b"right-password")
    _refused(cloud, 5, "is encrypted and no password is configured", "Next: set private_key_password = ")
    cloud.edit('private_key = "ca/ca.key"', 'private_key = "ca/ca.key"\nprivate_key_password = { env = "CA_PW" }')
    monkeypatch.setenv("CA_PW", "wrong-password")
    with untouched(cloud):
        done = cloud.run("-vv", "apply", "--yes")
    assert (done.code, "its password is wrong, or it is malformed" in done.err) == (5, True)
    assert "wrong-password" not in done.err + done.out
    monkeypatch.setenv("CA_PW", "")
    _refused(cloud, 2, "authority.private_key_password: the environment variable CA_PW is not set")
    monkeypatch.setenv("CA_PW", "right-password")
    assert cloud.apply().code == 0


def test_an_encrypted_canary_key_needs_its_password(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal is asked for it; the key in the configuration is named."""
    root = cloud.writer.files.directory
    good = _made(cloud, "good")
    _use(cloud, "device/device", good)
    write_key(root / "device" / "device.key", good.key, b"right-password")
    words = "the canary's private key can't be used: "
    next_step = "Next: check canary.private_key_password"
    _refused(cloud, 5, f"{words}the key is encrypted and no password is configured", next_step)
    reference = 'private_key = "device/device.key", private_key_password = { env = "DEVICE_PW" }'
    cloud.edit('private_key = "device/device.key"', reference)
    monkeypatch.setenv("DEVICE_PW", "wrong-password")
    _refused(cloud, 5, f"{words}the key's password is wrong", next_step)


@pytest.mark.parametrize(
    ("extensions", "key", "words"),
    [
        ((), None, "it has no basicConstraints"),
        (((x509.BasicConstraints(ca=False, path_length=None), True),), None, "basicConstraints says CA:FALSE"),
        ((CA_TRUE, (usage("crl_sign"), True)), None, "its keyUsage lacks keyCertSign"),
        ((CA_TRUE, SIGNS), ed25519.Ed25519PrivateKey.generate, "its key is neither RSA nor EC"),
    ],
)
def test_a_certificate_that_is_no_authority(
    cloud: Cloud,
    extensions: tuple[Extension, ...],
    key: Callable[[], ed25519.Ed25519PrivateKey] | None,
    words: str,
) -> None:
    """A leaf, a CA that says it is none, one that may not sign, and a key that signs otherwise are refused."""
    _use(cloud, "ca/ca", _made(cloud, "odd", *extensions, key=key() if key else None))
    _refused(cloud, 5, f"ca/ca.crt: this is no CA certificate: {words}", "Next: provisioner ca create makes one")


def test_a_leaf_of_the_authority_is_no_authority(cloud: Cloud) -> None:
    """Naming the server's own certificate is a common slip."""
    assert cloud.run("issue", "iot").code == 0
    leaf = next((cloud.writer.files.directory / "state" / "keys").rglob("certificate.pem"))
    (cloud.writer.files.directory / "ca" / "ca.crt").write_bytes(leaf.read_bytes())
    _refused(cloud, 5, "this is no CA certificate: basicConstraints says CA:FALSE")


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (-100, -1, "the authority is valid from "),
        (1, 4000, "the authority is valid from "),
        (-1, 30, "a certificate of 500 days would outlive its authority"),
    ],
)
def test_an_authority_outside_its_dates(cloud: Cloud, begin: int, end: int, words: str) -> None:
    """Expired, not yet valid, and ending too soon are refused by a check, with the dates."""
    _use(cloud, "ca/ca", _made(cloud, "dated", CA_TRUE, SIGNS, begin=begin, end=end))
    _refused(cloud, 3, words)


def test_issuing_from_an_expired_authority_is_refused_too(cloud: Cloud) -> None:
    """The command that only issues says the same."""
    _use(cloud, "ca/ca", _made(cloud, "dated", CA_TRUE, SIGNS, begin=-100, end=-1))
    _refused(cloud, 5, "the CA is valid from ", command=("issue", "iot"))


def _pem(kind: str, der: bytes) -> str:
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n"


def test_sm2_is_refused_by_name(cloud: Cloud) -> None:
    """Certificate and key of the Chinese curve are not mistaken for malformed ones."""
    root = cloud.writer.files.directory
    good = _made(cloud, "good", CA_TRUE, SIGNS)
    _use(cloud, "ca/ca", good)
    assert isinstance(good.key, ec.EllipticCurvePrivateKey)
    der = good.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (root / "ca/ca.key").write_text(_pem("PRIVATE KEY", as_sm2(der)), encoding="ascii")
    _refused(cloud, 5, "the CA's private key uses SM2", "Next: use a certificate and a key of RSA or EC")
    (root / "ca/ca.crt").write_text(_pem("CERTIFICATE", as_sm2(good.der)), encoding="ascii")
    _refused(cloud, 5, "a CA certificate uses SM2", "Next: use a certificate and a key of RSA or EC")


@pytest.fixture
def kept(cloud: Cloud) -> Path:
    """Return the directory of a certificate that lies in the key store, not yet hosted."""
    assert cloud.run("issue", "iot").code == 0
    return next((cloud.writer.files.directory / "state" / "keys" / "iot").iterdir())


def test_a_kept_key_that_was_exchanged(cloud: Cloud, kept: Path) -> None:
    """A key that is not the leaf's is found by a check."""
    write_key(kept / "private-key.pem", p256())
    _refused(
        cloud, 3, f"the private key kept for leaf {kept.name} is not its key", "Next: move it out of the key store"
    )


def test_a_kept_chain_that_was_cut_or_mixed(cloud: Cloud, kept: Path) -> None:
    """A chain without its CA, or with another one, is found by a check."""
    leaf = (kept / "certificate.pem").read_text(encoding="ascii")
    (kept / "chain.pem").write_text(leaf, encoding="ascii")
    _refused(cloud, 3, f"the chain of leaf {kept.name} ", "it holds the leaf alone")
    (kept / "chain.pem").write_text(leaf + _made(cloud, "other", CA_TRUE, SIGNS).pem, encoding="ascii")
    _refused(cloud, 3, f"the chain of leaf {kept.name} ", "certificate 2 is CN=other")


def test_a_kept_certificate_that_was_exchanged(cloud: Cloud, kept: Path) -> None:
    """Another certificate than the directory's name says is refused, and not passed over in silence."""
    other = _made(cloud, "other")
    (kept / "chain.pem").write_text(other.pem, encoding="ascii")
    _refused(cloud, 5, f"{kept}: its chain begins with leaf ", f"expected {kept.name}", f"Next: move {kept} out of")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None])
@pytest.mark.parametrize("name", ["chain.pem", "private-key.pem"])
def test_kept_files_that_are_spoilt(cloud: Cloud, kept: Path, name: str, content: bytes | None) -> None:
    """Empty, malformed and missing files are told by name."""
    if content is None:
        (kept / name).unlink()
    else:
        (kept / name).write_bytes(content)
    _refused(cloud, 5, f"{kept / name}: ")


def test_a_kept_key_that_others_can_read(cloud: Cloud, kept: Path) -> None:
    """An open mode is refused with the command that mends it."""
    (kept / "private-key.pem").chmod(0o644)
    _refused(cloud, 5, "mode 0644 lets others read a private key", f"Next: chmod 600 {kept / 'private-key.pem'}")


def test_a_canary_that_trusts_what_cannot_be_loaded(cloud: Cloud) -> None:
    """A file of CAs that is missing or malformed points to canary.trust."""
    path = cloud.writer.files.trust
    path.write_text("nothing", encoding="ascii")
    _refused(cloud, 5, "Next: check canary.trust")
    path.unlink()
    _refused(cloud, 5, f"{path}: ", "canary.trust")


def test_a_canary_whose_login_is_wrong(cloud: Cloud) -> None:
    """A login that fails before any change is refused."""
    secrets = cloud.writer.files.directory / "secrets"
    (secrets / f"canary-{cloud.sandbox.instances[0].id}").write_text("wrong-password", encoding="ascii")
    _refused(cloud, 3, "the canary can't log in before any change: login refused", "Next: correct canary of")


@pytest.mark.parametrize(("begin", "end"), [(-100, -1), (1, 100)])
def test_a_canary_outside_its_dates(cloud: Cloud, begin: int, end: int) -> None:
    """A device certificate that could not log in after the switch is found before it."""
    _use(cloud, "device/device", _made(cloud, "device", begin=begin, end=end))
    _refused(cloud, 3, "the canary's certificate is valid from ", "the canary could not log in after the switch")


def test_a_canary_of_another_device_ca(cloud: Cloud) -> None:
    """So is one that chains to no registered CA."""
    _use(cloud, "device/device", _made(cloud, "device"))
    _refused(cloud, 3, "the canary's certificate chains to none of the 1 registered device CAs")
