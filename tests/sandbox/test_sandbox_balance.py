"""How a balancer chooses: exact where the way is exact, repeatable where it rolls dice."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from provisioner.sandbox.balance import BALANCES, Arrival, Balance, Chooser, chooser

ALL = (0, 1, 2)


def chosen(
    way: Chooser,
    times: int,
    live: Sequence[int] = ALL,
    source: str = "127.0.0.1",
    clients: Mapping[int, int] | None = None,
) -> list[int]:
    """Return who is chosen so many times in a row."""
    return [way.choose(Arrival(live, source, clients or {})) for _ in range(times)]


def test_round_robin_takes_one_after_the_other() -> None:
    """And begins anew after the last one."""
    assert chosen(chooser("round_robin", 3), 7) == [0, 1, 2, 0, 1, 2, 0]


def test_round_robin_gives_a_turn_to_the_next() -> None:
    """The one that is left out gets its turn again when it is back."""
    way = chooser("round_robin", 3)
    assert (chosen(way, 4, live=(0, 2)), chosen(way, 3), chosen(way, 2, live=(1,))) == ([0, 2, 0, 2], [0, 1, 2], [1, 1])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((5, 1, 1), [0, 0, 1, 0, 2, 0, 0]),  # the example in nginx's commit message
        ((1, 1, 1), [0, 1, 2, 0, 1, 2]),
        ((), [0, 1, 0, 2, 1, 0]),  # 3, 2, 1
    ],
)
def test_weighted_is_smooth_weighted_round_robin(weights: tuple[int, ...], expected: list[int]) -> None:
    """Each gets its share in each period, spread over it, and the next period is the same."""
    way = chooser("weighted", 3, weights=weights)
    assert chosen(way, 2 * len(expected)) == expected * 2


def test_random_is_fair_and_repeatable() -> None:
    """The same dice give the same course, and each backend gets about its share."""
    first, second = (
        chosen(chooser("random", 3, dice=random.Random(7)), 3000)  # noqa: S311  no secret hangs on it
        for _ in range(2)
    )
    assert first == second
    assert all(900 < count < 1100 for count in Counter(first).values())
    assert set(chosen(chooser("random", 3), 100)) == set(ALL)


def test_affinity_binds_a_source_to_a_backend() -> None:
    """The same address always meets the same one, and many addresses meet all of them."""
    way = chooser("affinity", 3)
    sources = [f"127.0.0.{number}" for number in range(1, 100)]
    met = {source: set(chosen(way, 5, source=source)) for source in sources}
    assert {len(one) for one in met.values()} == {1}
    assert set().union(*met.values()) == set(ALL)


def test_affinity_moves_only_the_sources_of_a_backend_that_is_gone() -> None:
    """The others stay where they are."""
    way = chooser("affinity", 3)
    for number in range(1, 100):
        source = f"127.0.0.{number}"
        (before,), (after,) = chosen(way, 1, source=source), chosen(way, 1, live=(0, 2), source=source)
        assert after == before or (before == 1 and after in {0, 2})


def test_least_connections_takes_the_one_with_the_fewest_clients() -> None:
    """The first one of several, and only among those that may be chosen."""
    way = chooser("least_connections", 3)
    assert chosen(way, 2, clients={0: 2, 1: 1, 2: 1}) == [1, 1]
    assert chosen(way, 1) == [0]
    assert chosen(way, 1, live=(0, 1), clients={0: 2, 1: 3}) == [0]


@pytest.mark.parametrize("weights", [(1,), (1, 2, 0), (1, 2, 3, 4)])
def test_weights_have_to_fit(weights: tuple[int, ...]) -> None:
    """One above 0 for each backend."""
    with pytest.raises(ValueError, match="3 backends need 3 weights above 0"):
        chooser("weighted", 3, weights=weights)


@pytest.mark.parametrize("balance", BALANCES)
def test_every_way_chooses_the_only_one(balance: Balance) -> None:
    """Whatever its number is."""
    assert chosen(chooser(balance, 3), 3, live=(2,)) == [2, 2, 2]
