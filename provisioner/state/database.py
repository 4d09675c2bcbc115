"""The SQLite file: opening it, and one place where its errors become ours."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from provisioner.errors import StateError
from provisioner.ports import Clock
from provisioner.state import tables
from provisioner.state.caution import SqlBackoffs, SqlLeaves
from provisioner.state.history import SqlHistory
from provisioner.state.locks import FileLocks
from provisioner.state.records import SqlHolds, SqlIntents
from provisioner.state.tables import ADDED_COLUMNS, SCHEMA_VERSION, metadata

# The pool would print a traceback when a signal ends the run while a connection is closed.
logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())

_BUSY_SECONDS = 30
_NOWHERE = URL.create("sqlite", database=":memory:")


class Database:
    """A SQLite database with durable writes: WAL, ``synchronous=FULL``, and locks taken when a write begins."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._absent = not create and not path.exists()
        if create:
            self._make_file()
        self._engine = _engine(_NOWHERE if self._absent else URL.create("sqlite", database=str(path)))
        self._keeper: Connection | None = None
        try:
            self._prepare(create=create or self._absent)
        except StateError as error:
            self.close()
            if "nothing was changed" not in error.message:
                error.message += "; nothing was changed"
            raise
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for reading. Raises ``StateError``."""
        with self._translated(), self._connection() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are durable when the block ends. Raises ``StateError``."""
        with self._translated(), self._connection() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def close(self) -> None:
        """Close the database."""
        if self._keeper is not None:
            self._keeper.close()
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if self._keeper is not None:
            yield self._keeper
            return
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        problem = ""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            problem = str(getattr(error, "orig", None) or error).splitlines()[0]
        if problem:
            raise StateError(f"{self._path}: the state can't be used: {problem}")

    def _make_file(self) -> None:
        directory = self._path.parent
        try:
            for missing in reversed([item for item in (directory, *directory.parents) if not item.exists()]):
                missing.mkdir(mode=0o700, exist_ok=True)
                missing.chmod(0o700)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            if self._path.stat().st_size == 0:
                self._path.chmod(0o600)
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise StateError(f"{self._path}: the state can't be opened: {reason}; nothing was changed") from error

    def _prepare(self, *, create: bool) -> None:
        if self._absent:
            self._keeper = self._engine.connect()
        with self.reading() as connection:
            found = _version(connection)
            names = inspect(connection).get_table_names()
            empty = not names
        if names and tables.intents.name not in names:
            raise StateError(
                f"{self._path}: this is another program's database; nothing was changed",
                hint="name another file in `state`",
            )
        if found > SCHEMA_VERSION:
            raise StateError(
                f"{self._path}: written by a newer release (schema {found}, this one knows {SCHEMA_VERSION}); "
                "nothing was changed",
                hint="use the newer release of provisioner",
            )
        if (empty and create) or 0 < found < SCHEMA_VERSION:
            with self.writing() as connection:
                self._add_columns(connection, 0 if empty else _version(connection))  # another run may have been first
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif empty:  # another run is making it, or was killed before its first record
            self._absent = True
            self._engine.dispose()
            self._engine = _engine(_NOWHERE)
            self._prepare(create=True)
        elif found != SCHEMA_VERSION:
            raise StateError(
                f"{self._path}: this is not a state of provisioner; nothing was changed",
                hint="name another file in `state`",
            )
        elif create:
            self._require_sound()

    def _require_sound(self) -> None:
        """Raise ``StateError`` for a damaged file before anything is requested that could not be recorded then."""
        with self.reading() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if found != "ok":
            raise StateError(
                f"{self._path}: the state can't be used: database disk image is malformed "
                f"({found.splitlines()[-1]}); nothing was changed",
                hint="restore it from a backup, or move it away: without it the endpoint alone tells how things stand",
            )

    @staticmethod
    def _add_columns(connection: Connection, found: int) -> None:
        """Add what later versions of the schema added to the tables of an older one; a new file has no tables yet."""
        for version in range(found + 1, SCHEMA_VERSION + 1) if found else ():
            for statement in ADDED_COLUMNS[version]:
                connection.exec_driver_sql(statement)


class State:
    """Everything that is kept between runs.

    Attributes:
        intents: what was asked for.
        holds: instances that are left alone.
        history: past runs.
        leaves: the leaves that were worked with.
        backoffs: instances that unattended runs leave alone for a while.
        locks: one run per instance at a time.
    """

    def __init__(self, path: Path, clock: Clock, *, create: bool) -> None:
        self._database = Database(path, create=create)
        self.intents = SqlIntents(self._database)
        self.holds = SqlHolds(self._database)
        self.history = SqlHistory(self._database)
        self.leaves = SqlLeaves(self._database)
        self.backoffs = SqlBackoffs(self._database)
        self.locks = FileLocks(path.parent / "locks", self._database, clock)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _version(connection: Connection) -> int:
    return int(connection.execute(text("PRAGMA user_version")).scalar_one())


def _engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401  the driver's own type
        cursor = connection.cursor()
        try:
            names = {row[0] for row in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            (version,) = cursor.execute("PRAGMA user_version").fetchone()
            if not names or (version and tables.intents.name in names):  # the mode stays in another program's file
                cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA foreign_keys = ON")
        finally:
            cursor.close()

    return engine
