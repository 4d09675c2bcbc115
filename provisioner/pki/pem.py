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
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_BODY = re.compile(rb"-----BEGIN [^-]+-----(.+?)-----END", re.DOTALL)
_SM2_CURVE = "1.2.156.10197.1.301"
_SM2_CURVE_DER = b"\x2a\x81\x1c\xcf\x55\x01\x82\x2d"
_SM2_SIGNATURE = "1.2.156.10197.1.501"


def certificates(path: Path, what: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file, in their order. Raises ``UnusableError``."""
    return parse_certificates(read_file(path, what), path, what)


def parse_certificates(content: bytes, path: Path, what: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file's content, in their order. Raises ``UnusableError``."""
    blocks = _CERTIFICATE.findall(content)
    if not blocks:
        found = "a private key" if b"PRIVATE KEY-----" in content else "no PEM certificate"
        raise UnusableError(
            f"{path}: expected {what}, found {found}; nothing was changed",
            hint=f"check that {path} begins with -----BEGIN CERTIFICATE-----",
        )
    return tuple(_parse_certificate(block, path, what) for block in blocks)


def require_readable(certificate: x509.Certificate, path: Path, what: str) -> None:
    """Raise ``UnusableError`` when a field that everybody looks at can't be read."""
    try:
        certificate.public_key()
        # The library parses some parts only when they are asked for.
        _ = certificate.subject, certificate.issuer, certificate.extensions
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as error:
        raise _unreadable(certificate.public_bytes(Encoding.DER), path, what) from error
    if certificate.signature_algorithm_oid.dotted_string == _SM2_SIGNATURE:
        raise sm2_refused(path, what)


def private_key(path: Path, what: str, password: Password) -> PrivateKey:
    """Return the private key of a PEM file, RSA or EC. Raises ``UnusableError``."""
    return parse_private_key(read_file(path, what), path, what, password)


def parse_private_key(content: bytes, path: Path, what: str, password: Password) -> PrivateKey:
    """Return the private key in a PEM file's content, RSA or EC, whatever else is in it. Raises ``UnusableError``.

    The forms are PKCS#8, PKCS#1 and SEC1, each in clear or encrypted; the password is asked for when it is needed.
    """
    if not holds_private_key(content):
        found = "a certificate" if b"BEGIN CERTIFICATE" in content else "no PEM private key"
        raise UnusableError(f"{path}: expected {what}, found {found}; nothing was changed", hint=_key_hint(path))
    blocks = dict.fromkeys(match.group() for match in _KEY.finditer(content))
    if len(blocks) > 1:
        raise UnusableError(
            f"{path}: expected {what}, found {len(blocks)} private keys; nothing was changed",
            hint="leave the one that belongs to the certificate",
        )
    block = next(iter(blocks), b"")
    locked = b"ENCRYPTED" in block
    secret = password() if locked else None
    if locked and secret is None:
        raise UnusableError(
            f"{path}: {what} is encrypted and no password is configured; nothing was changed",
            hint='set private_key_password = { env = "NAME" } beside private_key',
        )
    key, reason = _load_key(block, secret)
    if key is None and (names_sm2(reason) or b"SM2 PRIVATE" in block or _SM2_CURVE_DER in _decoded(block)):
        raise sm2_refused(path, what)
    if key is None:
        problem = "its password is wrong, or it is malformed" if locked else "it is malformed or of an unknown kind"
        if locked and "unknown" in reason.lower():
            problem = "it is encrypted with a cipher that this tool does not know"
        raise UnusableError(f"{path}: {what} can't be loaded: {problem}; nothing was changed", hint=_key_hint(path))
    return require_supported(key, path, what)


def holds_private_key(content: bytes) -> bool:
    """Tell whether a PEM file's content holds a private key, whole or not."""
    return b"PRIVATE KEY-----" in content


def require_supported(key: object, path: Path, what: str) -> PrivateKey:
    """Return a key that is RSA or EC. Raises ``UnusableError`` for every other."""
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


def _parse_certificate(block: bytes, path: Path, what: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(block)
    except UNREADABLE as error:
        raise _unreadable(_decoded(block), path, what) from error
    require_readable(found, path, what)
    return found


def _load_key(block: bytes, secret: Secret | None) -> tuple[object, str]:
    """Return the key, or None and the library's reason, which holds no part of key or password."""
    try:
        return load_pem_private_key(block, secret.reveal().encode() if secret else None), ""
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return None, str(error)


def names_sm2(reason: str) -> bool:
    """Tell whether a library's reason for refusing a key is the curve of SM2."""
    return _SM2_CURVE in reason


def sm2_refused(path: Path, what: str) -> UnusableError:
    """Return the refusal of SM2."""
    message = f"{path}: {what} uses SM2, which this tool does not support; nothing was changed"
    return UnusableError(message, hint="use RSA or EC")


def _unreadable(der: bytes, path: Path, what: str) -> UnusableError:
    if _SM2_CURVE_DER in der:
        return sm2_refused(path, what)
    return UnusableError(
        f"{path}: {what} is malformed; nothing was changed", hint=f"openssl x509 -in {path} -noout -text"
    )


def _decoded(block: bytes) -> bytes:
    """Return what a PEM block holds, nothing where it is no base64."""
    import base64  # noqa: PLC0415  only on the way to an error

    body = _BODY.search(block)
    try:
        return base64.b64decode(body.group(1) + b"==", validate=False) if body else b""
    except ValueError:
        return b""


def _key_hint(path: Path) -> str:
    return f"check that {path} is the right file; openssl pkey -in {path} -noout tells whether it can be read"
