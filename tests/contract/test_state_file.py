"""The state as a file: what a database in memory can't show, such as modes, durability, and files that are none."""

import contextlib
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from provisioner.errors import StateError
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.intent import Action, Hold, Intent
from provisioner.state import open_state
from provisioner.state.database import State
from provisioner.state.tables import ADDED_COLUMNS, SCHEMA_VERSION
from tests.fakes.authorities import masked
from tests.fakes.clock import START, FakeClock

STATE = EndpointState(Mode.MUTUAL, "ab" * 32, "1-cn-hangzhou")
INTENT = Intent("prod", "run-1", Action.SWITCH, STATE, EndpointState(Mode.ONE_WAY), START, START)
HOLD = Hold("prod", "run-1", START, "rolled back", "ab" * 32)
HOLDER = """
import sys, time
from pathlib import Path
from provisioner.runs.system_clock import SystemClock
from provisioner.state import open_state
with open_state(Path(sys.argv[1]), SystemClock()) as state, state.locks.hold("prod", "run-1"):
    print("held", flush=True)
    time.sleep(600)
"""
INTERRUPTED = """
import sqlite3, sys
from functools import partial
from pathlib import Path
from provisioner.runs.system_clock import SystemClock
from provisioner.state import open_state
class Interrupted(sqlite3.Connection):
    def close(self):
        super().close()
        raise KeyboardInterrupt
with open_state(Path(sys.argv[1]), SystemClock()) as state:
    sqlite3.dbapi2.connect = partial(sqlite3.connect, factory=Interrupted)
    try:
        state.intents.open("prod")
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the state is to be."""
    return tmp_path / "deep" / "state" / "provisioner.sqlite"


def opened(path: Path, *, create: bool = True) -> State:
    """Return the state in a file."""
    return open_state(path, FakeClock(), create=create)


def refused(action: Callable[[], object]) -> tuple[str, str]:
    """Return message and hint of the error that says that a state can't be used."""
    with pytest.raises(StateError) as caught:
        action()
    return caught.value.message, caught.value.hint


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    """Return what is in a database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def change(path: Path, *statements: str) -> None:
    """Change a database behind everybody's back."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize("mask", [0, 0o077, 0o177])
def test_everything_is_private_whatever_the_umask(path: Path, mask: int) -> None:
    """Directories have mode 0700 and files 0600, the database's own and those of the locks."""
    with masked(mask), opened(path) as state:
        state.intents.save(INTENT)
        with state.locks.hold("prod", "run-1"), state._database.reading():
            made = [path.parent.parent, path.parent, *path.parent.rglob("*")]
            modes = {item.name: (item.is_dir(), stat.S_IMODE(item.stat().st_mode)) for item in made}
    (lock,) = (name for name in modes if name.endswith(".lock"))
    folders = dict.fromkeys(("deep", "state", "locks"), (True, 0o700))
    files = dict.fromkeys((path.name, f"{path.name}-wal", f"{path.name}-shm", lock), (False, 0o600))
    assert modes == folders | files


def test_what_was_there_keeps_its_mode(path: Path) -> None:
    """A directory that the owner made, and opened for others, is the owner's business."""
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o750)
    opened(path).close()
    assert [stat.S_IMODE(item.stat().st_mode) for item in (path.parent, path)] == [0o750, 0o600]


def test_writes_are_durable_and_do_not_block_readers(path: Path) -> None:
    """The journal is written ahead, and each write reaches the disk before it returns."""
    with opened(path) as state, state._database.reading() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        state.intents.save(INTENT)
    assert found == ["wal", 2]


def test_everything_is_there_after_reopening(path: Path) -> None:
    """Another process finds what this one left."""
    with opened(path) as state:
        state.intents.save(INTENT)
        state.holds.put(HOLD)
        state.leaves.distrust("ab" * 32, START)
        state.history.switched("prod", STATE, None, START)
    for create in (True, False):
        with opened(path, create=create) as state:
            found = (state.intents.open("prod"), state.holds.get("prod"), state.history.latest("prod"))
            assert (*found, state.leaves.distrusted("ab" * 32)) == (INTENT, HOLD, (STATE,), True)


def test_an_absent_state_reads_as_empty_and_is_not_made(path: Path) -> None:
    """Looking at a state that isn't there leaves no trace."""
    with opened(path, create=False) as state:
        found = (state.intents.open("prod"), state.holds.get("prod"), state.history.latest("prod"))
        assert (*found, state.backoffs.get("prod"), state.leaves.knows("ab"), state.locks.holder("prod")) == (
            None,
            None,
            (),
            None,
            False,
            None,
        )
    assert not path.parent.parent.exists()


