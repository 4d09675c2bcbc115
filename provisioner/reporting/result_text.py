"""How a run ended, for a person at three in the morning."""

from collections.abc import Sequence

from rich.console import Console

from provisioner.model.outcome import AddressEvidence, Evidence, InstanceResult, Outcome
from provisioner.reporting.cleaning import clean, spoken
from provisioner.reporting.findings_text import print_findings

_STYLES = {
    Outcome.UNCHANGED: "green",
    Outcome.CONVERGED: "green",
    Outcome.WAITING: "yellow",
    Outcome.ROLLED_BACK: "yellow",
    Outcome.INTERRUPTED: "yellow",
}


def print_results(
    console: Console,
    results: Sequence[InstanceResult],
    none: str = "Nothing to resume: no instance has an open request.",
) -> None:
    """Print each instance's outcome, its evidence and findings, and the one next command; ``none`` if there is none."""
    if not results:
        console.print(none)
    for item in results:
        style = _STYLES.get(item.outcome, "bold red")
        label = item.outcome.label.replace("_", " ")
        console.print(f"[{style}]{label}[/{style}]  {clean(item.message)}", highlight=False, soft_wrap=True)
        if item.outage_seconds:
            console.print(f"  clients were cut off for {spoken(item.outage_seconds)}", highlight=False)
        if item.evidence is not None:
            _print_evidence(console, item.evidence)
        print_findings(console, item.findings)
        if item.hint and not item.outcome.good:
            console.print(f"Next: {clean(item.hint)}", highlight=False, soft_wrap=True)


def _print_evidence(console: Console, evidence: Evidence) -> None:
    console.print(
        f"  evidence: {evidence.readings} equal readings over {spoken(evidence.span_seconds)}", highlight=False
    )
    for item in evidence.addresses:
        console.print(f"    {_address(item)}", highlight=False, soft_wrap=True)
    for address in evidence.left_out:
        console.print(f"  not judged: {clean(address)}, unreachable before the change", highlight=False)
    for note in evidence.notes:
        console.print(f"  note: {clean(note)}", highlight=False, soft_wrap=True)


def _address(item: AddressEvidence) -> str:
    version = f"TLS {(item.tls_version or '?').removeprefix('TLSv')}"
    leaf = f"leaf {item.leaf_sha256[:16]}" if item.leaf_sha256 else "no leaf"
    if item.client_certificate_asked:
        required = {"yes": "required", "likely": "likely required", "no": "not required"}
        asked = f"client certificate asked for and {required.get(item.client_certificate_required, 'perhaps required')}"
    else:
        asked = "no client certificate asked for"
    stranger = "refused" if item.anonymous_client_refused else "not refused"
    parts = [version, leaf, asked, f"a client without one is {stranger}", f"canary: {item.canary or 'not tried'}"]
    return f"{clean(item.address)}: " + clean("; ".join(parts))
