"""Findings for a person."""

from collections.abc import Sequence

from rich.console import Console

from provisioner.model.finding import Finding, Severity
from provisioner.reporting.layout import print_item, print_next

_ORDER = (Severity.REFUSAL, Severity.ALARM, Severity.CONFIRM, Severity.WARNING, Severity.INFO)
_STYLES = {Severity.REFUSAL: "bold red", Severity.ALARM: "bold red", Severity.CONFIRM: "yellow"}
_LABELS = {
    Severity.REFUSAL: "refused",
    Severity.ALARM: "alarm",
    Severity.CONFIRM: "confirm",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}
_WIDTH = 9


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print findings, the gravest first, each with its next step."""
    for finding in sorted(findings, key=lambda item: _ORDER.index(item.severity)):
        style = _STYLES.get(finding.severity, "")
        print_item(console, _LABELS[finding.severity], finding.message, style=style, indent=2, width=_WIDTH)
        if finding.hint and finding.severity is not Severity.INFO:
            print_next(console, finding.hint, indent=_WIDTH + 4)
