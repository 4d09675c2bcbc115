"""Evidence: what the wire showed at the end of a wait, in the words of the result."""

from collections.abc import Collection, Sequence

from provisioner.model.instance import Mode
from provisioner.model.outcome import AddressEvidence, Evidence
from provisioner.model.reading import AddressReading, CanaryResult, Reading, Required
from provisioner.planning.settle import Streak
from provisioner.planning.wire import judged

_ONE_HOST = "seen from one host: behind a balancer that keeps a client on one backend, the other backends were not seen"


def evidence(reading: Reading, streak: Streak | None, left_out: Collection[str], *, canary: bool) -> Evidence:
    """Return the evidence of the last reading of a wait.

    Args:
        reading: the last one.
        streak: the readings that agreed, None when none did.
        left_out: addresses that were not judged.
        canary: whether a canary is configured.
    """
    canaries = {item.address: item for item in reading.canaries}
    shown = judged(reading, left_out)
    return Evidence(
        readings=streak.count if streak else 0,
        span_seconds=round(streak.span, 1) if streak else 0.0,
        addresses=tuple(_address(item, canaries.get(item.address)) for item in shown),
        left_out=tuple(sorted(left_out)),
        notes=tuple(_notes(shown, streak, canary=canary)),
    )


def _address(item: AddressReading, canary: CanaryResult | None) -> AddressEvidence:
    return AddressEvidence(
        address=item.address,
        tls_version=item.tls_version,
        leaf_sha256=item.leaf_sha256,
        client_certificate_asked=item.asked,
        client_certificate_required=item.required.value,
        inferred=item.inferred,
        anonymous_client_refused=bool(item.asked) and item.required in {Required.YES, Required.LIKELY},
        canary=None if canary is None else canary.detail or canary.verdict.value,
    )


def _notes(shown: Sequence[AddressReading], streak: Streak | None, *, canary: bool) -> list[str]:
    notes = [_ONE_HOST]
    if any(item.inferred for item in shown):
        notes.append("the demand for a client certificate was inferred from the shape of a TLS 1.3 handshake")
    if any(item.required is Required.LIKELY for item in shown):
        notes.append("a client without certificate was cut off without a TLS alert: likely required")
    if streak is not None and streak.state.mode is Mode.MUTUAL and not canary:
        notes.append("no canary is configured: that a device can log in was not proven")
    return notes
