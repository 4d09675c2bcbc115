"""The key store: issued keys and certificates as files of their owner.

Layout: ``<root>/<certificate name>/<first 16 hex of the leaf's SHA-256>/`` with ``certificate.pem``, ``chain.pem`` and
``private-key.pem``. A generation appears whole, by renaming its directory, or not at all.
"""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.errors import UnusableError
from provisioner.model.certificate import Leaf, Material, MaterialFiles
from provisioner.model.secret import Secret
from provisioner.pki import pem
from provisioner.pki.chains import order_problem, signature_problem
from provisioner.pki.files import (
    PRIVATE_DIRECTORY,
    exists,
    names_in,
    private_directory,
    require_private,
    sync_directory,
    write_private,
)
from provisioner.pki.reading import leaf_of

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_GENERATION = re.compile(r"[0-9a-f]{16}")
_CHAIN, _KEY = "chain.pem", "private-key.pem"
_LEAF_ALONE = "it holds the leaf alone, expected its CA below it"
_UNFINISHED = ".unfinished-"
_ABANDONED_AFTER_SECONDS = 24 * 3600


class FileKeyStore:
    """Implements ``ports.KeyStore``.

    Args:
        root: the directory; it is made when the first certificate is kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def leaves(self, certificate_name: str) -> tuple[Leaf, ...]:
        """Return the leaves kept under this certificate's name, newest first. Raises ``UnusableError``."""
        folder = self._folder(certificate_name)
        names = [name for name in names_in(folder) if _GENERATION.fullmatch(name)]
        found = [self._leaf(folder / name) for name in names]
        return tuple(sorted(found, key=lambda leaf: (leaf.not_before, leaf.sha256), reverse=True))

    def material(self, certificate_name: str, sha256: str) -> Material | None:
        """Return the checked chain and key of one leaf, None when it isn't here. Raises ``UnusableError``."""
        folder = self.generation(certificate_name, sha256)
        if not exists(folder):
            return None
        chain = self._chain(folder)
        leaf = leaf_of(chain[0])
        if leaf.sha256 != sha256:
            return None
        return Material(
            leaf=leaf,
            chain=tuple(leaf_of(item) for item in chain[1:]),
            key_matches=pem.same_key(chain[0], self._key(folder)),
            order_problem=order_problem(chain) if chain[1:] else _LEAF_ALONE,
            signature_problem=signature_problem(chain),
        )

    def chain_pem(self, certificate_name: str, sha256: str) -> str:
        """Return the chain as PEM: leaf, then CA certificates. Raises ``UnusableError``."""
        return pem.as_pem(self._chain(self.generation(certificate_name, sha256)))

    def private_key_pem(self, certificate_name: str, sha256: str) -> Secret:
        """Return the key as unencrypted PKCS#8 PEM. Raises ``UnusableError``."""
        key = self._key(self.generation(certificate_name, sha256))
        return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())

    def files(self, certificate_name: str, sha256: str) -> MaterialFiles:
        """Return the files of one leaf. Raises ``UnusableError`` when they aren't here, or the key isn't private."""
        folder = self.generation(certificate_name, sha256)
        found = MaterialFiles(folder / _CHAIN, folder / _KEY)
        if leaf_of(self._chain(folder)[0]).sha256 != sha256:
            raise UnusableError(f"{found.chain}: it begins with another leaf than {sha256[:16]}; nothing was changed")
        require_private(found.private_key)
        return found

    def generation(self, certificate_name: str, sha256: str) -> Path:
        """Return the directory of one leaf, whether or not it is there."""
        return self._folder(certificate_name) / sha256[:16]

    def save(self, certificate_name: str, leaf: Leaf, chain_pem: str, private_key: Secret) -> Path:
        """Keep a new certificate with its key and return its directory.

        Raises:
            UnusableError: it is kept already, or can't be written; nothing was changed.
        """
        folder = self._folder(certificate_name)
        private_directory(folder)
        final = folder / leaf.sha256[:16]
        try:
            self._write(final, chain_pem, private_key)
        except OSError as error:
            raise UnusableError(f"{final}: can't be written: {error.strerror}; nothing was changed") from error
        sync_directory(folder)
        return final

    def _write(self, final: Path, chain_pem: str, private_key: Secret) -> None:
        certificate = chain_pem[: chain_pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
        unfinished = Path(tempfile.mkdtemp(dir=final.parent, prefix=_UNFINISHED))
        try:
            unfinished.chmod(PRIVATE_DIRECTORY)
            self._sweep(final.parent, unfinished.stat().st_mtime)
            write_private(unfinished / _KEY, private_key.reveal().encode())
            write_private(unfinished / _CHAIN, chain_pem.encode())
            write_private(unfinished / "certificate.pem", certificate.encode())
            if final.exists():
                raise UnusableError(f"{final}: exists already and is never overwritten; nothing was changed")
            unfinished.rename(final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _folder(self, certificate_name: str) -> Path:
        if not _SAFE_NAME.fullmatch(certificate_name):
            raise UnusableError(
                f"certificate name {certificate_name!r} can't name a directory; nothing was changed",
                hint="use letters, digits, hyphens and underscores",
            )
        return self._root / certificate_name

    def _leaf(self, folder: Path) -> Leaf:
        leaf = leaf_of(self._chain(folder)[0])
        if leaf.sha256[:16] != folder.name:
            raise UnusableError(
                f"{folder}: its chain begins with leaf {leaf.sha256[:16]}, expected {folder.name}; nothing was changed",
                hint=f"move {folder} out of the key store and run the command again",
            )
        return leaf

    @staticmethod
    def _chain(folder: Path) -> tuple[x509.Certificate, ...]:
        return pem.certificates(folder / _CHAIN, "a certificate chain")

    @staticmethod
    def _key(folder: Path) -> pem.PrivateKey:
        path = folder / _KEY
        require_private(path)
        return pem.private_key(path, "a private key", lambda: None)

    @staticmethod
    def _sweep(folder: Path, now: float) -> None:
        """Remove what killed runs left behind; a running writer of another process is spared by age."""
        for item in folder.glob(f"{_UNFINISHED}*"):
            # A running writer may finish in between.
            with contextlib.suppress(FileNotFoundError):
                if now - item.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                    shutil.rmtree(item, ignore_errors=True)
