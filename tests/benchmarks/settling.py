"""Settling: how often the rule would call an endpoint settled, or gone back by itself, that has a stale backend.

Simulated with the product's own count (``planning.stale_share``) and its own number of connections per reading, over
the whole deadline, on balancers of five kinds. Every run has its own seed, so the figures are the same each time.

``python -m tests.benchmarks.settling`` prints the table for the guide.
"""

import itertools
import os
import random
import sys
from bisect import bisect
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from math import comb
from pathlib import Path

from provisioner.model.desired import WaitingPolicy
from provisioner.planning.stale_share import Tally
from provisioner.runs.looking import number_of_connections
from tests.benchmarks.figures import Figure

RUNS = 1000
SIZES = (2, 3, 4, 8, 16)
README = Path(__file__).parents[2] / "README.md"
MARKS = ("<!-- simulated:settling -->\n", "<!-- end -->")

Hits = Callable[[int], int]
"""Returns how many of so many connections in a row meet the stale backend."""

_POLICY = WaitingPolicy()
_POLL, _OVER = _POLICY.poll.total_seconds(), _POLICY.over.total_seconds()
_RETURNING = "the worst of all; one by one within 3 min; a minute, and the reading that sees the last"
_CLIENTS_EACH = 5
_MOST_BETWEEN = 4  # connections of other clients between two of ours


@dataclass(frozen=True, slots=True)
class End:
    """How a simulated wait ended: settled at a time, gone back, or neither until the deadline."""

    settled_at: float | None = None
    went_back: bool = False


def wait(hits: Callable[[int, float], int], chance: random.Random) -> End:
    """Return how a wait ends.

    Args:
        hits: how many of so many connections meet another state than the wanted one, at a time in seconds.
        chance: where the number of connections comes from.
    """
    at, tally, since, readings, disturbed = 0.0, None, 0.0, 0, 0.0
    while at < _POLICY.deadline.total_seconds():
        made = number_of_connections(_POLICY.connections, chance)
        others = hits(made, at)
        if others < made:
            disturbed = at
        if tally is None and others < made:
            tally, others = Tally(), 0  # those before the first that met the wanted state don't count: at most all
        if tally is not None:
            tally.take(made - others, others)
            since, readings = (at, 0) if others or not readings else (since, readings)
            readings = 0 if others else readings + 1
            long_enough = readings >= _POLICY.readings and at - since >= _OVER
            if long_enough and tally.in_a_row >= tally.needed(_POLICY.smallest_share):
                return End(settled_at=at)
        if others == made and at - disturbed >= _POLICY.effect_within.total_seconds():
            return End(went_back=True)
        at += _POLL
    return End()


def random_choice(size: int, chance: random.Random) -> Hits:
    """Return a balancer that picks any backend, one of which is stale."""
    return share(1 / size, chance)


def share(stale: float, chance: random.Random) -> Hits:
    """Return a balancer that picks a stale backend with a probability."""
    known: dict[int, list[float]] = {}

    def hits(made: int) -> int:
        if made not in known:
            terms = (comb(made, k) * stale**k * (1 - stale) ** (made - k) for k in range(made + 1))
            known[made] = list(accumulate(terms))
        return min(made, bisect(known[made], chance.random()))

    return hits


def round_robin(size: int, chance: random.Random) -> Hits:
    """Return a balancer that takes its backends in turn, with nobody else connecting."""
    return _in_turn([place == 0 for place in range(size)], chance, between=0)


def round_robin_among_others(size: int, chance: random.Random) -> Hits:
    """Return a balancer that takes its backends in turn, with up to four connections of others between two of ours."""
    return _in_turn([place == 0 for place in range(size)], chance, between=_MOST_BETWEEN)


def weighted(size: int, chance: random.Random) -> Hits:
    """Return a balancer whose stale backend has half the weight of the others (smooth weighted round robin)."""
    weights = [1] + [2] * (size - 1)
    current, turns = [0] * size, []
    for _ in range(sum(weights)):
        current = [value + weight for value, weight in zip(current, weights, strict=True)]
        chosen = max(range(size), key=current.__getitem__)
        current[chosen] -= sum(weights)
        turns.append(chosen == 0)
    return _in_turn(turns, chance, between=0)


