"""Evidence: what the wire showed at the end of a wait, in the words of the result."""

from collections.abc import Collection, Iterator, Sequence

from provisioner.model.instance import Mode
from provisioner.model.outcome import AddressEvidence, Evidence
from provisioner.model.reading import AddressReading, Control, ControlResult, Reading, Required
from provisioner.planning.endpoint_view import judged
from provisioner.planning.settling import Settling
from provisioner.planning.wire_state import Gap

_ONE_HOST = (
    "seen from one host: behind a balancer that keeps a client on one backend, the other backends were not seen; "
    "provisioner probe --looks 100 from other machines shows theirs"
)
_NOT_SHOWN = {
    Gap.DEMAND: "that a client without certificate is refused: it is cut off without an alert, as in a restart, and no "
    "canary shows that a device gets in",
    Gap.UNKNOWN_CERTIFICATE: "that a certificate of an unknown CA is refused",
}


def evidence(reading: Reading, settling: Settling, left_out: Collection[str], *, canary: bool) -> Evidence:
    """Return the evidence of the last reading of a wait.

    Args:
        reading: the last one.
        settling: what was counted.
        left_out: addresses that were unreachable before the change.
        canary: whether a canary is configured.
    """
    streak = settling.streak
    shown = judged(reading, left_out)
    addresses = tuple(dict.fromkeys(item.address for item in shown))
    otherwise, since = settling.wanted_and_others()
    return Evidence(
        readings=streak.count if streak else 0,
        span_seconds=round(streak.span, 1) if streak else 0.0,
        addresses=tuple(_address(address, shown, reading, settling) for address in addresses),
        left_out=tuple(sorted(set(left_out) - set(addresses))),
        notes=tuple(_notes(shown, settling, canary=canary)),
        connections=settling.connections()[0],
        stale_share_ruled_out=round(settling.ruled_out(), 4),
        met_since=since,
        met_otherwise=otherwise,
        not_shown=tuple(_NOT_SHOWN[gap] for gap in sorted(streak.gaps)) if streak else (),
    )


def _address(address: str, shown: Sequence[AddressReading], reading: Reading, settling: Settling) -> AddressEvidence:
    here = [item for item in shown if item.address == address]
    last = here[-1]
    canaries = [item for item in reading.canaries if item.address == address]
    controls = [item for item in reading.controls if item.address == address]
    refused = all(item.asked and item.required in {Required.YES, Required.LIKELY} for item in here)
    return AddressEvidence(
        address=address,
        tls_version=last.tls_version,
        leaf_sha256=last.leaf_sha256,
        client_certificate_asked=last.asked,
        client_certificate_required=last.required.value,
        inferred=last.inferred,
        anonymous_client_refused=refused,
        canary=canaries[-1].detail or canaries[-1].verdict.value if canaries else None,
        connections=settling.connections_to(address),
        without_certificate=_control(controls, Control.NO_CERTIFICATE),
        unknown_certificate=_control(controls, Control.UNKNOWN_CERTIFICATE),
    )


def _control(controls: Sequence[ControlResult], kind: Control) -> str | None:
    found = [item for item in controls if item.control is kind]
    return (found[-1].detail or found[-1].end.value.replace("_", " ")) if found else None


def _notes(shown: Sequence[AddressReading], settling: Settling, *, canary: bool) -> Iterator[str]:
    yield _ONE_HOST
    if any(item.inferred for item in shown):
        yield "the demand for a client certificate was inferred from the shape of a TLS 1.3 handshake"
    if any(item.required is Required.LIKELY for item in shown):
        yield "a client without certificate was cut off without a TLS alert: likely required"
    if settling.streak is not None and settling.streak.state.mode is Mode.MUTUAL and not canary:
        yield "no canary is configured: that a device can log in was not proven"
