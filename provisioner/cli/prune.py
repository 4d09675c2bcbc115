"""``provisioner prune``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.asking import confirm
from provisioner.cli.options import JsonOption, configuration_of
from provisioner.cli.output import out, print_json

if TYPE_CHECKING:
    from provisioner.planning.pruning import Verdict
    from provisioner.runs.pruning import Pruned

_SOME_FAILED = 6


def prune(
    context: typer.Context,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what may go; without it nothing is changed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer the question before anything is deleted.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Show which hosted certificates of this tool may go, and delete them with --delete.

    Stays: the newest two of each certificate, what an endpoint serves, what a product uses, what a rollback would
    restore, and everything that this tool did not upload.
    """
    from contextlib import ExitStack

    from provisioner.cli.composition import Composition
    from provisioner.cli.running import new_run_id

    with Composition(configuration_of(context), create_state=delete) as composition, ExitStack() as stack:
        if delete:
            run = new_run_id(composition.clock.now())
            for name in composition.loaded.settings.instances:
                stack.enter_context(composition.locks.hold(name, run))
        pruner = composition.pruner()
        verdicts = pruner.look()
        going = [item for item in verdicts if not item.stays_because]
        if delete and going:
            confirm(_question(going), assume_yes=yes, what_for="deleting hosted certificates", look="provisioner prune")
        pruned = list(pruner.delete(going)) if delete else []
    if json_output:
        print_json(_document(verdicts, pruned, dry=not delete))
    else:
        _print(verdicts, pruned, dry=not delete)
    raise typer.Exit(_SOME_FAILED if any(not item.deleted for item in pruned) else 0)


def _question(going: "Sequence[Verdict]") -> str:
    """Return what a person is asked, below what would be deleted."""
    listed = [f"{item.hosted.name}  {item.hosted.identifier}  {_until(item)}" for item in going]
    return "\n".join([*listed, f"Delete {_count(len(going))} from Certificate Management Service?"])


def _until(item: "Verdict") -> str:
    return f"until {item.hosted.not_after:%Y-%m-%d}" if item.hosted.not_after else "expiry not known"


def _print(verdicts: "Sequence[Verdict]", pruned: "Sequence[Pruned]", *, dry: bool) -> None:
    from provisioner.reporting.cleaning import clean

    done = {item.verdict.hosted.id: item for item in pruned}
    for item in verdicts:
        fate = f"stays: {item.stays_because}" if item.stays_because else "may go"
        if item.hosted.id in done:
            result = done[item.hosted.id]
            fate = "deleted" if result.deleted else f"NOT deleted: {result.problem}"
        line = f"{clean(item.hosted.name)}  {clean(item.hosted.identifier)}  {_until(item)}  {clean(fate)}"
        out.print(line, highlight=False, soft_wrap=True)
    going = sum(not item.stays_because for item in verdicts)
    if not verdicts:
        out.print("No hosted certificate of this tool.")
    elif dry:
        tail = "; nothing was changed. Next: provisioner prune --delete" if going else ""
        out.print(f"{_count(going)} of {len(verdicts)} may go{tail}", highlight=False)


def _document(verdicts: "Sequence[Verdict]", pruned: "Sequence[Pruned]", *, dry: bool) -> dict[str, object]:
    done = {item.verdict.hosted.id: item for item in pruned}
    return {
        "schema": "provisioner.prune/1",
        "dry": dry,
        "certificates": [
            {
                "name": item.hosted.name,
                "identifier": item.hosted.identifier,
                "certificate": item.certificate,
                "not_after": item.hosted.not_after.isoformat() if item.hosted.not_after else None,
                "stays_because": item.stays_because,
                "deleted": item.hosted.id in done and done[item.hosted.id].deleted,
                "problem": done[item.hosted.id].problem if item.hosted.id in done else "",
            }
            for item in verdicts
        ],
    }


def _count(number: int) -> str:
    return f"{number} certificate{'s' if number != 1 else ''}"
