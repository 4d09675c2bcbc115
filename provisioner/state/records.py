"""Intents and holds in SQL."""

import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, Table, delete, select
from sqlalchemy.dialects.sqlite import Insert, insert

from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.intent import Action, Hold, Intent
from provisioner.state import tables


class Transactions(Protocol):
    """What a database offers to those who keep something in it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Yield a connection for reading."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Yield a connection whose changes are durable when the block ends."""


class SqlIntents:
    """Implements ``ports.Intents``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def open(self, instance: str) -> Intent | None:
        """Return the open intent of an instance."""
        with self._database.reading() as connection:
            query = select(tables.intents).where(tables.intents.c.instance == instance)
            row = connection.execute(query).mappings().first()
        return None if row is None else _intent(row)

    def save(self, intent: Intent) -> None:
        """Write the open intent of its instance, replacing the one before; durable when this returns."""
        values = {
            "instance": intent.instance,
            "run": intent.run,
            "action": intent.action.value,
            **state_columns("target", intent.target),
            **state_columns("previous", intent.previous),
            "requested_at": stamp(intent.requested_at),
            "deadline": stamp(intent.deadline),
            "attempts": intent.attempts,
            "interrupted": intent.interrupted,
            "looked_through": intent.looked_through,
            "commanded": intent.commanded,
            "left_out": json.dumps(list(intent.left_out)),
            "clients": json.dumps(list(intent.clients)),
            "instance_id": intent.instance_id,
            "addresses": json.dumps(list(intent.addresses)),
        }
        with self._database.writing() as connection:
            connection.execute(upsert(tables.intents, values, "instance"))

    def close(self, instance: str) -> None:
        """Close the open intent; nothing happens when there is none."""
        with self._database.writing() as connection:
            connection.execute(delete(tables.intents).where(tables.intents.c.instance == instance))


class SqlHolds:
    """Implements ``ports.Holds``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def get(self, instance: str) -> Hold | None:
        """Return the hold of an instance."""
        with self._database.reading() as connection:
            query = select(tables.holds).where(tables.holds.c.instance == instance)
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Hold(row["instance"], row["run"], moment(row["since"]), row["reason"], row["specification"])

    def put(self, hold: Hold) -> None:
        """Place or replace the hold of an instance."""
        values = {
            "instance": hold.instance,
            "run": hold.run,
            "since": stamp(hold.since),
            "reason": hold.reason,
            "specification": hold.specification,
        }
        with self._database.writing() as connection:
            connection.execute(upsert(tables.holds, values, "instance"))

    def release(self, instance: str) -> None:
        """Lift the hold; nothing happens when there is none."""
        with self._database.writing() as connection:
            connection.execute(delete(tables.holds).where(tables.holds.c.instance == instance))


def state_columns(prefix: str, state: EndpointState | None) -> dict[str, str | None]:
    """Return the columns of an endpoint's state."""
    return {
        f"{prefix}_mode": state.mode.value if state else None,
        f"{prefix}_leaf": state.leaf if state else None,
        f"{prefix}_identifier": state.identifier if state else None,
        f"{prefix}_domains": domains_text(state),
    }


def domains_text(state: EndpointState | None) -> str:
    """Return the mapped domains of a state as they are stored."""
    return json.dumps([[item.domain, item.leaf, item.identifier] for item in state.domains] if state else [])


def read_state(row: RowMapping, prefix: str) -> EndpointState | None:
    """Return the endpoint's state in columns with a prefix, None when there is none."""
    mode = row[f"{prefix}_mode"]
    if mode is None:
        return None
    domains = read_domains(row[f"{prefix}_domains"])
    return EndpointState(Mode(mode), row[f"{prefix}_leaf"], row[f"{prefix}_identifier"], domains)


def read_domains(text: str) -> tuple[MappedState, ...]:
    """Return stored mapped domains."""
    return tuple(MappedState(*item) for item in json.loads(text))


def stamp(at: datetime) -> str:
    """Return a time as it is stored: ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat()


def moment(text: str) -> datetime:
    """Return a stored time."""
    return datetime.fromisoformat(text)


def _intent(row: RowMapping) -> Intent:
    target = read_state(row, "target")
    assert target is not None
    return Intent(
        instance=row["instance"],
        run=row["run"],
        action=Action(row["action"]),
        target=target,
        previous=read_state(row, "previous"),
        requested_at=moment(row["requested_at"]),
        deadline=moment(row["deadline"]),
        attempts=row["attempts"],
        interrupted=row["interrupted"],
        looked_through=row["looked_through"],
        commanded=row["commanded"],
        left_out=tuple(json.loads(row["left_out"])),
        clients=tuple(json.loads(row["clients"])),
        instance_id=row["instance_id"],
        addresses=tuple(json.loads(row["addresses"])),
    )


def upsert(table: Table, values: dict[str, Any], key: str, only: tuple[str, ...] = ()) -> Insert:
    """Return a statement that writes a row, replacing the one with the same key, or only some columns of it."""
    changed = {name: values[name] for name in only} if only else values
    return insert(table).values(values).on_conflict_do_update(index_elements=[key], set_=changed)
