"""The key store: private, whole or not at all, never overwritten, and honest about what lies in it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.model.secret import Secret
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import masked, refusal
from tests.fakes.shelf import Shelf

FILES = {"private-key.pem", "chain.pem", "certificate.pem"}
FILE_HINT = "check the file named above"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Give an empty key store."""
    return Shelf(tmp_path)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mask", [0, 0o077, 0o777])
def test_everything_is_private_whatever_the_umask(shelf: Shelf, mask: int) -> None:
    """Directories have mode 0700 and files 0600, under the laxest and the strictest umask, and nothing else is left."""
    with masked(mask):
        leaf = shelf.issue()

    paths = [shelf.root, *shelf.root.rglob("*")]
    generation = f"keys/iot/{leaf.sha256[:16]}"
    modes = {str(path.relative_to(shelf.folder)): stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert modes == dict.fromkeys(("keys", "keys/iot", generation), 0o700) | {
        f"{generation}/{name}": 0o600 for name in FILES
    }


def test_leaves_come_newest_first(shelf: Shelf) -> None:
    """All leaves of a certificate are listed by their beginning, those of another certificate are not."""
    leaves = [shelf.issue() for _ in range(3)]

    assert (shelf.store.leaves("iot"), shelf.store.leaves("other")) == (tuple(reversed(leaves)), ())


def test_an_empty_store_has_nothing(shelf: Shelf) -> None:
    """Before the first certificate there is no directory, no leaf and no material."""
    got = (shelf.store.leaves("iot"), shelf.store.material("iot", "ab" * 32), shelf.root.exists())

    assert got == ((), None, False)


def test_the_three_files_hold_what_their_names_say(shelf: Shelf) -> None:
    """The certificate is the first of the chain, the chain ends with the CA, and the key is given as it lies."""
    leaf = shelf.issue()
    chain, certificate, key = (
        shelf.at(leaf, name).read_text(encoding="ascii") for name in ("chain.pem", "certificate.pem", "private-key.pem")
    )

    assert chain == certificate + shelf.authority.pem == shelf.store.chain_pem("iot", leaf.sha256)
    assert leaf_of(x509.load_pem_x509_certificate(certificate.encode())) == leaf
    assert shelf.store.private_key_pem("iot", leaf.sha256) == Secret(key)


def test_a_fingerprint_that_begins_alike_is_another_leaf(shelf: Shelf) -> None:
    """A directory is named by a part of the fingerprint; the whole of it decides."""
    leaf = shelf.issue()

    assert shelf.store.material("iot", leaf.sha256[:16] + "0" * 48) is None


def test_a_kept_leaf_is_never_overwritten(shelf: Shelf) -> None:
    """Keeping the same leaf again is refused, and the files stay as they are."""
    leaf = shelf.issue()
    before = content(shelf.root)
    chain, other = shelf.store.chain_pem("iot", leaf.sha256), Secret("another key")

    got = refusal(lambda: shelf.store.save("iot", leaf, chain, other))

    message = f"{shelf.at(leaf)}: exists already and is never overwritten; nothing was changed"
    assert (got, content(shelf.root)) == ((message, FILE_HINT), before)
    assert [path.name for path in (shelf.root / "iot").iterdir()] == [leaf.sha256[:16]]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "-x", "a b", "ü", "x" * 64, "a\n"])
def test_a_name_that_could_leave_the_store_is_refused(shelf: Shelf, name: str) -> None:
    """Only plain names become directories, in every method."""
    leaf = leaf_of(shelf.authority.certificate)
    calls = (
        partial(shelf.store.leaves, name),
        partial(shelf.store.material, name, leaf.sha256),
        partial(shelf.store.chain_pem, name, leaf.sha256),
        partial(shelf.store.private_key_pem, name, leaf.sha256),
        partial(shelf.store.save, name, leaf, shelf.authority.pem, Secret("key")),
    )

    got = [refusal(call) for call in calls]

    message = f"certificate name {name!r} can't name a directory; nothing was changed"
    assert got == [(message, "use letters, digits, hyphens and underscores")] * 5
    assert not shelf.root.exists()


