"""Taking purchased material into the key store."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provisioner.errors import UnusableError
from provisioner.model.certificate import Leaf
from provisioner.pki.bundle import Bundle, load_bundle
from provisioner.pki.key_store import FileKeyStore
from provisioner.pki.pem import Password


class BundleImporter:
    """Reads the files of a purchased certificate, and keeps what is in them beside what is issued.

    The files are read anew each time, so that exchanged ones are noticed by a process that runs on.

    Args:
        certificate: PEM or PKCS#12 with the certificate and its chain.
        private_key: file with its key; None when ``certificate`` holds it.
        password: asked for a password when one is needed.
        key_store: where chain and key are kept.
        keep_root: serve the root too where the files hold it.
    """

    def __init__(
        self,
        certificate: Path,
        private_key: Path | None,
        password: Password,
        key_store: FileKeyStore,
        *,
        keep_root: bool,
    ) -> None:
        self._certificate = certificate
        self._private_key = private_key
        self._password = password
        self._key_store = key_store
        self._keep_root = keep_root

    def leaf(self) -> Leaf:
        """Return the certificate in the files; nothing is written. Raises ``UnusableError``."""
        return self._load().leaf

    def chain(self) -> tuple[bytes, ...]:
        """Return the certificates in the files in DER, leaf first; nothing is written. Raises ``UnusableError``."""
        found = x509.load_pem_x509_certificates(self._load().chain_pem.encode())
        return tuple(item.public_bytes(Encoding.DER) for item in found)

    def keep(self, name: str) -> Leaf:
        """Keep chain and key under a certificate's name and return the leaf. Raises ``UnusableError``.

        Idempotent by the leaf: one that is kept already is left as it is, its chain and key included.
        """
        bundle = self._load()
        if not self._kept(name, bundle.leaf):
            self._save(name, bundle)
        return bundle.leaf

    def _load(self) -> Bundle:
        return load_bundle(self._certificate, self._private_key, self._password, keep_root=self._keep_root)

    def _save(self, name: str, bundle: Bundle) -> None:
        try:
            self._key_store.save(name, bundle.leaf, bundle.chain_pem, bundle.private_key)
        except UnusableError:
            # Another process may have kept it in between.
            if not self._kept(name, bundle.leaf):
                raise

    def _kept(self, name: str, leaf: Leaf) -> bool:
        return any(kept.sha256 == leaf.sha256 for kept in self._key_store.leaves(name))
