"""Reading PEM: certificates and private keys, with messages that say which file is wrong and how."""

import re
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from provisioner.errors import UnusableError
from provisioner.model.secret import Secret
from provisioner.pki.files import read_file

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Password = Callable[[], Secret | None]

# What cryptography raises for certificates that it can't read; some of it is found out at the first look at a field.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_BODY = re.compile(rb"-----BEGIN [^-]+-----(.+?)-----END", re.DOTALL)
_NO_SM2 = "use RSA or EC; provisioner ca create makes such an authority"
_SM2 = b"\x2a\x81\x1c\xcf\x55\x01\x82\x2d"  # 1.2.156.10197.1.301, the curve of SM2


def certificates(path: Path, what: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file, in their order. Raises ``UnusableError``."""
    content = read_file(path, what)
    blocks = _CERTIFICATE.findall(content)
    if not blocks:
        found = "a private key" if b"PRIVATE KEY-----" in content else "no PEM certificate"
        raise UnusableError(
            f"{path}: expected {what}, found {found}; nothing was changed",
            hint=f"check that {path} begins with -----BEGIN CERTIFICATE-----",
        )
    return tuple(parse_certificate(block, path, what) for block in blocks)


def parse_certificate(block: bytes, path: Path, what: str) -> x509.Certificate:
    """Return one certificate of a PEM file. Raises ``UnusableError``."""
    try:
        found = x509.load_pem_x509_certificate(block)
        found.public_key()
        # The library parses some parts only when they are asked for.
        _ = (found.subject, found.issuer, found.extensions, found.not_valid_before_utc, found.not_valid_after_utc)
    except UNREADABLE as error:
        if _uses_sm2(block):
            raise UnusableError(
                f"{path}: {what} uses SM2, which this tool does not support; nothing was changed", hint=_NO_SM2
            ) from error
        raise UnusableError(
            f"{path}: {what} is malformed; nothing was changed", hint=f"openssl x509 -in {path} -noout -text"
        ) from error
    return found


def private_key(path: Path, what: str, password: Password) -> PrivateKey:
    """Return the private key of a PEM file, RSA or EC. Raises ``UnusableError``."""
    content = read_file(path, what)
    if b"PRIVATE KEY-----" not in content:
        found = "a certificate" if b"BEGIN CERTIFICATE" in content else "no PEM private key"
        raise UnusableError(f"{path}: expected {what}, found {found}; nothing was changed", hint=_key_hint(path))
    locked = b"ENCRYPTED" in content
    secret = password() if locked else None
    if locked and secret is None:
        raise UnusableError(
            f"{path}: {what} is encrypted and no password is configured; nothing was changed",
            hint='set private_key_password = { env = "NAME" } beside private_key',
        )
    try:
        key = load_pem_private_key(content, secret.reveal().encode() if secret else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if key is None and _uses_sm2(content):
        raise UnusableError(
            f"{path}: {what} uses SM2, which this tool does not support; nothing was changed", hint=_NO_SM2
        )
    if key is None:
        problem = "its password is wrong, or it is malformed" if locked else "it is malformed or of an unknown kind"
        hint = f"check private_key_password, and that it belongs to {path}" if locked else _key_hint(path)
        raise UnusableError(f"{path}: {what} can't be loaded: {problem}; nothing was changed", hint=hint)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnusableError(f"{path}: {what} is neither RSA nor EC; nothing was changed", hint=_key_hint(path))
    return key


def same_key(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Tell whether a private key belongs to a certificate."""
    return _public_bytes(certificate) == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def as_pem(chain: tuple[x509.Certificate, ...]) -> str:
    """Return certificates as PEM, in their order."""
    return "".join(item.public_bytes(Encoding.PEM).decode() for item in chain)


def _public_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _uses_sm2(content: bytes) -> bool:
    import base64  # noqa: PLC0415  only on the way to an error

    for body in _BODY.findall(content):
        try:
            decoded = base64.b64decode(body + b"==", validate=False)
        except ValueError:
            continue
        if _SM2 in decoded:
            return True
    return False


def _key_hint(path: Path) -> str:
    return f"check that {path} is the right file; openssl pkey -in {path} -noout tells whether it can be read"
