"""Intents: what was asked for is found as it was written, by this process and by others."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.intent import Action, Intent
from tests.contract.conftest import Kept
from tests.fakes.clock import START

MAPPED = (MappedState("a.example.com", "aa" * 32, "1-cn-hangzhou"), MappedState("b.example.com", None, None))
PLAIN = Intent(
    instance="prod",
    run="run-1",
    action=Action.SWITCH,
    target=EndpointState(Mode.ONE_WAY),
    previous=None,
    requested_at=START,
    deadline=START + timedelta(minutes=30),
)
FULL = Intent(
    instance="prod",
    run="run-2",
    action=Action.ROLLBACK,
    target=EndpointState(Mode.MUTUAL, "ab" * 32, "2-cn-hangzhou", MAPPED),
    previous=EndpointState(Mode.MUTUAL, "cd" * 32, "3-cn-hangzhou", MAPPED[:1]),
    requested_at=START + timedelta(microseconds=1),
    deadline=START + timedelta(hours=1),
    attempts=2,
    interrupted=True,
    looked_through=True,
    commanded=True,
    left_out=("192.0.2.1", "2001:db8::1"),
    clients=("GID_a@@@1", 'it\'s "Ω"'),
)


@pytest.mark.parametrize("intent", [PLAIN, FULL], ids=["plain", "full"])
def test_an_intent_comes_back_whole(kept: Kept, intent: Intent) -> None:
    """Every field is as it was, for another process too, at once."""
    assert kept.records.intents.open("prod") is None
    kept.records.intents.save(intent)
    assert (kept.records.intents.open("prod"), kept.elsewhere.intents.open("prod")) == (intent, intent)


@pytest.mark.parametrize("flag", ["interrupted", "looked_through", "commanded"])
def test_each_mark_is_kept_apart_from_the_others(kept: Kept, flag: str) -> None:
    """One mark that is set sets no other."""
    intent = replace(PLAIN, **{flag: True})  # type: ignore[arg-type]
    kept.records.intents.save(intent)
    assert kept.elsewhere.intents.open("prod") == intent


def test_an_intent_replaces_the_one_before(kept: Kept) -> None:
    """Nothing of an earlier one shines through, whichever of them says more."""
    for intent in (PLAIN, FULL, PLAIN):
        kept.records.intents.save(intent)
        assert kept.elsewhere.intents.open("prod") == intent


def test_a_closed_intent_is_gone(kept: Kept) -> None:
    """Closing is idempotent, and touches one instance alone."""
    other = replace(FULL, instance="other")
    kept.records.intents.save(PLAIN)
    kept.records.intents.save(other)
    for _ in range(2):
        kept.records.intents.close("prod")
        assert [kept.elsewhere.intents.open(name) for name in ("prod", "other", "nowhere")] == [None, other, None]


def test_times_of_other_zones_are_the_same_moments(kept: Kept) -> None:
    """A time that was given in another zone is the same time, in whichever zone it comes back."""
    intent = replace(PLAIN, requested_at=START.astimezone(timezone(timedelta(hours=8))))
    kept.records.intents.save(intent)
    assert kept.elsewhere.intents.open("prod") == PLAIN
