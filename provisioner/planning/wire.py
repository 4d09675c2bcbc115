"""What a reading means: which state the endpoint is in, over all its addresses.

Belongs here: the step from facts of single probes to one view. Does not: time, counting (``planning.settle``).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.reading import AddressReading, CanaryResult, CanaryVerdict, Reading, Required, Stage


class Look(StrEnum):
    """What the addresses show together.

    ``silent``: nothing but time-outs stands against a clear picture, so a count pauses.
    """

    UP = "up"
    MIXED = "mixed"
    DOWN = "down"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class WireState:
    """A state that all considered addresses agree on.

    ``asked`` tells an endpoint that asks without requiring from one that does not ask at all. ``good_client_refused``
    is None where no canary was tried. ``domains`` are the mapped domains with the leaf that each one serves.
    """

    mode: Mode
    leaf: str
    asked: bool
    good_client_refused: bool | None = None
    domains: tuple[tuple[str, str], ...] = ()

    def matches(self, wanted: EndpointState) -> bool:
        """Tell whether this is the wanted state; in one-way mode the leaf is recorded and not compared."""
        if self.mode is not wanted.mode or self.good_client_refused:
            return False
        if wanted.mode is Mode.ONE_WAY:
            return True
        return self.leaf == wanted.leaf and self._serves(wanted.domains)

    def same_as(self, before: EndpointState | None, wanted: EndpointState) -> bool:
        """Tell whether this is the state before a request for ``wanted``.

        A leaf that nobody recorded is not compared. Neither is one-way's, since Alibaba may have renewed its own; but
        with the wanted leaf, a switch to mutual authentication went half the way.
        """
        if before is None or self.mode is not before.mode:
            return False
        if before.leaf in {None, self.leaf}:
            return self._serves(before.domains)
        renewed = self.leaf != wanted.leaf and not self.asked
        return self.mode is Mode.ONE_WAY and wanted.mode is Mode.MUTUAL and renewed

    def _serves(self, domains: tuple[MappedState, ...]) -> bool:
        served = dict(self.domains)
        return all(item.leaf in {None, served.get(item.domain)} for item in domains)


@dataclass(frozen=True, slots=True)
class View:
    """What one reading shows: the look, the state when all agree, and words for a person."""

    look: Look
    state: WireState | None
    words: str


_REFUSALS = {
    CanaryVerdict.REFUSED_BY_TLS,
    CanaryVerdict.REFUSED_BY_LOGIN,
    CanaryVerdict.NO_ECHO,
    CanaryVerdict.DISTRUSTED,
}


def view(reading: Reading, left_out: Collection[str] = ()) -> View:
    """Return what a reading shows.

    Args:
        reading: one look at every address.
        left_out: addresses that were unreachable before the change; they are not judged.
    """
    considered = judged(reading, left_out)
    if not considered:
        look = Look.SILENT if reading.unresolved else Look.DOWN
        return View(look, None, reading.unresolved or "no address to look at")
    states = [_state(item) for item in considered]
    silent = [item for item in considered if _silent(item)]
    shown = {state for state in states if state is not None}
    down = [item for item, state in zip(considered, states, strict=True) if state is None and not _silent(item)]
    if down and not shown:
        return View(Look.DOWN, None, _down_words(down[0]))
    if down or len(shown) > 1:
        return View(Look.MIXED, None, _mixed_words(shown, down))
    if silent:
        late = ", ".join(sorted(item.address for item in silent))
        return View(Look.SILENT, None, f"no answer in time from {late}")
    state = shown.pop()
    if state.mode is Mode.MUTUAL and reading.domains:
        return _with_domains(state, reading, left_out)
    return _with_canaries(state, reading.canaries)


def judged(reading: Reading, left_out: Collection[str]) -> tuple[AddressReading, ...]:
    """Return the addresses that count: all but those left out, and those too when the name leads to no other."""
    return tuple(item for item in reading.addresses if item.address not in left_out) or reading.addresses


def unreachable(reading: Reading) -> tuple[str, ...]:
    """Return the addresses to which no connection could be made; what answers wrongly is not among them."""
    return tuple(item.address for item in reading.addresses if item.stage is Stage.CONNECT)


def describe(state: WireState) -> str:
    """Return a state in words, such as ``mutual, leaf 0123456789abcdef``."""
    asks = " (asks for a client certificate, accepts clients without)" if asks_only(state) else ""
    refused = ", a good client is refused" if state.good_client_refused else ""
    mapped = "".join(f", {domain} leaf {leaf[:16]}" for domain, leaf in state.domains)
    return f"{mode_words(state.mode)}{asks}, leaf {state.leaf[:16]}{mapped}{refused}"


def asks_only(state: WireState) -> bool:
    """Tell whether clients are asked for a certificate, and those without one accepted."""
    return state.asked and state.mode is Mode.ONE_WAY


def mode_words(mode: Mode) -> str:
    """Return ``one-way`` or ``mutual``."""
    return mode.value.replace("_", "-")


def _state(item: AddressReading) -> WireState | None:
    if item.leaf_sha256 is None or item.asked is None:
        return None
    if item.asked and item.required in {Required.YES, Required.LIKELY}:
        return WireState(Mode.MUTUAL, item.leaf_sha256, asked=True)
    if item.stage is Stage.ANSWERED:
        return WireState(Mode.ONE_WAY, item.leaf_sha256, asked=item.asked)
    return None


def _silent(item: AddressReading) -> bool:
    return item.timed_out and _state(item) is None


def _with_domains(state: WireState, reading: Reading, left_out: Collection[str]) -> View:
    """Return the view with the mapped domains, each of which has to show one leaf at all addresses."""
    served = []
    for item in reading.domains:
        seen = [one for one in item.addresses if one.address not in left_out] or item.addresses
        leaves = {one.leaf_sha256 for one in seen}
        if any(one.timed_out and one.leaf_sha256 is None for one in seen):
            return View(Look.SILENT, None, f"no answer in time for {item.domain}")
        if len(leaves) != 1 or None in leaves:
            return View(Look.MIXED, None, f"{item.domain}: {_domain_words(seen)}")
        served.append((item.domain, str(leaves.pop())))
    return _with_canaries(replace(state, domains=tuple(served)), reading.canaries)


def _domain_words(seen: Collection[AddressReading]) -> str:
    shown = {one.leaf_sha256[:16] if one.leaf_sha256 else one.failure or "no certificate" for one in seen}
    return "addresses disagree: " + " | ".join(sorted(shown)) if len(shown) > 1 else next(iter(shown), "no address")


def _with_canaries(state: WireState, canaries: tuple[CanaryResult, ...]) -> View:
    if not canaries:
        return View(Look.UP, state, describe(state))
    refused = [item for item in canaries if item.verdict in _REFUSALS]
    unclear = [item for item in canaries if item.verdict is CanaryVerdict.UNREACHABLE]
    if unclear and not refused:
        return View(Look.SILENT, None, f"{describe(state)}; canary: {unclear[0].detail or 'no session'}")
    known = replace(state, good_client_refused=bool(refused))
    words = f"canary at {refused[0].address}: {refused[0].detail}" if refused else "canary accepted"
    return View(Look.UP, known, f"{describe(state)}; {words}")


def _down_words(item: AddressReading) -> str:
    return f"down: {item.failure or 'no MQTT answer'} at {item.address}"


def _mixed_words(shown: Collection[WireState], down: Collection[AddressReading]) -> str:
    parts = sorted(describe(state) for state in shown) + sorted(_down_words(item) for item in down)
    return "addresses disagree: " + " | ".join(parts)
