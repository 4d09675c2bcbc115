"""What the wire shows, in words."""

from collections import Counter
from collections.abc import Callable, Sequence

from provisioner.model.instance import EndpointState, Mode
from provisioner.planning.wire_state import Met, WireState

_DIGITS = 16

Describe = Callable[[Sequence[Met]], str]
"""Puts into words what connections met that do not agree."""


def mode_words(mode: Mode) -> str:
    """Return ``one-way`` or ``mutual``."""
    return mode.value.replace("_", "-")


def asks_only(state: WireState) -> bool:
    """Return whether clients are asked for a certificate, and those without one accepted."""
    return state.asked and state.mode is Mode.ONE_WAY


def describe(state: WireState) -> str:
    """Return a state in words, such as ``mutual, leaf 0123456789abcdef``."""
    asks = " (asks for a client certificate, accepts clients without)" if asks_only(state) else ""
    takes = " (accepts certificates of unknown CAs)" if state.any_certificate else ""
    refused = ", a good client is refused" if state.good_client_refused else ""
    mapped = "".join(f", {domain} leaf {leaf[:_DIGITS]}" for domain, leaf in state.domains)
    return f"{mode_words(state.mode)}{asks}{takes}, leaf {state.leaf[:_DIGITS]}{mapped}{refused}"


def describe_mixture(met: Sequence[Met]) -> str:
    """Return what connections met that do not agree, the most frequent first."""
    parts = _counted([(describe(item.state) if item.state else item.words, item.address) for item in met], met)
    return "connections disagree: " + " | ".join(f"{count} of {len(met)} {words}" for count, words in parts)


def describe_change(wanted: EndpointState, before: EndpointState | None) -> Describe:
    """Return what puts a mixture into the words of a change.

    Such as ``6 of 12 connections still meet the old certificate (one-way), 6 the new certificate (mutual)``.

    Args:
        wanted: the state that was asked for.
        before: the state before the request, None when there was none.
    """

    def put(met: Sequence[Met]) -> str:
        wrong = [item for item in met if item.state is None or not item.state.matches(wanted)]
        parts = _counted([(_name(item, wanted, before), item.address) for item in wrong], met)
        told = [f"{count} {words}" for count, words in parts]
        if right := len(met) - len(wrong):
            told.append(f"{right} meet {_wanted_words(wanted)}")
        count, _, rest = "; ".join(told).partition(" ")
        return f"{count} of {len(met)} connections {rest}"

    return put


def kinds(met: Sequence[Met]) -> tuple[str, ...]:
    """Return what was met, without how often: the same as long as the picture does not change."""
    return tuple(sorted({describe(item.state) if item.state else item.words for item in met}))


def _name(item: Met, wanted: EndpointState, before: EndpointState | None) -> str:
    state = item.state
    if before is not None and (state.same_as(before, wanted) if state else item.leaf and item.leaf == before.leaf):
        return f"still meet the old certificate ({mode_words(before.mode)})"
    if state is None:
        return item.words if item.leaf else f"fail ({item.words})"
    return f"meet {describe(state)}"


def _wanted_words(wanted: EndpointState) -> str:
    return "one-way" if wanted.mode is Mode.ONE_WAY else f"the new certificate ({mode_words(wanted.mode)})"


def _counted(named: Sequence[tuple[str, str]], met: Sequence[Met]) -> list[tuple[int, str]]:
    """Return how often each kind was met, with the address where one of several alone showed it."""
    several = len({item.address for item in met}) > 1
    kinds = sorted(Counter(words for words, _ in named).items(), key=lambda pair: (-pair[1], pair[0]))
    where = {words: {address for other, address in named if other == words} for words, _ in kinds}
    return [
        (count, f"{words} at {min(where[words])}" if several and len(where[words]) == 1 else words)
        for words, count in kinds
    ]