class Interrupting(Secret):
    """A key in whose writing the process is asked to stop."""

    def reveal(self) -> str:
        """Stop."""
        raise KeyboardInterrupt


def test_a_write_that_is_interrupted_leaves_nothing(shelf: Shelf) -> None:
    """Stopping in the middle of a write removes what was begun."""
    leaf = leaf_of(shelf.authority.certificate)

    with pytest.raises(KeyboardInterrupt):
        shelf.store.save("iot", leaf, shelf.authority.pem, Interrupting(""))

    assert (shelf.store.leaves("iot"), list((shelf.root / "iot").iterdir())) == ((), [])


KILLED_BEFORE_THE_LAST_STEP = """
import os, signal, sys
from pathlib import Path
from provisioner.model.secret import Secret
from provisioner.pki import FileKeyStore
from provisioner.pki.reading import leaf_of
from cryptography import x509
chain = Path(sys.argv[2]).read_text()
Path.rename = lambda path, target: os.kill(os.getpid(), signal.SIGKILL)
leaf = leaf_of(x509.load_pem_x509_certificate(chain.encode()))
FileKeyStore(Path(sys.argv[1])).save("iot", leaf, chain, Secret("key"))
"""


def test_leftovers_of_a_killed_write_are_ignored_and_swept(shelf: Shelf) -> None:
    """What a killed run left is nobody's leaf; a day later the next write removes it, and spares a younger one."""
    certificate = shelf.authority.certificate_path
    command = [sys.executable, "-c", KILLED_BEFORE_THE_LAST_STEP, str(shelf.root), str(certificate)]
    killed = subprocess.run(command, check=False, timeout=60)
    (left,) = (shelf.root / "iot").iterdir()
    ignored = shelf.store.leaves("iot")
    assert (killed.returncode, {path.name for path in left.iterdir()}, ignored) == (-signal.SIGKILL, FILES, ())
    young = shutil.copytree(left, left.with_name(".unfinished-young"))

    first = shelf.issue()
    assert (left.is_dir(), young.is_dir()) == (True, True)

    yesterday = young.stat().st_mtime - timedelta(hours=25).total_seconds()
    os.utime(left, (yesterday, yesterday))
    second = shelf.issue()

    assert (left.exists(), young.is_dir(), shelf.store.leaves("iot")) == (False, True, (second, first))


def test_files_of_others_in_the_store_are_let_alone(shelf: Shelf) -> None:
    """Neither a note nor a directory of another name counts as a leaf, and neither is removed."""
    leaf = shelf.issue()
    (shelf.root / "iot" / "README").write_text("mine", encoding="ascii")
    (shelf.root / "iot" / "backup").mkdir()
    os.utime(shelf.root / "iot" / "backup", (0, 0))

    second = shelf.issue()

    assert shelf.store.leaves("iot") == (second, leaf)
    assert {path.name for path in (shelf.root / "iot").iterdir()} >= {"README", "backup"}


def test_a_file_in_the_stores_place_is_told(shelf: Shelf) -> None:
    """A file where the store or the certificate's directory should be is named, and nothing is lost."""
    leaf = leaf_of(shelf.authority.certificate)

    def save() -> object:
        return shelf.store.save("iot", leaf, shelf.authority.pem, Secret("key"))

    shelf.root.write_text("in the way", encoding="ascii")
    no_root = refusal(save)
    shelf.root.unlink()
    shelf.root.mkdir()
    (shelf.root / "iot").write_text("in the way", encoding="ascii")
    no_folder = refusal(save)

    assert (no_root, no_folder) == (
        (
            f"{shelf.root / 'iot'}: can't be made: Not a directory; nothing was changed",
            "check the permissions of the directory above it",
        ),
        (f"{shelf.at(leaf)}: can't be written: Not a directory; nothing was changed", FILE_HINT),
    )
