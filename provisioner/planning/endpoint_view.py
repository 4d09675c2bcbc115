"""What a reading means: which state the endpoint is in, over all addresses and all connections to them.

Belongs here: the step from facts of single connections to one view. Does not: time and counting
(``planning.settling``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from provisioner.model.instance import Mode
from provisioner.model.reading import (
    AddressReading,
    CanaryResult,
    CanaryVerdict,
    Control,
    ControlEnd,
    ControlResult,
    Reading,
    Required,
    Stage,
)
from provisioner.planning.wire_state import Gap, Look, Met, View, WireState
from provisioner.planning.wire_words import Describe, describe, describe_mixture

_REFUSED = {ControlEnd.ALERT, ControlEnd.CLOSED_EARLY, ControlEnd.CLOSED_LATE, ControlEnd.LOGIN_REFUSED}
# The device's certificate, or the server's, is at fault for certain; everything else may still be the restart.
_CERTAIN = {CanaryVerdict.REFUSED_BY_TLS, CanaryVerdict.DISTRUSTED}


def view(reading: Reading, left_out: Collection[str] = (), describe_several: Describe = describe_mixture) -> View:
    """Return what a reading shows.

    Args:
        reading: connections to every address.
        left_out: addresses that were unreachable before the change; they are judged once they answer.
        describe_several: puts into words what connections met that do not agree.
    """
    considered = judged(reading, left_out)
    if not considered:
        look = Look.SILENT if reading.unresolved else Look.DOWN
        return View(look, None, reading.unresolved or "no address to look at")
    met = tuple(_met(item, reading) for item in considered if not _silent(item))
    picture = _Picture(reading, considered, met, describe_several)
    seen = picture.without_sessions() or picture.with_sessions()
    return replace(seen, devices=_devices(reading), strangers=_strangers(reading))


def judged(reading: Reading, left_out: Collection[str]) -> tuple[AddressReading, ...]:
    """Return the connections that count: those to addresses that are not left out, or that answer by now.

    When the name leads to no other address, those left out count too.
    """
    ignored = set(left_out) - answering(reading.addresses)
    return tuple(item for item in reading.addresses if item.address not in ignored) or reading.addresses


def unreachable(reading: Reading) -> tuple[str, ...]:
    """Return the addresses to which no connection could be made; what answers wrongly is not among them."""
    reached = answering(reading.addresses)
    return tuple(dict.fromkeys(item.address for item in reading.addresses if item.address not in reached))


def answering(readings: Collection[AddressReading]) -> set[str]:
    """Return the addresses to which a connection could be made."""
    return {item.address for item in readings if item.stage is not Stage.CONNECT}


def undecided_leaf(reading: Reading, left_out: Collection[str] = ()) -> str | None:
    """Return the leaf of connections that were closed after CONNECT, where these are all that answered.

    A broker may drop a login that it does not like. Whether it works, and whether a client certificate is required, is
    then told by sessions with a login.
    """
    considered = judged(reading, left_out)
    leaves = {item.leaf_sha256 for item in considered if not _silent(item)}
    closed = all(_closed_late(item) for item in considered if not _silent(item))
    return leaves.pop() if closed and len(leaves) == 1 else None


@dataclass(frozen=True, slots=True)
class _Picture:
    """One reading while it is judged."""

    reading: Reading
    considered: tuple[AddressReading, ...]
    met: tuple[Met, ...]
    describe_several: Describe

    def without_sessions(self) -> View | None:
        """Return the view where the probes alone decide, None when they agree on a state."""
        met = self.met
        shown = {item.state for item in met if item.state is not None}
        failing = [item for item in met if item.state is None]
        if failing and not shown:
            dropped = all(_closed_late(item) for item in self.considered if not _silent(item))
            return View(Look.DOWN, None, f"down: {failing[0].words} at {failing[0].address}", met, dropped=dropped)
        if failing or len(shown) > 1:
            return View(Look.MIXED, None, self.describe_several(met), met)
        silent = sorted({item.address for item in self.considered if _silent(item)})
        return View(Look.SILENT, None, f"no answer in time from {', '.join(silent)}", met) if silent else None

    def with_sessions(self) -> View:
        """Return the view of probes that agree, with mapped domains, the canary's sessions and the controls."""
        met = self.met
        state = next(item.state for item in met if item.state is not None)
        if state.mode is Mode.MUTUAL and self.reading.domains:
            left_out = {item.address for item in self.reading.addresses} - {item.address for item in self.considered}
            found = _with_domains(state, self.reading, left_out)
            if isinstance(found, View):
                return found
            state = found
        others = _of_other_leaf(self.reading, state.leaf)
        if others:
            met = (*met, *others)
            return View(Look.MIXED, None, self.describe_several(met), met)
        return self._judged_sessions(state, met)

    def _judged_sessions(self, state: WireState, met: tuple[Met, ...]) -> View:
        canaries = self.reading.canaries
        refused = [item for item in canaries if item.verdict in _CERTAIN]
        accepted = [item for item in canaries if item.verdict is CanaryVerdict.ACCEPTED]
        silent = [item for item in canaries if item.verdict is CanaryVerdict.UNREACHABLE]
        unclear = [item for item in canaries if item not in (*refused, *accepted, *silent)]
        uncertified = _let_in(self.reading.controls, Control.NO_CERTIFICATE)
        if uncertified and state.mode is Mode.MUTUAL:
            met = (*met, *(_open(item, state) for item in uncertified))
            return View(Look.MIXED, None, self.describe_several(met), met)
        if unclear or (refused and accepted):
            first = (unclear or refused)[0]
            words = f"{describe(state)}; canary at {first.address}: {first.detail or first.verdict.value}"
            return View(Look.DOWN if not accepted else Look.MIXED, None, words, _unclear(met, words))
        if silent and not refused:
            return View(Look.SILENT, None, f"{describe(state)}; canary: {silent[0].detail or 'no session'}", met)
        known = replace(
            state,
            good_client_refused=bool(refused) if canaries else None,
            any_certificate=state.mode is Mode.MUTUAL
            and bool(_let_in(self.reading.controls, Control.UNKNOWN_CERTIFICATE)),
        )
        return self._whole(known, met, refused)

    def _whole(self, state: WireState, met: tuple[Met, ...], refused: Sequence[CanaryResult]) -> View:
        words = describe(replace(state, good_client_refused=None))
        if refused:
            words += f"; canary at {refused[0].address}: {refused[0].detail}"
        elif self.reading.canaries:
            words += "; canary accepted"
        counted = tuple(replace(item, state=state) for item in met)
        controls = (item for item in self.reading.controls if item.end in _REFUSED | {ControlEnd.LET_IN})
        counted += tuple(Met(item.address, state, tells=item.control is Control.NO_CERTIFICATE) for item in controls)
        counted += tuple(Met(item.address, state, tells=False) for item in self.reading.canaries)
        gaps = frozenset(self._gaps(state)) if state.mode is Mode.MUTUAL else frozenset[Gap]()
        return View(Look.UP, state, words, counted, gaps)

    def _gaps(self, state: WireState) -> set[Gap]:
        found = set()
        for address in {item.address for item in self.considered}:
            device = _device_let_in(self.reading, address, state.leaf)
            alert = all(item.required is Required.YES for item in self.considered if item.address == address)
            if not alert and not device:
                found.add(Gap.DEMAND)
            strangers = [
                item.end
                for item in self.reading.controls
                if item.address == address and item.control is Control.UNKNOWN_CERTIFICATE
            ]
            if not any(end is ControlEnd.ALERT or (device and end in _REFUSED) for end in strangers):
                found.add(Gap.UNKNOWN_CERTIFICATE)
        return found


