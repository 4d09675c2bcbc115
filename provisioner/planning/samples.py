"""Samples: what single connections met over a wait, and readings that agree in a row."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from provisioner.planning.stale_share import Tally, connections_needed
from provisioner.planning.wire_state import Gap, Look, Met, View, WireState


@dataclass(slots=True)
class Streak:
    """Consecutive readings of one state; times are seconds of the run's monotonic clock.

    Attributes:
        state: the state.
        first: the time of the first reading.
        last: the time of the last one.
        count: how many readings.
        gaps: what none of them has shown; a demand that one of them did not show is a gap, whatever the others did.
        silences: readings in its midst that were nothing but time-outs beside the state.
    """

    state: WireState
    first: float
    last: float
    count: int = 1
    gaps: frozenset[Gap] = frozenset()
    silences: int = 0

    def add(self, view_gaps: frozenset[Gap], at: float) -> None:
        """Add a reading of the same state."""
        self.last = at
        self.count += 1
        self.gaps = (self.gaps & view_gaps) | ((self.gaps | view_gaps) & {Gap.DEMAND})

    @property
    def span(self) -> float:
        """Seconds from the first to the last reading."""
        return self.last - self.first


@dataclass(slots=True)
class Samples:
    """What single connections met, address by address, for every state that was met in the wait.

    A tally begins with the first connection to an address that met its state: what failed before, also in the same
    reading, was the restart. States are told apart by mode, leaf and demand. The canary's sessions, and those with an
    unknown certificate, are few, so that they have tallies of their own: once one of them ended otherwise, as many in a
    row as for anything else have to end well.

    Args:
        smallest_share: the share of backends to rule out where no other state was met, 0 to 1.
    """

    smallest_share: float
    _tallies: dict[WireState, dict[str, Tally]] = field(default_factory=dict)
    devices: Tally = field(default_factory=Tally)
    strangers: Tally = field(default_factory=Tally)
    _present: frozenset[str] = frozenset()

    def take(self, view: View) -> None:
        """Count the connections of one reading; one of nothing but time-outs counts nothing."""
        if view.look is Look.SILENT:
            return
        self._present = frozenset(item.address for item in view.met) or self._present
        for state in {_plain(item.state) for item in view.met if item.state is not None}:
            self._tallies.setdefault(state, {})
        for tally, (good, bad) in ((self.devices, view.devices), (self.strangers, view.strangers)):
            if good or tally.connections:
                tally.take(good, bad if tally.connections else 0)
        for state, tallies in self._tallies.items():
            for address in self._present:
                met = [item for item in view.met if item.address == address]
                if address in tallies:
                    tallies[address].take(*_count(met, state))
                    if view.state is None:
                        tallies[address].interrupt()
                elif since_first := _from_first(met, state):
                    tallies[address] = Tally()
                    tallies[address].take(*_count(since_first, state))

    def contradict(self) -> None:
        """Count one connection that met nothing at every address, where time-outs repeat themselves."""
        for tallies in self._tallies.values():
            for tally in tallies.values():
                tally.take(0, 1)

    def in_a_row(self, state: WireState) -> int:
        """Return how many connections in a row met a state, at the address with the fewest."""
        return min((tally.in_a_row for tally in self._of(state)), default=0)

    def in_a_row_at(self, state: WireState, address: str) -> int:
        """Return how many connections in a row to one address met a state."""
        tally = self._tallies.get(_plain(state), {}).get(address)
        return tally.in_a_row if tally else 0

    def needed(self, state: WireState) -> int:
        """Return how many are needed, at the address that needs most."""
        none = connections_needed(self.smallest_share)
        return max((tally.needed(self.smallest_share) for tally in self._of(state)), default=none)

    def enough(self, state: WireState) -> bool:
        """Return whether a stale share is ruled out at every address."""
        tallies = self._of(state)
        begun = len(tallies) == len(self._present) > 0
        sessions = (tally for tally in (self.devices, self.strangers) if tally.others)
        if any(tally.in_a_row < connections_needed(self.smallest_share) for tally in sessions):
            return False
        return begun and all(tally.in_a_row >= tally.needed(self.smallest_share) for tally in tallies)

    def others(self, state: WireState) -> tuple[int, int]:
        """Return how many connections met anything else since a state was met first, and how many there were."""
        tallies = self._of(state)
        return sum(item.others for item in tallies), sum(item.connections for item in tallies)

    def states(self) -> tuple[WireState, ...]:
        """Return the states that were met, by mode, leaf and demand."""
        return tuple(self._tallies)

    def _of(self, state: WireState) -> list[Tally]:
        """Return the tallies of the addresses that the last reading speaks of: others don't belong to the name now."""
        tallies = self._tallies.get(_plain(state), {})
        return [tally for address, tally in tallies.items() if address in self._present]


def _from_first(met: Sequence[Met], state: WireState) -> Sequence[Met]:
    """Return the connections from the first one that met a state on; they are in the order in which they began."""
    first = next((place for place, item in enumerate(met) if item.state and _plain(item.state) == state), len(met))
    return met[first:]


def _count(met: Sequence[Met], state: WireState) -> tuple[int, int]:
    """Return how many connections met a state and would have told another one, and how many met another one."""
    same = [item for item in met if item.state is not None and _plain(item.state) == state]
    return sum(item.tells for item in same), len(met) - len(same)


def _plain(state: WireState) -> WireState:
    """Return a state without what only several connections together show."""
    return replace(state, good_client_refused=None, any_certificate=False, domains=())
