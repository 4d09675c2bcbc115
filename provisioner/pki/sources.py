"""Certificates that nobody issues here: purchased ones in files, and hosted ones whose key is elsewhere."""

from provisioner.model.certificate import AuthorityFacts, FilesSpecification, Leaf
from provisioner.model.desired import Wanted
from provisioner.pki.importing import BundleImporter


class FilesIssuer:
    """Implements ``ports.CertificateIssuer`` by taking in the owner's files.

    Args:
        importer: reads the files and keeps what they hold in the key store.
    """

    def __init__(self, importer: BundleImporter) -> None:
        self._importer = importer

    def authority(self) -> AuthorityFacts | None:
        """Return None: somebody else's CA signed it."""
        return None

    def signed(self, certificate_der: bytes) -> bool:  # noqa: ARG002  the port's signature
        """Return False: no authority is configured for it."""
        return False

    def pinned_chain(self) -> tuple[bytes, ...]:
        """Return the certificates that the files hold now in DER, leaf first. Raises ``UnusableError``."""
        return self._importer.chain()

    def issue(self, wanted: Wanted) -> Leaf:
        """Keep what the files hold in the key store and return the leaf. Raises ``UnusableError``."""
        if not isinstance(wanted, FilesSpecification):
            raise TypeError(f"certificate {wanted.name} is not in files")
        return self._importer.keep(wanted.name)


class HostedSource:
    """Implements ``ports.CertificateIssuer`` for certificates that are hosted already: there is nothing to make."""

    def authority(self) -> AuthorityFacts | None:
        """Return None: somebody else's CA signed it."""
        return None

    def signed(self, certificate_der: bytes) -> bool:  # noqa: ARG002  the port's signature
        """Return False: no authority is configured for it."""
        return False

    def pinned_chain(self) -> tuple[bytes, ...]:
        """Return nothing: the service tells what it is."""
        return ()

    def issue(self, wanted: Wanted) -> Leaf:
        """Refuse: no plan for a hosted certificate has such a step."""
        raise TypeError(f"certificate {wanted.name} is hosted already")
