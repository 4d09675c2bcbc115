"""State: intents, holds, history and locks. The only user of SQLAlchemy, which is imported when state is opened."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from provisioner.ports import Clock
    from provisioner.state.database import State


def open_state(path: "Path", clock: "Clock", *, create: bool = True) -> "State":
    """Return the state kept in a SQLite file.

    Args:
        path: the file; made with its directory, for its owner only.
        clock: time for waiting on locks.
        create: make the file when it is missing; otherwise nothing is written, and an absent state reads as empty.

    Raises:
        StateError: it can't be opened, is no database, or was written by a newer release.
    """
    from provisioner.state.database import State  # noqa: PLC0415  SQLAlchemy costs 100 ms

    return State(path, clock, create=create)


__all__ = ["open_state"]
