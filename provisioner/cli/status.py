"""``provisioner status``."""

from typing import TYPE_CHECKING

import typer

from provisioner.cli.options import JsonOption, NamesArgument, configuration_of
from provisioner.cli.output import out, print_json

if TYPE_CHECKING:
    from provisioner.cli.composition import Composition


def status(context: typer.Context, names: NamesArgument = None, json_output: JsonOption = False) -> None:
    """Show what each endpoint serves now, when it is due, open requests, holds and the last run; asks the wire only."""
    from provisioner.cli.composition import Composition

    with Composition(configuration_of(context), create_state=False) as composition:
        documents = [_document(composition, name) for name in composition.chosen(names or ())]
    if json_output:
        print_json({"schema": "provisioner.status/1", "instances": documents})
        return
    for document in documents:
        _print(document)


def _document(composition: "Composition", name: str) -> dict[str, object]:
    from provisioner.errors import UnusableError
    from provisioner.model.certificate import HostedSpecification
    from provisioner.planning.wanted import renewal_reason, shortcomings
    from provisioner.planning.wire import view
    from provisioner.runs.looking import Looker
    from provisioner.runs.pinning import pinned_by_files

    desired, reads = composition.loaded.desired(name), composition.seams(name).reads
    reading = Looker(desired.endpoint, reads).look()
    seen = view(reading)
    intent, hold = composition.state.intents.open(name), composition.state.holds.get(name)
    last = composition.state.history.last_run(name)
    chain = next((item.chain for item in reading.addresses if item.chain), ())
    leaf, late = None, ""
    wrong: tuple[str, ...] = ()
    try:
        leaf = reads.reader.read(chain[0]) if chain else None
        if leaf is not None:
            pinned = pinned_by_files(reads.issuer, reads.reader)
            signed = reads.issuer.signed(chain[0])
            if not isinstance(desired.specification, HostedSpecification):  # what it is, only the service could tell
                wrong = shortcomings(leaf, desired.specification, pinned, signed=signed)
            late = renewal_reason(leaf, desired.specification, composition.clock.now())
    except UnusableError as error:
        wrong = (error.message,)
    mutual = seen.state is not None and seen.state.mode.value == "mutual"
    return {
        "name": name,
        "id": desired.id,
        "endpoint": str(desired.endpoint),
        "wanted_mode": desired.mode.value,
        "wire": seen.words,
        "mode": seen.state.mode.value if seen.state else None,
        "fingerprint_sha256": seen.state.leaf if seen.state else None,
        "not_after": leaf.not_after.isoformat() if leaf else None,
        "differs": list(wrong) if mutual else [],
        "due": late if mutual else "",
        "hold": None if hold is None else {"since": hold.since.isoformat(), "reason": hold.reason},
        "open_request": None
        if intent is None
        else {"run": intent.run, "mode": intent.target.mode.value, "requested_at": intent.requested_at.isoformat()},
        "held_by": composition.locks.holder(name),
        "last_run": None
        if last is None
        else {
            "run": last.run,
            "command": last.command,
            "began": last.began.isoformat(),
            "outcome": last.outcome,
            "message": last.message,
        },
    }


def _print(document: dict[str, object]) -> None:
    from provisioner.reporting.cleaning import clean

    out.print(f"[bold]{clean(str(document['name']))}[/bold]  {document['endpoint']}", highlight=False)
    rows = [("wire", document["wire"]), ("wanted", str(document["wanted_mode"]).replace("_", "-"))]
    if document["not_after"]:
        rows.append(("valid until", str(document["not_after"])[:10]))
    rows += [("differs", item) for item in document["differs"]] if isinstance(document["differs"], list) else []
    rows.append(("due", document["due"] or "no"))
    hold, asked, last = document["hold"], document["open_request"], document["last_run"]
    if isinstance(hold, dict):
        rows.append(("ON HOLD", f"since {_time(hold['since'])} UTC: {hold['reason']}"))
    if isinstance(asked, dict):
        rows.append(("open request", f"{asked['mode']}, by run {asked['run']} at {_time(asked['requested_at'])} UTC"))
    if document["held_by"]:
        rows.append(("running", document["held_by"]))
    if isinstance(last, dict):
        ended = last["outcome"] or "did not end"
        rows.append(("last run", f"{last['command']} at {_time(last['began'])} UTC: {ended}"))
    for label, value in rows:
        out.print(f"  {label:<12}  {clean(str(value))}", highlight=False, soft_wrap=True)


def _time(text: object) -> str:
    return str(text)[:19].replace("T", " ")
