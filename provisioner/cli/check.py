"""``provisioner check``."""

import typer

from provisioner.cli.options import JsonOption, NamesArgument, configuration_of
from provisioner.cli.output import out, print_json


def check(context: typer.Context, names: NamesArgument = None, json_output: JsonOption = False) -> None:
    """Ask every check, change nothing; exit 3 when one would refuse."""
    from provisioner.cli.running import read_plans
    from provisioner.planning.checks import Permissions
    from provisioner.reporting.findings_text import print_findings
    from provisioner.reporting.layout import print_item
    from provisioner.reporting.result_json import finding_document

    plans = read_plans(configuration_of(context), names or (), "check", Permissions())
    refused = any(item.refusals for item in plans)
    if json_output:
        instances = [
            {"name": item.instance, "findings": [finding_document(finding) for finding in item.findings]}
            for item in plans
        ]
        print_json({"schema": "provisioner.check/1", "ok": not refused, "instances": instances})
    else:
        for item in plans:
            count = len(item.refusals)
            verdict = f"{count} refusal{'s' if count != 1 else ''}" if count else "nothing against it"
            print_item(out, item.instance, verdict, style="bold")
            print_findings(out, item.findings)
    raise typer.Exit(3 if refused else 0)
