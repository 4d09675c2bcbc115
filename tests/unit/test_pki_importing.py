"""Purchased material in the key store: kept once, beside what is issued, whole."""

import stat
from functools import partial
from pathlib import Path

import pytest

from provisioner.model.certificate import Leaf, Material, MaterialFiles
from provisioner.model.secret import Secret
from provisioner.pki import BundleImporter, FileKeyStore
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import make, refusal, write_key
from tests.fakes.purchases import NAMED, Purchase, purchase
from tests.fakes.shelf import Shelf


@pytest.fixture
def bought(tmp_path: Path) -> Purchase:
    """Give a purchase with its key encrypted."""
    found = purchase(tmp_path)
    found.sell(*reversed(found.chain))
    write_key(found.key_path, found.leaf.key, b"right")
    return found


def importer(bought: Purchase, store: FileKeyStore, *, keep_root: bool = False) -> BundleImporter:
    """Return an importer of the files of a purchase."""
    return BundleImporter(bought.path, bought.key_path, lambda: Secret("right"), store, keep_root=keep_root)


def test_looking_at_the_leaf_keeps_nothing(bought: Purchase) -> None:
    """The leaf of the files is told without touching the key store."""
    store = FileKeyStore(bought.folder / "keys")

    got = importer(bought, store).leaf()

    assert (got, (bought.folder / "keys").exists()) == (leaf_of(bought.leaf.certificate), False)


def test_what_is_kept_is_what_was_sold(bought: Purchase) -> None:
    """Chain and key lie in the key store as if they had been issued, in order and in clear, readable by their owner."""
    store = FileKeyStore(bought.folder / "keys")

    leaf = importer(bought, store).keep("iot")

    expected = bought.expected(bought.leaf, bought.middle)
    files = store.files("iot", leaf.sha256)
    middle = leaf_of(bought.middle.certificate)
    assert (leaf, store.leaves("iot")) == (expected.leaf, (leaf,))
    assert store.material("iot", leaf.sha256) == Material(leaf, (middle,), True, "", "")  # noqa: FBT003  field by field
    assert (store.chain_pem("iot", leaf.sha256), store.private_key_pem("iot", leaf.sha256)) == (
        expected.chain_pem,
        expected.private_key,
    )
    assert [stat.S_IMODE(path.stat().st_mode) for path in (files.chain, files.private_key)] == [0o600, 0o600]


def test_keeping_again_changes_nothing(bought: Purchase) -> None:
    """A leaf that is kept is left as it is, even where its files would now give another chain."""
    store = FileKeyStore(bought.folder / "keys")
    first = importer(bought, store).keep("iot")
    before = store.files("iot", first.sha256).chain.stat()

    second = importer(bought, store, keep_root=True).keep("iot")

    after = store.files("iot", first.sha256).chain.stat()
    assert (second, store.leaves("iot"), after.st_ino, after.st_mtime_ns) == (
        first,
        (first,),
        before.st_ino,
        before.st_mtime_ns,
    )


def test_exchanged_files_make_another_generation(bought: Purchase) -> None:
    """One importer sees that its files were exchanged, and keeps the new leaf beside the old one."""
    store = FileKeyStore(bought.folder / "keys")
    running = importer(bought, store)
    old = running.keep("iot")
    renewed = make(bought.folder, "renewed", NAMED, issuer=bought.middle)
    Purchase(bought.folder, renewed, bought.middle, bought.root).sell(renewed, bought.middle)

    new = running.keep("iot")

    assert (new, {*store.leaves("iot")}) == (leaf_of(renewed.certificate), {old, new})


def test_files_that_cannot_be_used_keep_nothing(bought: Purchase) -> None:
    """A refusal leaves the key store as it was."""
    bought.sell(bought.leaf)
    store = FileKeyStore(bought.folder / "keys")
    message = f"{bought.path}: missing intermediate CN=middle, which signed CN=leaf; nothing was changed"

    got = [refusal(call)[0] for call in (importer(bought, store).leaf, lambda: importer(bought, store).keep("iot"))]

    assert (got, (bought.folder / "keys").exists()) == ([message] * 2, False)


class Rivalled(FileKeyStore):
    """A key store in which another process keeps the same leaf just before this one does."""

    def save(self, certificate_name: str, leaf: Leaf, chain_pem: str, private_key: Secret) -> Path:
        """Keep twice."""
        super().save(certificate_name, leaf, chain_pem, private_key)
        return super().save(certificate_name, leaf, chain_pem, private_key)


def test_two_processes_may_keep_the_same_leaf(bought: Purchase) -> None:
    """The one that comes second finds what it wanted to keep."""
    store = Rivalled(bought.folder / "keys")

    leaf = importer(bought, store).keep("iot")

    assert store.leaves("iot") == (leaf,)


def test_a_store_that_cannot_be_written_is_told(bought: Purchase) -> None:
    """A refusal of the key store that isn't about the same leaf is passed on."""
    (bought.folder / "keys").write_text("in the way", encoding="ascii")

    got = refusal(lambda: importer(bought, FileKeyStore(bought.folder / "keys")).keep("iot"))

    folder = bought.folder / "keys" / "iot"
    assert got[0] == f"{folder}: can't be made: Not a directory; nothing was changed"


def test_the_files_of_a_kept_leaf_are_the_key_stores_own(tmp_path: Path) -> None:
    """A server loads what is kept, and no copy of it."""
    shelf = Shelf(tmp_path)
    leaf = shelf.issue()

    assert shelf.store.files("iot", leaf.sha256) == MaterialFiles(
        shelf.at(leaf, "chain.pem"), shelf.at(leaf, "private-key.pem")
    )


def test_files_that_are_not_the_leafs_are_refused(tmp_path: Path) -> None:
    """A leaf that isn't here, one that begins alike, and a key that others may read are all told."""
    shelf = Shelf(tmp_path)
    leaf = shelf.issue()
    alike = leaf.sha256[:16] + "0" * 48
    gone, other = (refusal(partial(shelf.store.files, "iot", sha256)) for sha256 in ("ab" * 32, alike))
    shelf.at(leaf, "private-key.pem").chmod(0o644)
    shown = refusal(lambda: shelf.store.files("iot", leaf.sha256))

    chain, missing = shelf.at(leaf, "chain.pem"), shelf.root / "iot" / ("ab" * 8) / "chain.pem"
    key = shelf.at(leaf, "private-key.pem")
    assert [item[0] for item in (gone, other, shown)] == [
        f"{missing}: a certificate chain can't be read: No such file or directory; nothing was changed",
        f"{chain}: it begins with another leaf than {alike[:16]}; nothing was changed",
        f"{key}: mode 0644 lets others read a private key, expected 0600; nothing was changed",
    ]
