"""Plans for a person."""

from collections.abc import Sequence

from rich.console import Console

from provisioner.model.plan import Plan
from provisioner.planning.wire import mode_words
from provisioner.reporting.cleaning import clean
from provisioner.reporting.findings_text import print_findings


def print_plans(console: Console, plans: Sequence[Plan]) -> None:
    """Print what would be done to each instance, why, what it costs, and the way back."""
    for plan in plans:
        now = mode_words(plan.served_mode) if plan.served_mode else "unclear"
        served = f", leaf {plan.served[:16]}" if plan.served else ""
        line = f"[bold]{clean(plan.instance)}[/bold]  now {now}{served}; wanted {mode_words(plan.mode)}"
        console.print(line, highlight=False, soft_wrap=True)
        for number, step in enumerate(plan.steps, start=1):
            text = f"  {number}. {step.kind.value} {clean(step.subject)}"
            console.print(text, highlight=False, soft_wrap=True)
            console.print(f"     because {clean(step.reason)}", highlight=False, soft_wrap=True)
        if not plan.steps:
            console.print("  nothing to do", highlight=False)
        else:
            console.print(f"  outage    {plan.outage}", highlight=False, soft_wrap=True)
            console.print(f"  way back  {plan.undo}", highlight=False, soft_wrap=True)
            console.print(f"  clients   {clean(plan.trust)}", highlight=False, soft_wrap=True)
        print_findings(console, plan.findings)
        console.print(f"  digest    {plan.digest}", highlight=False, soft_wrap=True)
