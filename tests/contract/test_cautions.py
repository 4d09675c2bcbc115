"""Holds, back-offs, and the leaves that were worked with: what keeps unattended runs from harm."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from provisioner.model.intent import Backoff, Hold
from tests.contract.conftest import Kept
from tests.fakes.clock import START

HOLD = Hold("prod", "run-1", START, "rolled back to one-way", "ab" * 32)
BACKOFF = Backoff("prod", 3, START + timedelta(hours=4), "ListInstances: FlowControlError", "cd" * 32)
LEAF, OTHER = "ab" * 32, "ac" * 32


def test_a_hold_comes_back_whole_and_is_replaced(kept: Kept) -> None:
    """The latest hold of an instance counts, for every process at once."""
    holds = kept.records.holds
    assert holds.get("prod") is None
    for hold in (HOLD, replace(HOLD, run="run-2", since=START + timedelta(days=1), reason="", specification="")):
        holds.put(hold)
        assert (holds.get("prod"), kept.elsewhere.holds.get("prod")) == (hold, hold)


def test_a_released_hold_is_gone(kept: Kept) -> None:
    """Releasing is idempotent, and touches one instance alone."""
    other = replace(HOLD, instance="other")
    kept.records.holds.put(HOLD)
    kept.records.holds.put(other)
    for _ in range(2):
        kept.records.holds.release("prod")
        assert [kept.elsewhere.holds.get(name) for name in ("prod", "other")] == [None, other]


def test_a_back_off_comes_back_whole_and_is_replaced(kept: Kept) -> None:
    """The latest back-off of an instance counts, for every process at once."""
    backoffs = kept.records.backoffs
    assert backoffs.get("prod") is None
    for backoff in (BACKOFF, Backoff("prod", 4, START + timedelta(hours=8), "", "")):
        backoffs.put(backoff)
        assert (backoffs.get("prod"), kept.elsewhere.backoffs.get("prod")) == (backoff, backoff)


def test_a_cleared_back_off_is_gone(kept: Kept) -> None:
    """Clearing is idempotent, and touches one instance alone."""
    other = replace(BACKOFF, instance="other")
    kept.records.backoffs.put(BACKOFF)
    kept.records.backoffs.put(other)
    for _ in range(2):
        kept.records.backoffs.clear("prod")
        assert [kept.elsewhere.backoffs.get(name) for name in ("prod", "other")] == [None, other]


def test_a_leaf_is_known_by_how_it_begins(kept: Kept) -> None:
    """The whole fingerprint and each beginning of it will do; its middle and signs with a meaning in SQL won't."""
    assert not kept.records.leaves.knows(LEAF)
    kept.records.leaves.meet(LEAF, START)
    kept.records.leaves.meet(LEAF, START + timedelta(days=1))
    known = {
        text: kept.elsewhere.leaves.knows(text) for text in (LEAF, LEAF[:16], "a", "b", OTHER, "%", "a_", LEAF + "0")
    }
    assert known == {LEAF: True, LEAF[:16]: True, "a": True, "b": False, OTHER: False, "%": False, "a_": False} | {
        LEAF + "0": False
    }


def test_a_leaf_is_distrusted_until_it_is_verified(kept: Kept) -> None:
    """What an endpoint was taken back from is known too, and meeting it again clears nothing."""
    leaves = kept.records.leaves
    leaves.meet(OTHER, START)
    told = []
    steps: tuple[Callable[[], None], ...] = (
        lambda: leaves.distrust(LEAF, START),
        lambda: leaves.meet(LEAF, START),
        lambda: leaves.trust(LEAF),
        lambda: leaves.meet(LEAF, START),
        lambda: leaves.distrust(LEAF, START),
    )
    for step in steps:
        step()
        told.append((kept.elsewhere.leaves.distrusted(LEAF), kept.elsewhere.leaves.knows(LEAF)))
    assert told == [(True, True), (True, True), (False, True), (False, True), (True, True)]
    assert not leaves.distrusted(OTHER)


def test_trust_in_an_unknown_leaf_says_nothing(kept: Kept) -> None:
    """A verified leaf that this state never worked with stays unknown, and nothing distrusts it."""
    kept.records.leaves.trust(LEAF)
    assert (kept.records.leaves.knows(LEAF), kept.records.leaves.distrusted(LEAF)) == (False, False)