def least_connections(size: int, chance: random.Random) -> Hits:
    """Return a balancer that picks a backend with the fewest clients; between two of ours one comes and one goes."""
    loads = [_CLIENTS_EACH] * size
    clients = [place for place in range(size) for _ in range(_CLIENTS_EACH)]

    def fewest() -> int:
        first = int(chance.random() * size)
        order: list[int] = [*range(first, size), *range(first)]
        return min(order, key=lambda place: loads[place])

    def hits(made: int) -> int:
        found = 0
        for _ in range(made):
            leaving = int(chance.random() * len(clients))
            loads[clients[leaving]] -= 1
            clients[leaving] = fewest()
            loads[clients[leaving]] += 1
            found += fewest() == 0
        return found

    return hits


BALANCERS: tuple[tuple[str, Callable[[int, random.Random], Hits]], ...] = (
    ("random", random_choice),
    ("round robin", round_robin),
    ("round robin, other clients in between", round_robin_among_others),
    ("weighted, the stale one with half the weight", weighted),
    ("least connections", least_connections),
)


def settle_figures() -> list[Figure]:
    """Return how often the rule is wrong in a thousand runs, and how long it waits for backends that are right."""
    wrong = simulated()
    worst = max(wrong.values())
    robin = max(count for (name, _), count in wrong.items() if name == "round robin")
    note = f"of {RUNS} runs each; the guide has the table"
    differs = int(written(README.read_text(encoding="utf-8")) != table(wrong))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        clean = max(pool.map(_clean, range(RUNS), chunksize=50))
        returning = max(pool.map(_returning, range(RUNS), chunksize=50))
    return [
        Figure("settled or gone back with a stale backend", worst, "runs", 1, note=note),
        Figure("likewise, round robin", robin, "runs", 0, note=note),
        Figure("clean endpoint settles after", clean, "s", _OVER + _POLL),
        Figure("eight returning backends: after the last", returning, "s", 60 + _POLL, note=_RETURNING),
        Figure("the guide's table differs from this", differs, "tables", 0),
    ]


def simulated() -> dict[tuple[str, int], int]:
    """Return how many runs of a thousand end wrongly, for each balancer and number of backends."""
    cells = [(name, size) for name, _ in BALANCERS for size in SIZES]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(cells, pool.map(_wrong, cells), strict=True))


def table(wrong: dict[tuple[str, int], int]) -> str:
    """Return the table in Markdown."""
    head = ["balancer", *(f"1 of {size}" for size in SIZES)]
    rows = [[name, *(str(wrong[name, size]) for size in SIZES)] for name, _ in BALANCERS]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(text: str) -> str:
    """Return the table that a document holds."""
    return text.partition(MARKS[0])[2].partition(MARKS[1])[0]


def _in_turn(turns: list[bool], chance: random.Random, *, between: int) -> Hits:
    place = chance.randrange(len(turns))
    positions = _positions(turns, place, between, chance)

    def hits(made: int) -> int:
        return list(itertools.islice(positions, made)).count(True)

    return hits


def _positions(turns: list[bool], place: int, between: int, chance: random.Random) -> Iterator[bool]:
    while True:
        yield turns[place]
        place = (place + 1 + (int(chance.random() * (between + 1)) if between else 0)) % len(turns)


def _wrong(cell: tuple[str, int]) -> int:
    name, size = cell
    make = dict(BALANCERS)[name]
    count = 0
    for seed in range(RUNS):
        chance = random.Random(f"{name} {size} {seed}")  # noqa: S311  the same in each run
        hits = make(size, chance)
        end = wait(lambda made, _, hits=hits: hits(made), chance)  # type: ignore[misc]
        count += end.settled_at is not None or end.went_back
    return count


def _clean(seed: int) -> float:
    end = wait(lambda _made, _at: 0, random.Random(seed))  # noqa: S311  likewise
    assert end.settled_at is not None
    return end.settled_at


def _returning(seed: int) -> float:
    """Return the seconds that a wait goes on after the last of eight backends is back, one by one within 3 min."""
    size, within = 8, 180.0
    chance = random.Random(seed)  # noqa: S311  likewise
    back = [*sorted(chance.uniform(0, within) for _ in range(size - 1)), within]
    by_missing: list[Hits] = [share(missing / size, chance) for missing in range(size + 1)]
    end = wait(lambda made, at: by_missing[sum(moment > at for moment in back)](made), chance)
    assert end.settled_at is not None
    return end.settled_at - within


if __name__ == "__main__":
    sys.stdout.write(table(simulated()))
