"""Views of readings, for tests of what a wait makes of them."""

from collections.abc import Collection

from provisioner.planning.wire_state import Gap, Look, Met, View, WireState

CONNECTIONS = 60
ADDRESS = "192.0.2.10"


def up(state: WireState, words: str = "", *, connections: int = CONNECTIONS, gaps: Collection[Gap] = ()) -> View:
    """Return a reading all of whose connections met a state."""
    return View(Look.UP, state, words, (Met(ADDRESS, state),) * connections, frozenset(gaps))


def down(words: str = "down", *, connections: int = CONNECTIONS) -> View:
    """Return a reading all of whose connections failed."""
    return View(Look.DOWN, None, words, (Met(ADDRESS, None, "closed"),) * connections)


def mixed(*counted: tuple[int, WireState | None], words: str = "mixed") -> View:
    """Return a reading whose connections disagree."""
    met = tuple(Met(ADDRESS, state, "" if state else "closed") for count, state in counted for _ in range(count))
    return View(Look.MIXED, None, words, met)


SILENT = View(Look.SILENT, None, "silent")
