"""State, keys and files that can't be read or written: nothing is begun, and nobody else's file is touched."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.conftest import Cloud
from tests.e2e.untouched import refused_clearly, untouched

# The process's files can't grow, and root heeds permissions like anybody else.
NO_SPACE = ("prlimit", "--fsize=0:0")
NO_PRIVILEGE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def _run_bare(cloud: Cloud, *arguments: str, under: Sequence[str], told: bool = True) -> tuple[int, str]:
    """Return exit code and stderr of a command line under a command that takes something from its process."""
    command = [*under, sys.executable, "-m", "provisioner", "--config", str(cloud.configuration), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert ("Traceback" in done.stderr, "Next: " in done.stderr) == (False, told), done.stderr
    return done.returncode, done.stderr


@pytest.mark.prlimit
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("command", [("apply", "--yes"), ("issue", "iot"), ("rollback", "prod", "--to", "one-way")])
def test_a_disk_that_takes_no_more(cloud: Cloud, command: tuple[str, ...]) -> None:
    """When no file can be written, nothing is begun."""
    with untouched(cloud):
        code, err = _run_bare(cloud, *command, under=NO_SPACE)
    assert (code, "nothing was changed" in err) == (5 if command[0] == "issue" else 6, True), err
    assert not list((cloud.writer.files.directory / "state").rglob("*.pem"))


@pytest.mark.setpriv
@pytest.mark.parametrize("command", [("apply", "--yes"), ("rollback", "prod", "--to", "one-way", "--yes"), ("resume",)])
@pytest.mark.parametrize("used", [False, True])
def test_a_state_directory_that_is_read_only(cloud: Cloud, command: tuple[str, ...], *, used: bool) -> None:
    """Without a place for the intent nothing is asked for, whether or not there was a state before."""
    state = cloud.writer.files.directory / "state"
    if used:
        assert cloud.run("apply", "--digest", "00", "--yes").code == 3
    state.mkdir(exist_ok=True)
    (state / "locks").mkdir(exist_ok=True)
    closed = [*state.rglob("*"), state]
    with untouched(cloud):
        for path in closed:
            path.chmod(0o500 if path.is_dir() else 0o400)
        try:
            code, err = _run_bare(cloud, *command, under=NO_PRIVILEGE)
        finally:
            for path in reversed(closed):
                path.chmod(0o700 if path.is_dir() else 0o600)
    assert (code, "nothing was changed" in err) == (6, True), err
    assert "Next: check the path in `state`, its permissions, and the free space" in err


@pytest.mark.setpriv
def test_a_key_store_that_is_read_only(cloud: Cloud) -> None:
    """Without a place for the key nothing is issued, and nothing is uploaded."""
    keys = cloud.writer.files.directory / "state" / "keys"
    keys.mkdir(parents=True, mode=0o500)
    keys.chmod(0o500)
    with untouched(cloud):
        code, err = _run_bare(cloud, "apply", "--yes", under=NO_PRIVILEGE)
    keys.chmod(0o700)
    assert (code, "can't be made: Permission denied; nothing was changed" in err) == (5, True), err


@pytest.mark.setpriv
@pytest.mark.parametrize("closed", ["state/keys", "state/keys/iot"])
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("issue", "iot")])
def test_a_key_store_of_another_user(cloud: Cloud, closed: str, command: tuple[str, ...]) -> None:
    """Where what is kept can't be looked at nothing is issued beside it, and the directory is told by name."""
    assert cloud.run("issue", "iot").code == 0
    directory = cloud.writer.files.directory / closed
    directory.chmod(0)
    with untouched(cloud):
        code, err = _run_bare(cloud, *command, under=NO_PRIVILEGE)
    directory.chmod(0o700)
    assert (code, "Permission denied; nothing was changed" in err, str(directory) in err) == (5, True, True), err


@pytest.mark.setpriv
def test_files_that_this_user_may_not_read(cloud: Cloud) -> None:
    """Configuration, CA key and secrets that belong to another user are told by name."""
    root = cloud.writer.files.directory
    for path, code, words in (
        (root / "secrets" / "access-key-secret", 2, "can't be read: Permission denied; nothing was changed"),
        (root / "ca" / "ca.key", 5, "the CA's private key can't be read: Permission denied; nothing was changed"),
        (cloud.configuration, 2, "is not readable; nothing was changed"),
    ):
        path.chmod(0)
        with untouched(cloud):
            got, err = _run_bare(cloud, "apply", "--yes", under=NO_PRIVILEGE)
        path.chmod(0o600)
        assert (got, words in err, str(path) in err) == (code, True, True), err


@pytest.mark.setpriv
@pytest.mark.parametrize("command", [("status",), ("plan",), ("check",)])
def test_reading_needs_no_place_to_write(cloud: Cloud, command: tuple[str, ...]) -> None:
    """Before the first run there is no state, and reading commands make none, wherever they may write."""
    root = cloud.writer.files.directory
    root.chmod(0o500)
    with untouched(cloud):
        code, err = _run_bare(cloud, *command, under=NO_PRIVILEGE, told=False)
    root.chmod(0o700)
    assert (code, err, (root / "state").exists()) == (0, "", False)


def _another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.commit()


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE intents (instance TEXT)")
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.commit()


def _text(path: Path) -> None:
    path.write_text("a list of things to buy\n" * 99, encoding="ascii")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_another_program, "this is another program's database; nothing was changed"),
        (_newer, "written by a newer release (schema 99, this one knows "),
        (_text, "the state can't be used: file is not a database; nothing was changed"),
    ],
)
@pytest.mark.parametrize("command", [("apply", "--yes"), ("status",), ("rollback", "prod", "--yes")])
def test_a_state_that_is_something_else(
    cloud: Cloud, make: Callable[[Path], None], words: str, command: tuple[str, ...]
) -> None:
    """Whatever lies where the state should be is left byte by byte as it is."""
    path = cloud.writer.files.directory / "other"
    make(path)
    before = path.read_bytes()
    cloud.edit("sqlite:///state/provisioner.sqlite", "sqlite:///other")
    refused_clearly(cloud.run(*command), 6, f"{path}: ", words)
    assert (path.read_bytes(), cloud.actions(), cloud.machine.restarts) == (before, [], 0)


def test_a_directory_in_the_place_of_the_state(cloud: Cloud) -> None:
    """It is told as such."""
    cloud.edit("sqlite:///state/provisioner.sqlite", "sqlite:///ca")
    with untouched(cloud):
        done = cloud.run("apply", "--yes")
    refused_clearly(done, 6, "the state can't be opened: is a directory; nothing was changed")
