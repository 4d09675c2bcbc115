"""A throw-away client certificate that no device CA has signed."""

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioner.errors import UnusableError

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provisioner control")])
# Clocks differ, and a worker lives for days: a certificate that has expired would be refused for that.
_BEFORE, _AFTER = timedelta(days=1), timedelta(days=30)


def unknown_certificate() -> bytes:
    """Return a self-signed P-256 certificate and its key as one PEM text; it is fit for clients in all else."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(_NAME, _NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM) + private


def load(context: ssl.SSLContext, certificate_and_key: bytes) -> None:
    """Load a certificate and its key; Python's ssl takes them from files only, and this one lives for the load alone.

    Raises ``UnusableError`` where there is neither a file in memory nor a place for one on disk.
    """
    try:
        with _short_lived_file(certificate_and_key) as path:
            context.load_cert_chain(path)
    except OSError as error:
        raise UnusableError(
            "the throw-away certificate of the negative controls can't be loaded; nothing was changed",
            hint=f"check that {tempfile.gettempdir()} can be written",
        ) from error


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create("provisioner-control")
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")


@contextlib.contextmanager
def _on_disk(content: bytes) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp()  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield Path(name)
    finally:
        Path(name).unlink()


def _short_lived_file(content: bytes) -> AbstractContextManager[Path]:
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        return _in_memory(content)
    return _on_disk(content)
