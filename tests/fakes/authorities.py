"""Authorities and certificates of every shape, good and odd, as PEM files."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from provisioner.errors import ProvisionerError, UnusableError
from provisioner.model.certificate import DistinguishedName, KeyType, Profile, Specification
from provisioner.pki import Authority
from tests.fakes.clock import START

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]

# The object identifiers of P-256 and of SM2's curve have the same length, so that one can stand in for the other.
_P256, _SM2 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a811ccf5501822d")
CA_TRUE: Extension = (x509.BasicConstraints(ca=True, path_length=None), True)
SUBJECT = DistinguishedName("CN", "ZJ", "HZ", "ALI", "MQTT", "ops@example.com", "mqtt.example.com")


def usage(*names: str) -> x509.KeyUsage:
    """Return a key usage with just these bits."""
    known = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return x509.KeyUsage(**{name: name in names for name in (*known, "key_cert_sign", "crl_sign")} | _NO_LIMITS)


_NO_LIMITS = {"encipher_only": False, "decipher_only": False}
SIGNS: Extension = (usage("key_cert_sign", "crl_sign"), True)


@dataclass(frozen=True)
class Made:
    """A certificate with its key, and the files both lie in."""

    certificate: x509.Certificate
    key: Key
    certificate_path: Path
    key_path: Path

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def authority(self) -> Authority:
        """Return the authority of these files."""
        return Authority(self.certificate_path, self.key_path)


def p256() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key, the quickest to make."""
    return ec.generate_private_key(ec.SECP256R1())


def p384() -> ec.EllipticCurvePrivateKey:
    """Return a new P-384 key."""
    return ec.generate_private_key(ec.SECP384R1())


def common_name(text: str) -> x509.Name:
    """Return a name of a common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(
    folder: Path,
    name: str = "Test CA",
    *extensions: Extension,
    key: Key | None = None,
    issuer: Made | None = None,
    identifier: bool = True,
    begin: datetime = START - timedelta(days=1),
    end: datetime = START + timedelta(days=3650),
) -> Made:
    """Make a certificate with exactly these extensions and a key identifier, self-signed unless there is an issuer."""
    key = key or p256()
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(name))
        .issuer_name(issuer.certificate.subject if issuer else common_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    own = ((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),) if identifier else ()
    for value, critical in (*extensions, *own):
        builder = builder.add_extension(value, critical=critical)
    certificate = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    made = Made(certificate, key, folder / f"{name}.crt", folder / f"{name}.key")
    made.certificate_path.write_text(made.pem, encoding="ascii")
    write_key(made.key_path, key)
    return made


def good(folder: Path, name: str = "Test CA", *, key: Key | None = None, issuer: Made | None = None) -> Made:
    """Make a CA that nobody objects to."""
    return make(folder, name, CA_TRUE, SIGNS, key=key, issuer=issuer)


def write_key(path: Path, key: Key, password: bytes | None = None, style: PrivateFormat = PrivateFormat.PKCS8) -> Path:
    """Write a private key that its owner alone may read."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, style, lock))
    path.chmod(0o600)
    return path


def as_sm2(der: bytes) -> bytes:
    """Return a P-256 certificate or key with SM2's curve named in it."""
    assert der.count(_P256) == 1
    return der.replace(_P256, _SM2)


def specification(
    key: KeyType = KeyType.EC_P256,
    profile: Profile = Profile.STRICT,
    *,
    days: int = 500,
    dns_names: tuple[str, ...] = ("*.mqtt.aliyuncs.com", "mqtt.example.com"),
    subject: DistinguishedName = SUBJECT,
) -> Specification:
    """Return what the certificate ``iot`` should be."""
    return Specification("iot", key, timedelta(days=days), timedelta(days=60), profile, dns_names, subject)


@contextlib.contextmanager
def masked(umask: int) -> Iterator[None]:
    """Set the process's umask for a block."""
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


def refusal(action: Callable[[], object], error: type[ProvisionerError] = UnusableError) -> tuple[str, str]:
    """Return the message and the hint with which something is refused."""
    with pytest.raises(ProvisionerError) as caught:
        action()
    assert type(caught.value) is error
    return caught.value.message, caught.value.hint
