"""The state is lost, broken or of another release between a kill and the next run."""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from provisioner.model.instance import Status
from provisioner.state.tables import SCHEMA_VERSION
from tests.crash.moments import (
    APPLY,
    QUICK,
    RESUME,
    ROLLBACK,
    SWITCHED,
    UNDONE,
    Requests,
    ended,
    kill_at,
    requests,
    require_end,
)
from tests.fakes.cloud import INSTANCE, Cloud, until

# The tables of the first schema.
FIRST_SCHEMA = """
CREATE TABLE intents (
    instance VARCHAR NOT NULL, run VARCHAR NOT NULL, action VARCHAR NOT NULL, target_mode VARCHAR NOT NULL,
    target_leaf VARCHAR, target_identifier VARCHAR, previous_mode VARCHAR, previous_leaf VARCHAR,
    previous_identifier VARCHAR, requested_at VARCHAR NOT NULL, deadline VARCHAR NOT NULL, attempts INTEGER NOT NULL,
    interrupted BOOLEAN NOT NULL, looked_through BOOLEAN NOT NULL, commanded BOOLEAN NOT NULL, left_out TEXT NOT NULL,
    PRIMARY KEY (instance)
);
CREATE TABLE holds (
    instance VARCHAR NOT NULL, run VARCHAR NOT NULL, since VARCHAR NOT NULL, reason TEXT NOT NULL,
    specification VARCHAR NOT NULL, PRIMARY KEY (instance)
);
CREATE TABLE runs (
    run VARCHAR NOT NULL, instance VARCHAR NOT NULL, command VARCHAR NOT NULL, began VARCHAR NOT NULL, ended VARCHAR,
    outcome VARCHAR, message TEXT, outage_seconds FLOAT, PRIMARY KEY (run, instance)
);
CREATE TABLE events (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, run VARCHAR NOT NULL, instance VARCHAR NOT NULL,
    at VARCHAR NOT NULL, kind VARCHAR NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX ix_events_run ON events (run);
CREATE TABLE endpoints (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, instance VARCHAR NOT NULL, at VARCHAR NOT NULL,
    mode VARCHAR NOT NULL, leaf VARCHAR, identifier VARCHAR, previous_mode VARCHAR, previous_leaf VARCHAR,
    previous_identifier VARCHAR
);
CREATE INDEX ix_endpoints_instance ON endpoints (instance);
CREATE TABLE stop_requests (
    instance VARCHAR NOT NULL, holder VARCHAR NOT NULL, by_run VARCHAR NOT NULL, PRIMARY KEY (instance)
);
PRAGMA user_version = 1;
"""
KEPT = ("intents", "holds", "runs", "events", "endpoints", "stop_requests")


def _database(cloud: Cloud) -> Path:
    return cloud.writer.files.directory / "state" / "provisioner.sqlite"


