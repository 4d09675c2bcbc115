"""The history of runs in SQL."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from provisioner.model.event import Event
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.outcome import InstanceResult
from provisioner.state import tables
from provisioner.state.records import (
    Transactions,
    domains_text,
    moment,
    read_domains,
    read_state,
    stamp,
    state_columns,
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run on one instance; ``ended`` and ``outcome`` are None while it goes on, or when it was killed."""

    run: str
    command: str
    began: datetime
    ended: datetime | None
    outcome: str | None
    message: str | None


class SqlHistory:
    """Implements ``ports.History``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def begin(self, run: str, instance: str, command: str, at: datetime) -> None:
        """Record that a run began."""
        values = {"run": run, "instance": instance, "command": command, "began": stamp(at)}
        with self._database.writing() as connection:
            connection.execute(sqlite_insert(tables.runs).values(values).on_conflict_do_nothing())

    def record(self, event: Event) -> None:
        """Record one event of a run."""
        values = {
            "run": event.run,
            "instance": event.instance,
            "at": stamp(event.at),
            "kind": event.kind.value,
            "message": event.message,
            "data": json.dumps(dict(event.data)),
        }
        with self._database.writing() as connection:
            connection.execute(insert(tables.events).values(values))

    def end(self, run: str, result: InstanceResult, at: datetime) -> None:
        """Record how a run ended on one instance."""
        values = {
            "ended": stamp(at),
            "outcome": result.outcome.label,
            "message": result.message,
            "outage_seconds": result.outage_seconds,
        }
        where = (tables.runs.c.run == run) & (tables.runs.c.instance == result.name)
        with self._database.writing() as connection:
            connection.execute(update(tables.runs).where(where).values(values))

    def switched(self, instance: str, state: EndpointState, previous: EndpointState | None, at: datetime) -> None:
        """Record that the endpoint was verified in ``state``, and what it was in before."""
        values = {
            "instance": instance,
            "at": stamp(at),
            "mode": state.mode.value,
            "leaf": state.leaf,
            "identifier": state.identifier,
            "domains": domains_text(state),
            **state_columns("previous", previous),
        }
        with self._database.writing() as connection:
            connection.execute(insert(tables.endpoints).values(values))

    def previous(self, instance: str) -> EndpointState | None:
        """Return the state before the latest verified one."""
        table = tables.endpoints
        query = select(table).where(table.c.instance == instance).order_by(table.c.number.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else read_state(row, "previous")

    def latest(self, instance: str) -> tuple[EndpointState, ...]:
        """Return the latest verified state and the one before it, as far as they are recorded."""
        found = self.verified(instance)
        states = (found[1] if found else None, self.previous(instance))
        return tuple(state for state in states if state is not None)

    def last_run(self, instance: str) -> PastRun | None:
        """Return the latest run that could change something."""
        table = tables.runs
        query = select(table).where(table.c.instance == instance).order_by(table.c.began.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        ended = moment(row["ended"]) if row["ended"] else None
        return PastRun(row["run"], row["command"], moment(row["began"]), ended, row["outcome"], row["message"])

    def verified(self, instance: str) -> tuple[datetime, EndpointState] | None:
        """Return when the endpoint was verified last, and in which state."""
        table = tables.endpoints
        query = select(table).where(table.c.instance == instance).order_by(table.c.number.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return moment(row["at"]), _state(row)


def _state(row: RowMapping) -> EndpointState:
    return EndpointState(Mode(row["mode"]), row["leaf"], row["identifier"], read_domains(row["domains"]))
