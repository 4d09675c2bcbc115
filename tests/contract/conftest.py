"""What the suites are run on: records in memory and in a file, an instance pretended and in the sandbox."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pytest

from provisioner.model.event import Event, EventKind
from provisioner.ports import Backoffs, History, Holds, Intents, Leaves, Locks
from provisioner.state import open_state
from tests.contract.place import Place, pretended, sandboxed
from tests.fakes.clock import FakeClock
from tests.fakes.memory import MemoryRecords


class Records(Protocol):
    """Everything that is kept between runs."""

    @property
    def intents(self) -> Intents:
        """What was asked for."""

    @property
    def holds(self) -> Holds:
        """Instances that are left alone."""

    @property
    def history(self) -> History:
        """Past runs."""

    @property
    def leaves(self) -> Leaves:
        """The leaves that were worked with."""

    @property
    def backoffs(self) -> Backoffs:
        """Instances that unattended runs leave alone for a while."""

    @property
    def locks(self) -> Locks:
        """One run per instance at a time."""


@dataclass(frozen=True)
class Kept:
    """Records, the same ones as another process finds them, the clock of both, and the events among them."""

    records: Records
    elsewhere: Records
    clock: FakeClock
    events: Callable[[], list[Event]]


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Return empty records."""
    clock = FakeClock()
    if request.param == "memory":
        memory = MemoryRecords(clock)
        yield Kept(memory, memory, clock, lambda: memory.history.events)
        return
    path = tmp_path / "state" / "provisioner.sqlite"
    with open_state(path, clock) as state, open_state(path, clock) as other:
        yield Kept(state, other, clock, lambda: _events(path))


@pytest.fixture(params=["fake", "sandbox"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return a platinum instance out of the box."""
    if request.param == "fake":
        yield pretended()
        return
    with sandboxed(tmp_path) as place:
        yield place


def _events(path: Path) -> list[Event]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT kind, run, instance, at, message, data FROM events ORDER BY number"
        ).fetchall()
    return [
        Event(EventKind(kind), run, instance, datetime.fromisoformat(at), message, json.loads(data))
        for kind, run, instance, at, message, data in rows
    ]
