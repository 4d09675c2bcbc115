"""How large a share of an address' backends may still be in another state, judged from single connections.

Behind a balancer one connection shows one backend. What can be said is a share and an error: after ``n`` connections
without a contradiction, a share ``f`` of stale backends would have stayed hidden with the probability ``(1 - f) ** n``.
"""

import math
from dataclasses import dataclass, field

ERROR = 1e-6
"""The probability with which a share that is called ruled out stays hidden."""

SMALLEST_SEEN = 1 / 80
"""The smallest share that is looked for, however rarely the other state was met: some 1,100 connections."""

# A bound on the share is taken from so many sightings of the other state at least: fewer say little, and many more say
# how it was earlier in a restart. One-sided, 99 %. Both were chosen by simulation (``python -m tests.benchmarks``).
_SIGHTINGS = 24
_Z = 2.33


def connections_needed(share: float) -> int:
    """Return how many connections in a row rule out that a share of the backends is stale, 0 to 1."""
    return math.ceil(math.log(ERROR) / math.log1p(-share))


def share_ruled_out(connections: int) -> float:
    """Return the smallest share that so many connections in a row rule out, 1 for none."""
    return 1.0 if connections < 1 else 1.0 - ERROR ** (1.0 / connections)


def lower_bound(sightings: int, connections: int) -> float:
    """Return the lower confidence bound of a share (Wilson's score interval)."""
    if connections == 0:
        return 0.0
    share, square = sightings / connections, _Z * _Z
    center = share + square / (2 * connections)
    margin = _Z * math.sqrt(share * (1 - share) / connections + square / (4 * connections * connections))
    return max(0.0, (center - margin) / (1 + square / connections))


@dataclass(slots=True)
class Tally:
    """The connections to one address since one state was met there first: those that met it, and the others.

    Counting the present run of good connections into the share would never end, since the bound falls as the run
    grows; taking the plain share ends by luck. So the share is a lower bound, up to the last sighting of another state.

    Attributes:
        in_a_row: connections that met the state, since another one was met last.
        connections: all of them.
        others: those that met another state, or none.
    """

    in_a_row: int = 0
    connections: int = 0
    others: int = 0
    _bound: float | None = None
    _readings: list[tuple[int, int]] = field(default_factory=list)

    def take(self, good: int, others: int) -> None:
        """Count one reading: connections that met the state, and connections that did not."""
        self.connections += good + others
        self.others += others
        self._readings.append((good + others, others))
        if others:
            self.in_a_row = 0
            self._bound = self._recent_bound()
        else:
            self.in_a_row += good

    def interrupt(self) -> None:
        """Begin to count anew, where something else than this address contradicted."""
        self.in_a_row = 0

    def needed(self, smallest_share: float) -> int:
        """Return how many connections in a row the state has to be met in.

        Args:
            smallest_share: the share to rule out where no other state was met.
        """
        if self._bound is None:
            return connections_needed(smallest_share)
        return connections_needed(max(min(SMALLEST_SEEN, smallest_share), min(smallest_share, self._bound)))

    def _recent_bound(self) -> float:
        connections = sightings = 0
        for total, others in reversed(self._readings):
            connections, sightings = connections + total, sightings + others
            if sightings >= _SIGHTINGS:
                break
        return lower_bound(sightings, connections)
