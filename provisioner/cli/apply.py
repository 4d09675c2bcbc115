"""``provisioner apply`` and ``provisioner resume``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.asking import confirm
from provisioner.cli.options import JsonOption, NamesArgument, YesOption, configuration_of, every_reading
from provisioner.cli.output import err, print_json, result_stream

if TYPE_CHECKING:
    from provisioner.model.plan import Plan
    from provisioner.ports import EventSink


def apply(
    context: typer.Context,
    names: NamesArgument = None,
    yes: YesOption = False,
    release: Annotated[bool, typer.Option("--release", help="Lift a hold that a rollback left.")] = False,
    digest: Annotated[
        str | None, typer.Option("--digest", help="Act only on the plan with this digest (from plan).", metavar="HEX")
    ] = None,
    unsafe_allow_lockout: Annotated[
        bool,
        typer.Option("--unsafe-allow-lockout", help="Go on although no device may be able to log in afterwards."),
    ] = False,
    unsafe_replace_foreign: Annotated[
        bool,
        typer.Option("--unsafe-replace-foreign", help="Replace a certificate that the authority did not sign."),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Bring instances to what the configuration says: issue, host, switch, wait, verify, and roll back on failure."""
    from provisioner.planning.checks import Permissions

    permissions = Permissions(release, unsafe_allow_lockout, unsafe_replace_foreign)
    _run(context, "apply", names, permissions, yes=yes, digest=digest, json_output=json_output)


def resume(
    context: typer.Context,
    names: NamesArgument = None,
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Go on with what an interrupted run has asked for: look for its effect, wait, verify, roll back on failure."""
    from provisioner.planning.checks import Permissions

    _run(context, "resume", names, Permissions(), yes=yes, digest=None, json_output=json_output)


def _run(
    context: typer.Context,
    command: str,
    names: list[str] | None,
    permissions: object,
    *,
    yes: bool,
    digest: str | None,
    json_output: bool,
) -> None:
    from provisioner.cli.running import require_digest, run_instances
    from provisioner.planning.checks import Permissions
    from provisioner.reporting.plan_text import print_plans
    from provisioner.reporting.progress import Progress
    from provisioner.reporting.result_json import overall, run_document
    from provisioner.reporting.result_text import print_results

    assert isinstance(permissions, Permissions)

    def approve(plans: Sequence["Plan"]) -> None:
        require_digest(plans, digest)
        print_plans(err, plans, digests=False)
        confirm(question(plans), assume_yes=yes, what_for="disconnecting clients")

    with Progress(err, every_reading=every_reading(context), plans=False) as progress:
        sinks: list[EventSink] = [progress]
        run, results = run_instances(
            configuration_of(context), names or (), approve, command=command, permissions=permissions, sinks=sinks
        )
    document = run_document(run, command, results)
    outcome = overall(results)
    if json_output:
        print_json(document)
    else:
        print_results(result_stream(good=outcome.good), results)
    raise typer.Exit(outcome.exit_code)


def question(plans: Sequence["Plan"]) -> str:
    """Return what a person is asked before clients are disconnected.

    The plans stand above it on the screen: whom clients must trust, and what a person has to confirm.
    """
    names = ", ".join(plan.instance for plan in plans if plan.switches)
    confirmed = ", with what is marked confirm above" if any(plan.questions for plan in plans) else ""
    return f"Disconnect every client of {names} now{confirmed}?"
