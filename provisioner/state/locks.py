"""One run per instance at a time, and asking a run to stop."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from provisioner.errors import BusyError, StateError
from provisioner.ports import Clock
from provisioner.state import tables
from provisioner.state.file_lock import FileLock
from provisioner.state.records import Transactions

_POLL_SECONDS = 0.2


class FileLocks:
    """Implements ``ports.Locks`` with a file per instance beside the database; a killed process's lock is free at once.

    Args:
        directory: where the files lie.
        database: keeps requests to stop.
        clock: time for waiting.
    """

    def __init__(self, directory: Path, database: Transactions, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock

    @contextmanager
    def hold(self, instance: str, run: str, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the instance for a ``with`` block. Raises ``BusyError`` if another run has it for ``wait`` seconds."""
        lock = self._lock(instance)
        note = json.dumps({"run": run, "pid": os.getpid(), "since": f"{self._clock.now():%Y-%m-%d %H:%M:%S} UTC"})
        end = self._clock.monotonic() + wait
        while not self._try(lock, note):
            if self._clock.monotonic() >= end:
                raise BusyError(
                    f"{instance}: held by {self._holder(lock)}; nothing was changed", hint=_next(instance, wait)
                )
            self._clock.sleep(_POLL_SECONDS)
        try:
            self._forget_stop_request(instance, run)
            yield
        finally:
            lock.release()

    def ask_to_stop(self, instance: str, by_run: str) -> None:
        """Ask the run that holds the instance to stop at its next look."""
        holder = _noted(self._lock(instance)).get("run")
        if not holder:
            return
        values = {"instance": instance, "holder": str(holder), "by_run": by_run}
        with self._database.writing() as connection:
            statement = insert(tables.stop_requests).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=["instance"], set_=values))

    def stop_asked(self, instance: str, run: str) -> str | None:
        """Return the run that asks ``run`` to stop, None when nobody does."""
        table = tables.stop_requests
        query = select(table.c.by_run).where(table.c.instance == instance, table.c.holder == run)
        with self._database.reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else str(found)

    def holder(self, instance: str) -> str | None:
        """Return who holds the instance, in words, None when nobody does."""
        if not self._directory.is_dir():
            return None
        lock = self._lock(instance)
        if not lock.note():
            return None
        if self._try(lock, ""):
            lock.release()
            return None
        return self._holder(lock)

    def _try(self, lock: FileLock, note: str) -> bool:
        try:
            return lock.try_acquire(note)
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise StateError(f"{self._directory}: its locks can't be used: {reason}; nothing was changed") from error

    def _forget_stop_request(self, instance: str, run: str) -> None:
        """Forget what earlier holders were asked; this one may have been asked since its note can be read."""
        table = tables.stop_requests
        with self._database.writing() as connection:
            connection.execute(delete(table).where(table.c.instance == instance, table.c.holder != run))

    def _lock(self, instance: str) -> FileLock:
        try:
            if not self._directory.is_dir():
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._directory.chmod(0o700)
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise StateError(f"{self._directory}: can't be made: {reason}; nothing was changed") from error
        safe = re.sub(r"[^A-Za-z0-9_-]", "_", instance)
        digest = hashlib.sha256(instance.encode()).hexdigest()[:8]
        return FileLock(self._directory / f"{safe}-{digest}.lock")

    @staticmethod
    def _holder(lock: FileLock) -> str:
        noted = _noted(lock)
        if not noted:
            return "another run"
        return f"run {noted.get('run')} (process {noted.get('pid')}) since {noted.get('since')}"


def _next(instance: str, waited: float) -> str:
    """Return what to do about a run that holds the instance; one that was waited for stops at no look of its own."""
    if waited:
        return f"answer or end that run, which did not stop when asked, then: provisioner rollback {instance}"
    return f"wait for the other run to end, or take over with: provisioner rollback {instance}"


def _noted(lock: FileLock) -> dict[str, object]:
    try:
        found = json.loads(lock.note())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
