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
        state = composition.loaded.state_path
        recorded = state.exists()
    if json_output:
        print_json(
            {"schema": "provisioner.status/1", "state": str(state) if recorded else None, "instances": documents}
        )
        return
    for document in documents:
        _print(document, "" if recorded else f"none: {state} does not exist; no run has been here, or its disk is away")


def _document(composition: "Composition", name: str) -> dict[str, object]:
    from provisioner.errors import UnusableError
    from provisioner.model.certificate import HostedSpecification
    from provisioner.planning import windows
    from provisioner.planning.endpoint_view import view
    from provisioner.planning.wanted import renewal_reason, shortcomings
    from provisioner.planning.wire_words import describe_change, describe_mixture
    from provisioner.runs.looking import Looker
    from provisioner.runs.pinning import pinned_by_files

    desired, reads = composition.loaded.desired(name), composition.seams(name, canary=False).reads
    reading = Looker(desired.endpoint, reads, connections=desired.waiting.connections).look()
    intent, hold = composition.state.intents.open(name), composition.state.holds.get(name)
    seen = view(reading, (), describe_change(intent.target, intent.previous) if intent else describe_mixture)
    last, backoff = composition.state.history.last_run(name), composition.state.backoffs.get(name)
    now, window = composition.clock.now(), desired.rotation.window
    opening = (windows.current(window, now) or windows.following(window, now)) if window else None
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
            late = renewal_reason(leaf, desired.specification, now)
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
        "backing_off_until": backoff.until.isoformat() if backoff else None,
        "next_window": str(opening) if opening else None,
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


def _print(document: dict[str, object], records: str) -> None:
    from provisioner.reporting.layout import print_item, print_items, print_next

    name, mutual = str(document["name"]), document["mode"] == "mutual"
    print_item(out, name, str(document["endpoint"]), style="bold")
    rows = [("wire", str(document["wire"])), ("wanted", str(document["wanted_mode"]).replace("_", "-"))]
    if document["not_after"]:
        rows.append(("valid until", str(document["not_after"])[:10]))
    rows += [("differs", str(item)) for item in document["differs"]] if isinstance(document["differs"], list) else []
    if mutual:
        rows.append(("due", str(document["due"] or "no")))
    print_items(out, [*rows, *_recorded(document), *([("records", records)] if records else [])], width=12)
    hint = _hint(document)
    if hint:
        print_next(out, hint, indent=2)


def _recorded(document: dict[str, object]) -> list[tuple[str, str]]:
    hold, asked, last = document["hold"], document["open_request"], document["last_run"]
    rows = []
    if isinstance(hold, dict):
        rows.append(("ON HOLD", f"since {_time(hold['since'])} UTC: {hold['reason']}"))
    if isinstance(asked, dict):
        mode = str(asked["mode"]).replace("_", "-")
        rows.append(("open request", f"{mode}, by run {asked['run']} at {_time(asked['requested_at'])} UTC"))
    if document["backing_off_until"]:
        rows.append(("backing off", f"until {_time(document['backing_off_until'])} UTC, after failures of the service"))
    if document["next_window"]:
        rows.append(("window", str(document["next_window"])))
    if document["held_by"]:
        rows.append(("running", str(document["held_by"])))
    if isinstance(last, dict):
        unended = "has not ended yet" if document["held_by"] else "did not end"
        ended = str(last["outcome"] or unended).replace("_", " ")
        rows.append(("last run", f"{last['command']} at {_time(last['began'])} UTC: {ended}"))
    return rows


def _hint(document: dict[str, object]) -> str:
    """Return the one next command, an empty text when there is nothing to do."""
    name = document["name"]
    if document["held_by"]:
        return ""
    if document["open_request"]:
        return f"provisioner resume {name}"
    if document["hold"]:
        return f"find out why, then: provisioner apply {name} --release"
    if document["mode"] is None:
        return f"provisioner probe {document['endpoint']}"
    as_wanted = document["mode"] == document["wanted_mode"] and not document["differs"] and not document["due"]
    return "" if as_wanted else f"provisioner plan {name}"


def _time(text: object) -> str:
    return str(text)[:19].replace("T", " ")
