"""``provisioner plan``."""

from typing import Annotated

import typer

from provisioner.cli.options import JsonOption, NamesArgument, configuration_of
from provisioner.cli.output import out, print_json

_CHANGES = 11


def plan(
    context: typer.Context,
    names: NamesArgument = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 11 when there is something to do.")
    ] = False,
    unsafe_allow_lockout: Annotated[
        bool, typer.Option("--unsafe-allow-lockout", help="Plan as apply would with this option.")
    ] = False,
    unsafe_replace_foreign: Annotated[
        bool, typer.Option("--unsafe-replace-foreign", help="Plan as apply would with this option.")
    ] = False,
    release: Annotated[bool, typer.Option("--release", help="Plan as apply would with this option.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Show what apply would do, why, what it costs, and the way back; change nothing."""
    from provisioner.cli.running import overall_digest, read_plans
    from provisioner.planning.checks import Permissions
    from provisioner.reporting.plan_json import plan_document
    from provisioner.reporting.plan_text import print_plans

    permissions = Permissions(release, unsafe_allow_lockout, unsafe_replace_foreign)
    plans = read_plans(configuration_of(context), names or (), "plan", permissions)
    changing = [item for item in plans if item.steps]
    digest = overall_digest(changing or plans)
    if json_output:
        print_json(plan_document(plans, digest))
    else:
        print_plans(out, plans)
        if len(changing) > 1:
            out.print(f"digest of all {digest}", highlight=False, soft_wrap=True)
    if any(item.refusals for item in plans):
        raise typer.Exit(3)
    raise typer.Exit(_CHANGES if detailed_exitcode and changing else 0)
