"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Instances by their name in the configuration; all when none is named."),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The instance's name in the configuration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Answer the question before clients are disconnected.")]


def configuration_of(context: typer.Context) -> Path:
    """Return the configuration's path: ``--config``, PROVISIONER_CONFIG, or the default places."""
    import os

    from provisioner.settings import find_configuration

    return find_configuration(context.obj.config, os.environ)


def every_reading(context: typer.Context) -> bool:
    """Tell whether the person wants to see every reading (``-v``)."""
    return bool(context.obj.verbose)