def test_a_killed_holder_is_gone_at_once(path: Path) -> None:
    """Its lock is free, its words are forgotten, and a request to stop it reaches nobody else."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with opened(path) as state:
            held = state.locks.holder("prod")
            state.locks.ask_to_stop("prod", "run-2")
            asked = state.locks.stop_asked("prod", "run-1")
            holder.kill()
            holder.wait()
            assert state.locks.holder("prod") is None
            with state.locks.hold("prod", "run-3"):
                left = [state.locks.stop_asked("prod", run) for run in ("run-1", "run-3")]
    assert held is not None
    assert re.fullmatch(rf"run run-1 \(process {holder.pid}\) since \S+ \S+ UTC", held)
    assert (asked, left) == ("run-2", [None, None])


def test_an_older_schema_is_upgraded_with_what_is_in_it(path: Path) -> None:
    """A state of the first schema gains its columns, keeps its rows, and is a state of this one afterwards."""
    with opened(path) as state:
        state.intents.save(INTENT)
        state.history.switched("prod", STATE, None, START)
    added = [re.fullmatch(r"ALTER TABLE (\w+) ADD COLUMN (\w+) .*", text) for text in chain(*ADDED_COLUMNS.values())]
    drops = [f"ALTER TABLE {found[1]} DROP COLUMN {found[2]}" for found in added if found]
    change(path, *drops, "DROP TABLE leaves", "DROP TABLE backoffs", "PRAGMA user_version = 1")
    with opened(path, create=False) as state:
        assert (state.intents.open("prod"), state.history.latest("prod")) == (INTENT, (STATE,))
        state.leaves.meet("ab" * 32, START)
        assert state.leaves.knows("ab")
    assert ask(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_newer_schema_is_refused(path: Path) -> None:
    """Nothing of a newer release's state is read or written."""
    opened(path).close()
    change(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    expected = (
        f"{path}: written by a newer release (schema 99, this one knows {SCHEMA_VERSION}); nothing was changed",
        "use the newer release of provisioner",
    )
    assert [refused(lambda: opened(path, create=create)) for create in (True, False)] == [expected] * 2  # noqa: B023
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("CREATE TABLE things (id)",), "this is another program's database"),
        (("CREATE TABLE intents (id)",), "this is not a state of provisioner"),
    ],
)
def test_a_database_of_others_is_left_as_it_is(path: Path, statements: tuple[str, ...], words: str) -> None:
    """It is refused by name, and not a byte of it is changed."""
    path.parent.mkdir(parents=True)
    change(path, *statements)
    before = path.read_bytes()
    message, hint = refused(lambda: opened(path))
    assert (message, hint) == (f"{path}: {words}; nothing was changed", "name another file in `state`")
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, *, create: bool) -> None:
    """A text file is refused, and stays what it is."""
    path.parent.mkdir(parents=True)
    path.write_text("not a database, but long enough to look like the header of one" * 9, encoding="ascii")
    before = path.read_bytes()
    assert refused(lambda: opened(path, create=create))[0] == (
        f"{path}: the state can't be used: file is not a database; nothing was changed"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_a_directory_is_no_state(path: Path, *, create: bool) -> None:
    """What is in the way is named."""
    path.mkdir(parents=True)
    message, _ = refused(lambda: opened(path, create=create))
    assert message.startswith(f"{path}: the state can't be ")
    assert message.endswith("; nothing was changed")


def test_a_place_that_can_not_be_made_is_named(path: Path) -> None:
    """A file where the directory should be keeps the state from being made, and keeps its content."""
    path.parent.parent.write_text("in the way", encoding="ascii")
    message, _ = refused(lambda: opened(path))
    assert message == f"{path}: the state can't be opened: not a directory; nothing was changed"
    assert path.parent.parent.read_text(encoding="ascii") == "in the way"


def test_a_state_that_can_not_be_written_any_more_says_so(path: Path) -> None:
    """A write that fails half-way is an error of the state, and what was there before still is."""
    with opened(path) as state:
        state.holds.put(HOLD)
        change(path, "DROP TABLE intents")
        assert refused(lambda: state.intents.save(INTENT))[0] == (
            f"{path}: the state can't be used: no such table: intents"
        )
        assert state.holds.get("prod") == HOLD


def test_a_damaged_table_is_found_before_anything_is_asked_for(path: Path) -> None:
    """A page that is only met after a switch would leave its end unrecorded."""
    with opened(path) as state:
        state.holds.put(HOLD)
    ((page, size),) = ask(path, "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'leaves'")
    assert isinstance(page, int)
    assert isinstance(size, int)
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)
    message, hint = refused(lambda: opened(path))
    assert message.startswith(f"{path}: the state can't be used: database disk image is malformed (")
    assert message.endswith("); nothing was changed")
    assert hint == "restore it from a backup, or move it away: without it the endpoint alone tells how things stand"
    assert path.read_bytes() == content


def test_an_interruption_while_a_connection_is_closed_prints_nothing(path: Path) -> None:
    """What the run says of it is enough."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
