"""Device CAs as JSON, ``provisioner.device-ca/1``, and for a person."""

from datetime import datetime

from rich.console import Console

from provisioner.model.desired import Desired
from provisioner.model.instance import DeviceCA
from provisioner.planning.device_cas import expired, lets_in
from provisioner.planning.observed import DeviceCAs
from provisioner.reporting.layout import print_item, print_items
from provisioner.runs.device_cas import Change

SCHEMA = "provisioner.device-ca/1"


def listing_document(desired: Desired, seen: DeviceCAs, at: datetime) -> dict[str, object]:
    """Return the document of ``device-ca list``."""
    return {
        **_head("list", desired),
        "device_cas": [{**_device_ca(item, at), "canary_chains": _chains(item, seen)} for item in seen.registered],
    }


def change_document(command: str, desired: Desired, change: Change, at: datetime) -> dict[str, object]:
    """Return the document of a change; its ``device_ca`` is null where the service does not list it."""
    return {
        **_head(command, desired),
        "outcome": change.outcome.label,
        "message": change.message,
        "hint": change.hint,
        "device_ca": None if change.device_ca is None else _device_ca(change.device_ca, at),
    }


def print_listing(console: Console, desired: Desired, seen: DeviceCAs, at: datetime) -> None:
    """Print the registered CAs, each with what it means for devices."""
    print_item(console, desired.name, f"{desired.id} in {desired.region}", style="bold")
    for item in seen.registered:
        status = "active" if item.active else "INACTIVE"
        rows = [("serial", item.serial), ("status", status), ("valid", _validity(item, at))]
        chains = _chains(item, seen)
        if chains is not None:
            rows.append(("canary", "its certificate chains to this CA" if chains else "not signed by this CA"))
        print_item(console, "", item.name or "(no name)", indent=2)
        print_items(console, rows, indent=4, width=6)
    if not any(lets_in(item, at) for item in seen.registered):
        count = len(seen.registered)
        lockout = f"no active device CA in date ({count} registered): with mutual authentication no device can log in"
        print_item(console, "", lockout, indent=2)


def _head(command: str, desired: Desired) -> dict[str, object]:
    instance = {"name": desired.name, "id": desired.id, "region": desired.region}
    return {"schema": SCHEMA, "command": command, "instance": instance}


def _device_ca(item: DeviceCA, at: datetime) -> dict[str, object]:
    return {
        "name": item.name,
        "serial": item.serial,
        "active": item.active,
        "valid_from": item.valid_from.isoformat() if item.valid_from else None,
        "valid_until": item.valid_until.isoformat() if item.valid_until else None,
        "days_left": _days_left(item, at),
        "expired": expired(item, at),
        "lets_devices_in": lets_in(item, at),
    }


def _chains(item: DeviceCA, seen: DeviceCAs) -> bool | None:
    return None if seen.canary_signers is None else item.serial in seen.canary_signers


def _validity(item: DeviceCA, at: datetime) -> str:
    if item.valid_until is None:
        return "until a date that the service does not tell"
    if expired(item, at):
        return f"EXPIRED on {item.valid_until:%Y-%m-%d}"
    if item.valid_from is not None and item.valid_from > at:
        return f"NOT YET, from {item.valid_from:%Y-%m-%d} to {item.valid_until:%Y-%m-%d}"
    return f"until {item.valid_until:%Y-%m-%d} ({_days_left(item, at)} days left)"


def _days_left(item: DeviceCA, at: datetime) -> int | None:
    return None if item.valid_until is None else (item.valid_until - at).days