def _met(item: AddressReading, reading: Reading) -> Met:
    required = _decided(item, reading) if _closed_late(item) else item.required
    state = _state(item, required)
    decided_elsewhere = state is not None and state.asked and _closed_late(item)
    return Met(item.address, state, "" if state else _failure(item), tells=not decided_elsewhere)


def _state(item: AddressReading, required: Required) -> WireState | None:
    if item.leaf_sha256 is None or item.asked is None:
        return None
    if item.asked and required in {Required.YES, Required.LIKELY}:
        return WireState(Mode.MUTUAL, item.leaf_sha256, asked=True)
    if item.stage is Stage.ANSWERED or (_closed_late(item) and required is Required.NO):
        return WireState(Mode.ONE_WAY, item.leaf_sha256, asked=item.asked)
    return None


def _silent(item: AddressReading) -> bool:
    return item.timed_out and _state(item, item.required) is None


def _closed_late(item: AddressReading) -> bool:
    return item.stage is Stage.MQTT and not item.timed_out and item.leaf_sha256 is not None


def _decided(item: AddressReading, reading: Reading) -> Required:
    """Return whether a certificate is required where the probe was closed after CONNECT, by sessions with a login.

    They vary one thing: the canary is let in, and the same client without certificate is not.
    """
    device = _device_let_in(reading, item.address, item.leaf_sha256)
    if item.asked is False:
        return Required.NO if device else Required.UNKNOWN
    ends = [
        control.end
        for control in reading.controls
        if control.control is Control.NO_CERTIFICATE
        and (control.address, control.leaf_sha256) == (item.address, item.leaf_sha256)
    ]
    if ControlEnd.LET_IN in ends:
        return Required.NO
    shown = device and bool(ends) and all(end in _REFUSED for end in ends)
    return Required.YES if shown else Required.UNKNOWN