def _as_the_first_release_wrote_it(path: Path) -> None:
    """Put a database of the first schema in the place of one of the present schema, with the same rows."""
    present = path.with_name("present")
    path.rename(present)
    for more in ("-wal", "-shm"):
        if path.with_name(path.name + more).exists():
            path.with_name(path.name + more).rename(f"{present}{more}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_SCHEMA)
        connection.execute("ATTACH ? AS present", (str(present),))
        for table in KEPT:
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM present.{table}")  # noqa: S608
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")


def test_a_state_that_was_only_begun(cloud: Cloud) -> None:
    """A run that is killed before its first record leaves an empty file, which is as good as none."""
    path = _database(cloud)
    for content in (b"", _empty_database(path)):
        path.write_bytes(content)
        for command in ("status", "plan", "check"):
            assert cloud.run(command, "--json").code == 0
    require_end(cloud, cloud.run(*APPLY, "--json"), 0, "mutual", SWITCHED)


def _empty_database(path: Path) -> bytes:
    """Return a database with nothing in it but the mode of its journal, which is written first."""
    path.parent.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return path.read_bytes()


@pytest.mark.parametrize("lost", ["database", "keys-too"])
def test_a_lost_state_after_the_request_landed(cloud: Cloud, lost: str) -> None:
    """Without a record the wire tells: the certificate is served already, and nothing is asked for."""
    kill_at(cloud, "switch-landed")
    if lost == "database":
        for path in _database(cloud).parent.glob("provisioner.sqlite*"):
            path.unlink()
    else:
        shutil.rmtree(_database(cloud).parent)
    until(lambda: cloud.machine.status == Status.IN_SERVICE)
    require_end(cloud, cloud.run(*APPLY, "--json"), 0, "mutual", SWITCHED)


def test_a_lost_state_of_an_instance_that_is_at_work(cloud: Cloud) -> None:
    """Without a record nothing is asked of an instance that is out of service, and it says when to come back."""
    cloud.sandbox.faults.arm("stuck", instance_id=INSTANCE)
    kill_at(cloud, "switch-landed")
    shutil.rmtree(_database(cloud).parent)
    done = cloud.apply()
    assert (done.code, done.instance["findings"][0]["reason"]) == (3, "not-in-service")
    assert "until the console shows the instance in service" in done.instance["hint"]
    assert requests(cloud) == SWITCHED


def test_a_state_that_cannot_be_read(cloud: Cloud) -> None:
    """Broken, or written by a newer release, it stops every command and stays as it is; mended, it is followed."""
    kill_at(cloud, "switch-landed")
    path = _database(cloud)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = path.read_bytes()
    newer = sound[:60] + (99).to_bytes(4, "big") + sound[64:]
    torn = sound[:4096] + b"\xff" * (len(sound) - 4096)
    for content, words in (
        (newer, f"written by a newer release (schema 99, this one knows {SCHEMA_VERSION}); nothing was changed"),
        (torn, "the state can't be used: database disk image is malformed"),
        (b"\x00" * len(sound), "the state can't be used: file is not a database; nothing was changed"),
    ):
        path.write_bytes(content)
        for command in (APPLY, RESUME, ROLLBACK, ("status",)):
            done = cloud.run(*command)
            told = " ".join(done.err.split())
            assert (done.code, words in told, "Traceback" in told) == (6, True, False), (command, done)
        assert path.read_bytes() == content
    assert requests(cloud) == SWITCHED
    path.write_bytes(sound)
    require_end(cloud, cloud.run(*RESUME, "--json"), 0, "mutual", SWITCHED)


@pytest.mark.parametrize(("command", "mode", "asked"), [(RESUME, "mutual", SWITCHED), (ROLLBACK, "one_way", UNDONE)])
def test_a_state_of_the_first_release(cloud: Cloud, command: tuple[str, ...], mode: str, asked: Requests) -> None:
    """Its tables are brought up to date, and its open request is followed."""
    kill_at(cloud, "switch-down")
    _as_the_first_release_wrote_it(_database(cloud))
    require_end(cloud, cloud.run(*command, "--json"), 0, mode, asked)
    assert cloud.state_rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the platform does not show which files are open")
def test_two_commands_bring_a_state_up_to_date_at_once(cloud: Cloud) -> None:
    """Both have seen the first schema before either could write; one changes the tables, the other finds them so."""
    cloud.configure(waiting=QUICK)
    assert cloud.apply().code == 0
    _as_the_first_release_wrote_it(_database(cloud))
    with contextlib.closing(sqlite3.connect(_database(cloud))) as connection:
        connection.execute("BEGIN IMMEDIATE")
        started = [cloud.start("status", "--json") for _ in range(2)]
        until(lambda: all(_has_open(process.pid, _database(cloud)) for process in started))
        time.sleep(0.5)  # from looking at the version to waiting for the lock
        connection.rollback()
    assert [(done.code, done.err) for done in map(ended, started)] == [(0, ""), (0, "")]


def _has_open(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            names.append(str(link.readlink()))
    return str(path) in names
