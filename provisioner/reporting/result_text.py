"""How a run ended, for a person at three in the morning."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Console

from provisioner.model.outcome import AddressEvidence, Evidence, InstanceResult, Outcome
from provisioner.reporting.cleaning import spoken
from provisioner.reporting.findings_text import print_findings
from provisioner.reporting.layout import print_item, print_items, print_next

_STYLES = {
    Outcome.UNCHANGED: "green",
    Outcome.CONVERGED: "green",
    Outcome.WAITING: "yellow",
    Outcome.ROLLED_BACK: "yellow",
    Outcome.INTERRUPTED: "yellow",
}
_WIDTH = 9
_NOTHING = 0.5  # a share as large as that is no proof worth telling
_OVER = {"attended-rollback"}  # said before the run; once it has ended nobody has to stay


def print_results(
    console: Console,
    results: Sequence[InstanceResult],
    none: str = "Nothing to resume: no instance has an open request.",
) -> None:
    """Print each instance's outcome, its evidence and findings, and the one next command; ``none`` if there is none."""
    if not results:
        console.print(none, markup=False, highlight=False, soft_wrap=True)
    for item in results:
        style = _STYLES.get(item.outcome, "bold red")
        print_item(console, item.outcome.label.replace("_", " "), item.message, style=style, width=_WIDTH + 2)
        print_items(console, _proof(item), width=_WIDTH)
        print_findings(console, [found for found in item.findings if not (item.outcome.good and found.reason in _OVER)])
        told = any(finding.hint == item.hint for finding in item.findings)
        if item.hint and not item.outcome.good and not told:
            print_next(console, item.hint)


def _proof(item: InstanceResult) -> Iterator[tuple[str, str]]:
    if item.outage_seconds:
        who = "part of the clients" if item.outage_partly else "clients"
        yield "outage", f"{who} were cut off for {spoken(item.outage_seconds)}"
    evidence = item.evidence
    nothing_changed = item.outcome is Outcome.WAITING and evidence is not None and not evidence.not_shown
    if evidence is None or nothing_changed:
        return
    yield "evidence", _agreement(evidence)
    if evidence.connections:
        yield "", _share(evidence)
    if evidence.met_otherwise:
        yield "", f"{evidence.met_otherwise} of {evidence.met_since} connections met something else before"
    for address in evidence.addresses:
        yield from _address(address)
    yield from _limits(evidence)


def _agreement(evidence: Evidence) -> str:
    if not evidence.readings:
        return "no reading showed one clear state"
    readings = "reading" if evidence.readings == 1 else "equal readings"
    return f"{evidence.readings} {readings} over {spoken(evidence.span_seconds)}"


def _share(evidence: Evidence) -> str:
    """Return what the connections in a row rule out; the share is rounded up, so that no more is claimed."""
    count = f"{evidence.connections} connections in a row met it"
    if evidence.stale_share_ruled_out >= _NOTHING:
        return count
    share = math.ceil(evidence.stale_share_ruled_out * 100)
    return f"{count}: a stale share above {share} % is ruled out (1 in a million)"


def _limits(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for address in evidence.left_out:
        yield "", f"not judged: {address}, unreachable before the change"
    for note in evidence.notes:
        yield "note", note


def _address(item: AddressEvidence) -> Iterator[tuple[str, str]]:
    if item.leaf_sha256 is None:
        yield "", f"{item.address}: no TLS answer"
        return
    yield "", f"{item.address}: TLS {(item.tls_version or '?').removeprefix('TLSv')}, leaf {item.leaf_sha256[:16]}"
    if item.client_certificate_asked:
        required = {"yes": "required", "likely": "likely required", "no": "not required"}
        yield "", f"- client certificate: asked for, {required.get(item.client_certificate_required, 'maybe required')}"
    else:
        yield "", "- client certificate: not asked for"
    yield "", f"- a client without one: {'refused' if item.anonymous_client_refused else 'not refused'}"
    yield "", f"- canary: {item.canary or 'not tried'}"
    if item.without_certificate:
        yield "", f"- its login without a certificate: {item.without_certificate}"
    if item.unknown_certificate:
        yield "", f"- a certificate of an unknown CA: {item.unknown_certificate}"
