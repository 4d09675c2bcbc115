"""A key store in a folder, with an authority that fills it."""

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.model.certificate import Leaf
from provisioner.model.secret import Secret
from provisioner.pki import FileKeyStore, LocalIssuer
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import Made, good, specification
from tests.fakes.clock import FakeClock


class Shelf:
    """A key store with an authority beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "keys"
        self.authority = good(folder)
        self.clock = FakeClock()
        self.store = FileKeyStore(self.root)

    def issue(self) -> Leaf:
        """Keep a new leaf, a day younger than the one before."""
        self.clock.sleep(timedelta(days=1).total_seconds())
        return LocalIssuer(self.authority.authority(), self.store, self.clock).issue(specification())

    def keep(self, *chain: Made, key: Made | None = None) -> Leaf:
        """Keep a chain, with the key of its first certificate or somebody else's."""
        leaf = leaf_of(chain[0].certificate)
        private = (key or chain[0]).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.store.save("iot", leaf, "".join(made.pem for made in chain), Secret(private))
        return leaf

    def at(self, leaf: Leaf, name: str = "") -> Path:
        """Return where a leaf, or one of its files, lies."""
        return self.store.generation("iot", leaf.sha256) / name

    def problems(self, leaf: Leaf) -> tuple[bool, str, str]:
        """Return what the checks say of a kept leaf."""
        found = self.store.material("iot", leaf.sha256)
        assert found is not None
        return found.key_matches, found.order_problem, found.signature_problem
