"""``provisioner rotate``."""

from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import JsonOption, NamesArgument, configuration_of, every_reading
from provisioner.cli.output import err, print_json, result_stream

if TYPE_CHECKING:
    from provisioner.model.outcome import InstanceResult
    from provisioner.ports import EventSink
    from provisioner.reporting.progress import Progress


def rotate(
    context: typer.Context,
    names: NamesArgument = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing when there is nothing to do, as a cron job wants it.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Renew what is due, switch in the maintenance window, and do nothing else; made for an hourly job.

    Acts only on instances with unattended = true, and never changes the mode. Asks nothing.
    """
    from provisioner.cli.running import rotate_instances
    from provisioner.reporting.progress import Progress
    from provisioner.reporting.result_json import overall, run_document
    from provisioner.reporting.result_text import print_results

    with Progress(err, every_reading=every_reading(context), plans=not quiet, idle=False) as progress:
        sinks: list[EventSink] = [progress]
        run, results = rotate_instances(configuration_of(context), names or (), sinks=sinks)
    outcome = overall(results)
    if json_output:
        print_json(run_document(run, "rotate", results))
    else:
        told = [item for item in results if not quiet or _worth_telling(item, progress)]
        if told or not quiet:
            stream = result_stream(good=outcome.good)
            print_results(stream, told, none="Nothing to rotate: no instance has unattended = true.")
    raise typer.Exit(outcome.exit_code)


def _worth_telling(result: "InstanceResult", progress: "Progress") -> bool:
    """Tell whether something was done, or is to be done by a person."""
    from provisioner.model.outcome import Outcome

    return result.outcome is not Outcome.UNCHANGED or result.name in progress.told
