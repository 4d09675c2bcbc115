"""Certificates and keys: the owner's authority, issuing, reading, and the key store. The only maker of keys."""

from provisioner.pki.authority import Authority
from provisioner.pki.creating import create_authority
from provisioner.pki.issuing import LocalIssuer
from provisioner.pki.key_store import FileKeyStore
from provisioner.pki.reading import DerCertificateReader
from provisioner.pki.verification import LocalDeviceAuthority

__all__ = [
    "Authority",
    "DerCertificateReader",
    "FileKeyStore",
    "LocalDeviceAuthority",
    "LocalIssuer",
    "create_authority",
]
