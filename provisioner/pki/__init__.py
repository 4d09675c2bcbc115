"""Certificates and keys: the authority, issuing, purchased files, reading, the key store. The only maker of keys."""

from provisioner.pki.authority import Authority
from provisioner.pki.bundle import Bundle, load_bundle
from provisioner.pki.creating import create_authority
from provisioner.pki.importing import BundleImporter
from provisioner.pki.issuing import LocalIssuer
from provisioner.pki.key_store import FileKeyStore
from provisioner.pki.reading import DerCertificateReader
from provisioner.pki.sources import FilesIssuer, HostedSource
from provisioner.pki.verification import LocalDeviceAuthority

__all__ = [
    "Authority",
    "Bundle",
    "BundleImporter",
    "DerCertificateReader",
    "FileKeyStore",
    "FilesIssuer",
    "HostedSource",
    "LocalDeviceAuthority",
    "LocalIssuer",
    "create_authority",
    "load_bundle",
]
