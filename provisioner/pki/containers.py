"""Files that hold certificates and a key together: PEM and PKCS#12, told apart by what is in them and not by name.

Measured on what openssl writes: PKCS#12 with its present and its former algorithms, with an empty password and with
none; keys in PKCS#8, PKCS#1 and SEC1, in clear and encrypted.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from provisioner.errors import UnusableError
from provisioner.pki import pem
from provisioner.pki.files import read_file

# A sequence that begins with the version number 3: certificates and keys in DER begin otherwise.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83.{3}|\x84.{4})\x02\x01\x03", re.DOTALL)
_FIRST_BYTE_OF_DER = b"\x30"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: certificates in the file's order, and the private key if there is one."""

    certificates: tuple[x509.Certificate, ...]
    key: pem.PrivateKey | None


def read_certificates(path: Path, what: str, password: pem.Password, *, with_key: bool) -> Contents:
    """Return the certificates of a file, and its key where one is there and wanted. Raises ``UnusableError``."""
    content = read_file(path, what)
    if _PKCS12.match(content):
        found = _open_pkcs12(content, path, password)
        if not found.certificates:
            raise UnusableError(f"{path}: expected {what}, found PKCS#12 without certificates; nothing was changed")
        return found
    _require_pem(content, path, what)
    certificates = pem.parse_certificates(content, path, what)
    key = None
    if with_key and pem.holds_private_key(content):
        key = pem.parse_private_key(content, path, f"the private key beside {what}", password)
    return Contents(certificates, key)


def read_key(path: Path, what: str, password: pem.Password) -> pem.PrivateKey:
    """Return the private key of a file. Raises ``UnusableError``."""
    content = read_file(path, what)
    if not _PKCS12.match(content):
        return pem.parse_private_key(content, path, what, password)
    found = _open_pkcs12(content, path, password)
    if found.key is None:
        raise UnusableError(f"{path}: expected {what}, found PKCS#12 without a key; nothing was changed")
    return found.key


def _open_pkcs12(content: bytes, path: Path, password: pem.Password) -> Contents:
    """Return what is in a PKCS#12 file; the password is asked for when neither none nor an empty one opens it."""
    found, reason = _try_pkcs12(content, None)
    if found is None and not pem.names_sm2(reason):
        secret = password()
        if secret is None:
            raise UnusableError(
                f"{path}: this PKCS#12 file can't be opened: it is encrypted and no password is configured, or it is "
                "malformed; nothing was changed",
                hint='set private_key_password = { env = "NAME" } beside certificate',
            )
        found, reason = _try_pkcs12(content, secret.reveal().encode())
    if found is None and pem.names_sm2(reason):
        raise pem.sm2_refused(path, "the private key in this PKCS#12 file")
    if found is None:
        raise UnusableError(
            f"{path}: this PKCS#12 file can't be opened: its password is wrong, or it is malformed or of an unknown "
            "kind; nothing was changed",
            hint=f"openssl pkcs12 -in {path} -noout -info tells whether it opens; export it again, or as PEM",
        )
    return _checked(found, path)


def _checked(found: pkcs12.PKCS12KeyAndCertificates, path: Path) -> Contents:
    listed = ([found.cert] if found.cert else []) + found.additional_certs
    certificates = tuple(item.certificate for item in listed)
    for certificate in certificates:
        pem.require_readable(certificate, path, "a certificate in this PKCS#12 file")
    key = found.key
    if key is None:
        return Contents(certificates, None)
    return Contents(certificates, pem.require_supported(key, path, "the private key in this PKCS#12 file"))


def _try_pkcs12(content: bytes, password: bytes | None) -> tuple[pkcs12.PKCS12KeyAndCertificates | None, str]:
    """Return what opens, or None and the library's reason, which holds no part of key or password."""
    try:
        return pkcs12.load_pkcs12(content, password), ""
    except (*pem.UNREADABLE, UnsupportedAlgorithm) as error:
        return None, str(error)


def _require_pem(content: bytes, path: Path, what: str) -> None:
    """Raise ``UnusableError`` for the other forms in which certificates are sold, with the command that converts."""
    found = convert = ""
    if b"-----BEGIN PKCS7-----" in content:
        found, convert = "PKCS#7", f"openssl pkcs7 -print_certs -in {path} -out {path}.pem"
    elif content[:1] == _FIRST_BYTE_OF_DER:
        found, convert = "binary DER", f"openssl x509 -inform DER -in {path} -out {path}.pem"
    if found:
        raise UnusableError(
            f"{path}: expected {what} in PEM or PKCS#12, found {found}; nothing was changed", hint=convert
        )
