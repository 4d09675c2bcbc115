"""What a run that must change nothing could have changed, and what its message has to be like."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e.conftest import Cloud, Done

_KEPT = ("ca", "device", "secrets", "state/keys")
_TABLES = ("intents", "holds")


@contextmanager
def untouched(cloud: Cloud) -> Iterator[None]:
    """Hold that a block uploads nothing, switches nothing, and leaves keys, intents and holds as they were."""
    before = _picture(cloud)
    yield
    assert _picture(cloud) == before


def refused_clearly(done: Done, code: int, *words: str) -> None:
    """Hold that a command ended with this code and one message: words, a next step, no traceback, nothing else."""
    assert (done.code, [word for word in words if word not in done.err], done.out) == (code, [], "")
    assert "Next: " in done.err
    assert "Traceback" not in done.err
    assert "a bug in provisioner" not in done.err


def _picture(cloud: Cloud) -> object:
    root = cloud.writer.files.directory
    files = [path for folder in _KEPT for path in sorted((root / folder).rglob("*")) if path.is_file()]
    hosted = cloud.actions().count("UploadUserCertificate"), cloud.actions().count("DeleteUserCertificate")
    switched = [machine.restarts for machine in map(cloud.sandbox.machine, _instances(cloud))]
    return hosted, switched, [_file(path) for path in files], _rows(root / "state" / "provisioner.sqlite")


def _instances(cloud: Cloud) -> list[str]:
    return [item.id for item in cloud.sandbox.instances]


def _file(path: Path) -> tuple[str, int, str]:
    content = path.read_bytes() if os.access(path, os.R_OK) else b""
    return str(path), path.stat().st_mode, hashlib.sha256(content).hexdigest()


def _rows(database: Path) -> list[object]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        there = [name for name in _TABLES if name in made]
        return [row for name in there for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608  fixed names
