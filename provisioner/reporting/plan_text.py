"""Plans for a person."""

from collections.abc import Sequence

from rich.console import Console

from provisioner.model.plan import Plan
from provisioner.planning.wire_words import mode_words
from provisioner.reporting.findings_text import print_findings
from provisioner.reporting.layout import print_item, print_items

_WIDTH = 9


def print_plans(console: Console, plans: Sequence[Plan], *, digests: bool = True) -> None:
    """Print what would be done to each instance, why, what it costs, and the way back.

    Args:
        console: where to.
        plans: one per instance.
        digests: print what ``apply --digest`` takes.
    """
    for plan in plans:
        now = mode_words(plan.served_mode) if plan.served_mode else "unclear"
        served = f", leaf {plan.served[:16]}" if plan.served else ""
        print_item(console, plan.instance, f"now {now}{served}; wanted {mode_words(plan.mode)}", style="bold")
        for number, step in enumerate(plan.steps, start=1):
            print_item(console, f"{number}.", f"{step.kind.value} {step.subject}", indent=2, gap=1)
            print_item(console, "because", step.reason, indent=5, gap=1)
        if plan.steps:
            costs = (("outage", plan.outage), ("way back", plan.undo), ("clients", plan.trust))
            print_items(console, costs, width=_WIDTH)
        else:
            print_item(console, "", "nothing to do", indent=2)
        print_findings(console, plan.findings)
        if digests:
            print_item(console, "digest", plan.digest, indent=2, width=_WIDTH)
