"""Findings for a person."""

from collections.abc import Sequence

from rich.console import Console

from provisioner.model.finding import Finding, Severity
from provisioner.reporting.cleaning import clean

_ORDER = (Severity.REFUSAL, Severity.ALARM, Severity.CONFIRM, Severity.WARNING, Severity.INFO)
_STYLES = {Severity.REFUSAL: "bold red", Severity.ALARM: "bold red", Severity.CONFIRM: "yellow"}
_LABELS = {
    Severity.REFUSAL: "refused",
    Severity.ALARM: "alarm",
    Severity.CONFIRM: "confirm",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print findings, the gravest first, each with its next step."""
    for finding in sorted(findings, key=lambda item: _ORDER.index(item.severity)):
        style = _STYLES.get(finding.severity, "default")
        console.print(
            f"  [{style}]{_LABELS[finding.severity]:<8}[/{style}] {clean(finding.message)}",
            highlight=False,
            soft_wrap=True,
        )
        if finding.hint and finding.severity is not Severity.INFO:
            console.print(f"           Next: {clean(finding.hint)}", highlight=False, soft_wrap=True)
