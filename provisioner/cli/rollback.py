"""``provisioner rollback``."""

from typing import Annotated

import typer

from provisioner.cli.asking import confirm
from provisioner.cli.options import JsonOption, NameArgument, YesOption, configuration_of, every_reading
from provisioner.cli.output import err, print_json, result_stream


def rollback(
    context: typer.Context,
    name: NameArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="one-way|previous-certificate|IDENTIFIER",
            help="Where to; the previous certificate if one is recorded, else one-way, when left out.",
        ),
    ] = None,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Take an instance back, taking over from a run that holds it; it is on hold afterwards."""
    from provisioner.cli.running import roll_back
    from provisioner.reporting.layout import print_item
    from provisioner.reporting.progress import Progress
    from provisioner.reporting.result_json import run_document
    from provisioner.reporting.result_text import print_results

    def approve(target: str, trust: str) -> None:
        question = f"{name} goes back to {target}; {trust}.\nDisconnect every client of {name} now?"
        look = f"provisioner status {name}"
        confirm(question, assume_yes=yes, what_for="disconnecting clients", look=look)

    def say(text: str) -> None:
        print_item(err, name, text)

    with Progress(err, every_reading=every_reading(context)) as progress:
        run, result = roll_back(configuration_of(context), name, to, approve, say=say, sinks=[progress])
    document = run_document(run, "rollback", [result])
    if json_output:
        print_json(document)
    else:
        print_results(result_stream(good=result.outcome.good), [result])
    raise typer.Exit(result.outcome.exit_code)
