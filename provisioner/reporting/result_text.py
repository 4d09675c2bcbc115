"""How a run ended, for a person at three in the morning."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from provisioner.model.outcome import Evidence, InstanceResult, Outcome
from provisioner.reporting.cleaning import clean, spoken
from provisioner.reporting.findings_text import print_findings

_STYLES = {
    Outcome.UNCHANGED: "green",
    Outcome.CONVERGED: "green",
    Outcome.WAITING: "yellow",
    Outcome.ROLLED_BACK: "yellow",
    Outcome.INTERRUPTED: "yellow",
}


def print_results(console: Console, results: Sequence[InstanceResult]) -> None:
    """Print each instance's outcome, its evidence and findings, and the one next command."""
    if not results:
        console.print("Nothing to resume: no instance has an open request.")
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
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("  address", "TLS", "leaf", "client certificate", "without one", "canary"):
        table.add_column(name, overflow="fold")
    for item in evidence.addresses:
        asked = "asked for" if item.client_certificate_asked else "not asked for"
        table.add_row(
            f"  {clean(item.address)}",
            (item.tls_version or "?").removeprefix("TLSv"),
            (item.leaf_sha256 or "none")[:16],
            f"{asked}, required: {item.client_certificate_required}" if item.client_certificate_asked else asked,
            "refused" if item.anonymous_client_refused else "accepted",
            clean(item.canary or "not tried"),
        )
    console.print(table)
    for address in evidence.left_out:
        console.print(f"  not judged: {clean(address)}, unreachable before the change", highlight=False)
    for note in evidence.notes:
        console.print(f"  note: {clean(note)}", highlight=False, soft_wrap=True)