def _device_let_in(reading: Reading, address: str, leaf: str | None) -> bool:
    return any(
        item.verdict is CanaryVerdict.ACCEPTED and (item.address, item.leaf_sha256) == (address, leaf)
        for item in reading.canaries
    )


def _devices(reading: Reading) -> tuple[int, int]:
    answered = [item.verdict for item in reading.canaries if item.verdict is not CanaryVerdict.UNREACHABLE]
    let_in = answered.count(CanaryVerdict.ACCEPTED)
    return let_in, len(answered) - let_in


def _strangers(reading: Reading) -> tuple[int, int]:
    ends = [item.end for item in reading.controls if item.control is Control.UNKNOWN_CERTIFICATE]
    return sum(end in _REFUSED for end in ends), ends.count(ControlEnd.LET_IN)


def _let_in(controls: Collection[ControlResult], kind: Control) -> list[ControlResult]:
    return [item for item in controls if item.control is kind and item.end is ControlEnd.LET_IN]


def _open(item: ControlResult, state: WireState) -> Met:
    open_state = WireState(Mode.ONE_WAY, item.leaf_sha256 or state.leaf, asked=bool(item.asked))
    return Met(item.address, open_state)


def _unclear(met: tuple[Met, ...], words: str) -> tuple[Met, ...]:
    return tuple(replace(item, state=None, words=words) for item in met)


def _of_other_leaf(reading: Reading, leaf: str) -> tuple[Met, ...]:
    """Return the sessions and controls that were served another leaf than the probes."""
    sessions = [(item.address, item.leaf_sha256) for item in reading.canaries]
    sessions += [(item.address, item.leaf_sha256) for item in reading.controls]
    return tuple(
        Met(address, None, f"meet another certificate, leaf {other[:16]}", leaf=other)
        for address, other in sessions
        if other is not None and other != leaf
    )


def _with_domains(state: WireState, reading: Reading, left_out: Collection[str]) -> WireState | View:
    """Return the state with the mapped domains, each of which has to show one leaf at all addresses."""
    served = []
    for item in reading.domains:
        seen = [one for one in item.addresses if one.address not in left_out] or item.addresses
        leaves = {one.leaf_sha256 for one in seen}
        if any(one.timed_out and one.leaf_sha256 is None for one in seen):
            return View(Look.SILENT, None, f"no answer in time for {item.domain}")
        if any(one.asked is False or one.required is Required.NO for one in seen):
            return View(Look.MIXED, None, f"{item.domain}: clients without certificate are let in")
        if len(leaves) != 1 or None in leaves:
            return View(Look.MIXED, None, f"{item.domain}: {_domain_words(seen)}")
        served.append((item.domain, str(leaves.pop())))
    return replace(state, domains=tuple(served))


def _domain_words(seen: Collection[AddressReading]) -> str:
    shown = {one.leaf_sha256[:16] if one.leaf_sha256 else one.failure or "no certificate" for one in seen}
    return "connections disagree: " + " | ".join(sorted(shown)) if len(shown) > 1 else next(iter(shown), "no address")


def _failure(item: AddressReading) -> str:
    if not _closed_late(item):
        return item.failure or "no MQTT answer"
    if item.asked:
        return "asks for a client certificate and closes after CONNECT: whether one is required is not shown"
    return "one-way, but the connection is closed after CONNECT"
