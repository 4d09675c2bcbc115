"""``provisioner rotate``."""

import typer

from provisioner.cli.options import JsonOption, NamesArgument, configuration_of, every_reading
from provisioner.cli.output import err, print_json


def rotate(context: typer.Context, names: NamesArgument = None, json_output: JsonOption = False) -> None:
    """Renew what is due, switch in the maintenance window, and do nothing else; made for an hourly job.

    Acts only on instances with unattended = true, and never changes the mode. Asks nothing.
    """
    from provisioner.cli.running import rotate_instances
    from provisioner.reporting.progress import Progress
    from provisioner.reporting.result_json import overall, run_document
    from provisioner.reporting.result_text import print_results

    with Progress(err, every_reading=every_reading(context)) as progress:
        run, results = rotate_instances(configuration_of(context), names or (), sinks=[progress])
    if json_output:
        print_json(run_document(run, "rotate", results))
    else:
        print_results(err, results, none="Nothing to rotate: no instance has unattended = true.")
    raise typer.Exit(overall(results).exit_code)
