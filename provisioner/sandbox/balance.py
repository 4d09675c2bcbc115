"""How a balancer chooses a backend for a new client: pure but for what each way remembers."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Balance = Literal["round_robin", "random", "affinity", "weighted", "least_connections"]
BALANCES: Final[tuple[Balance, ...]] = ("round_robin", "random", "affinity", "weighted", "least_connections")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new client, and the backends as they are at that moment.

    Attributes:
        live: the numbers of the backends that may be chosen, ascending, at least one.
        source: the client's address.
        clients: how many clients each backend has; none where it is not mentioned.
    """

    live: Sequence[int]
    source: str
    clients: Mapping[int, int]


class Chooser(Protocol):
    """A way to choose."""

    def choose(self, arrival: Arrival) -> int:
        """Return the number of one of the live backends."""
        ...


class RoundRobin:
    """One after the other; the turn of one that may not be chosen goes to the next."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, arrival: Arrival) -> int:
        """Return the next one."""
        self._last = next((one for one in arrival.live if one > self._last), arrival.live[0])
        return self._last


class Random:
    """Each with the same chance."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def choose(self, arrival: Arrival) -> int:
        """Return any one."""
        return self._dice.choice(arrival.live)


class Affinity:
    """The same source gets the same backend; others take over the sources of one that is gone, and only those."""

    def choose(self, arrival: Arrival) -> int:
        """Return the one that the source's address leads to."""
        return max(arrival.live, key=lambda one: hashlib.sha256(f"{arrival.source}|{one}".encode()).digest())


class Weighted:
    """Smooth weighted round robin, as nginx has it.

    Each turn adds its weight to every backend's credit; the one with the most is chosen and pays the sum of weights.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._credit = [0] * len(weights)

    def choose(self, arrival: Arrival) -> int:
        """Return the one with the most credit, the first of several."""
        for one in arrival.live:
            self._credit[one] += self._weights[one]
        chosen = max(arrival.live, key=lambda one: self._credit[one])
        self._credit[chosen] -= sum(self._weights[one] for one in arrival.live)
        return chosen


class LeastConnections:
    """The one with the fewest clients, the first of several."""

    def choose(self, arrival: Arrival) -> int:
        """Return it."""
        return min(arrival.live, key=lambda one: arrival.clients.get(one, 0))


def chooser(
    balance: Balance, backends: int, *, weights: Sequence[int] = (), dice: random.Random | None = None
) -> Chooser:
    """Return a way to choose among so many backends.

    Args:
        balance: its name.
        backends: how many there are.
        weights: of the backends, for ``weighted``; without them the first weighs as much as there are backends, and
            each further one 1 less.
        dice: for ``random``.

    Raises:
        ValueError: not one weight above 0 for each backend.
    """
    if weights and (len(weights) != backends or min(weights) < 1):
        raise ValueError(f"{backends} backends need {backends} weights above 0, got {tuple(weights)}")
    if balance == "weighted":
        return Weighted(weights or range(backends, 0, -1))
    if balance == "random":
        return Random(dice or random.Random())  # noqa: S311  no secret hangs on it
    plain: dict[Balance, type[RoundRobin | Affinity | LeastConnections]] = {
        "round_robin": RoundRobin,
        "affinity": Affinity,
        "least_connections": LeastConnections,
    }
    return plain[balance]()
