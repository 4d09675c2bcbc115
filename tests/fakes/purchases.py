"""Purchased certificates: what a CA sells, as files in the forms in which it is sold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import AuthorityInformationAccessOID

from provisioner.model.secret import Secret
from provisioner.pki import Bundle, load_bundle
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import Extension, Key, Made, good, make, write_key

NAMED: Extension = (x509.SubjectAlternativeName([x509.DNSName("mqtt.example.com")]), False)
ISSUER_URL = "http://ca.example.com/middle.crt"
FETCHED: Extension = (
    x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(ISSUER_URL))]
    ),
    False,
)


@dataclass(frozen=True)
class Purchase:
    """A server's certificate, the CAs above it, and a folder for files."""

    folder: Path
    leaf: Made
    middle: Made
    root: Made

    @property
    def chain(self) -> tuple[Made, Made, Made]:
        """The certificates from leaf to root."""
        return self.leaf, self.middle, self.root

    @property
    def path(self) -> Path:
        """The file of certificates."""
        return self.folder / "server"

    @property
    def key_path(self) -> Path:
        """The file of the key."""
        return self.folder / "server.key"

    def sell(self, *certificates: Made, key: Key | None = None) -> "Purchase":
        """Write certificates as PEM, and the leaf's key, or another one, beside them."""
        self.path.write_text("".join(made.pem for made in certificates), encoding="ascii")
        write_key(self.key_path, key or self.leaf.key)
        return self

    def sell_pkcs12(
        self, certificates: Sequence[Made], lock: KeySerializationEncryption, *, key: Key | None = None
    ) -> "Purchase":
        """Write certificates and the leaf's key, or another one, as PKCS#12."""
        first, *others = (made.certificate for made in certificates)
        content = pkcs12.serialize_key_and_certificates(b"server", key or self.leaf.key, first, others, lock)
        self.path.write_bytes(content)
        return self

    def load(self, *, keep_root: bool = True, password: str | None = None) -> Bundle:
        """Read the file of certificates and, where there is one, the file of the key."""
        key_path = self.key_path if self.key_path.exists() else None
        return load_bundle(self.path, key_path, lambda: Secret(password) if password else None, keep_root=keep_root)

    def expected(self, *chain: Made) -> Bundle:
        """Return the leaf with a chain and its key in the one form."""
        private = self.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Bundle(leaf_of(self.leaf.certificate), "".join(made.pem for made in chain), Secret(private.decode()))


def purchase(folder: Path, *extensions: Extension, key: Key | None = None) -> Purchase:
    """Return what an intermediate CA sold."""
    root = good(folder, "root")
    middle = good(folder, "middle", issuer=root)
    return Purchase(folder, make(folder, "leaf", NAMED, *extensions, issuer=middle, key=key), middle, root)


def locked(password: bytes = b"right") -> KeySerializationEncryption:
    """Return what encrypts a file with a password, quickly."""
    builder = PrivateFormat.PKCS12.encryption_builder()
    return builder.kdf_rounds(1).build(password)


def best(password: bytes = b"right") -> KeySerializationEncryption:
    """Return what encrypts a file with a password as well as the library can."""
    return BestAvailableEncryption(password)
