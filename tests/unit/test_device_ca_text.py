"""Device CAs as JSON and for a person, and the name that a registration takes."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from provisioner.cli.device_ca import _label
from provisioner.model.instance import DeviceCA
from provisioner.model.outcome import Outcome
from provisioner.planning.observed import DeviceCAs
from provisioner.reporting.device_cas import change_document, listing_document, print_listing
from provisioner.runs.device_cas import Change
from tests.fakes.clock import START
from tests.fakes.stage import wanted

DAY = timedelta(days=1)
FLEET = DeviceCA("0a1b", "fleet", active=True, valid_from=START - DAY, valid_until=START + 10 * DAY)
INSTANCE = {"name": "prod", "id": "mqtt-1", "region": "cn-hangzhou"}
SHOWN = {
    "name": "fleet",
    "serial": "0a1b",
    "active": True,
    "valid_from": "2026-02-28T02:00:00+00:00",
    "valid_until": "2026-03-11T02:00:00+00:00",
    "days_left": 10,
    "expired": False,
    "lets_devices_in": True,
}


def printed(*registered: DeviceCA, signers: tuple[str, ...] | None = None) -> list[str]:
    """Return the lines that a person sees."""
    text = io.StringIO()
    console = Console(file=text, width=100, color_system=None)
    print_listing(console, wanted(), DeviceCAs(registered, canary_signers=signers), START)
    return text.getvalue().splitlines()


def test_a_listing_shows_each_ca_with_what_it_means() -> None:
    """Two lines of every CA change with its state; the canary's line is there where there is a canary."""
    assert printed(FLEET, signers=("0a1b",)) == [
        "prod  mqtt-1 in cn-hangzhou",
        "  fleet",
        "    serial  0a1b",
        "    status  active",
        "    valid   until 2026-03-11 (10 days left)",
        "    canary  its certificate chains to this CA",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"active": False}, "    status  INACTIVE"),
        ({"valid_until": START}, "    valid   EXPIRED on 2026-03-01"),
        ({"valid_from": START + DAY}, "    valid   NOT YET, from 2026-03-02 to 2026-03-11"),
    ],
)
def test_a_ca_that_lets_nobody_in_stands_out(changes: dict[str, object], line: str) -> None:
    """And without another one it is said what that means."""
    found = printed(replace(FLEET, **changes))  # type: ignore[arg-type]
    assert line in found
    assert found[-1] == (
        "  no active device CA in date (1 registered): with mutual authentication no device can log in"
    )


def test_unknown_dates_and_names_are_said_to_be_unknown() -> None:
    """Nothing is made up."""
    assert printed(replace(FLEET, name="", valid_from=None, valid_until=None))[1:] == [
        "  (no name)",
        "    serial  0a1b",
        "    status  active",
        "    valid   until a date that the service does not tell",
    ]


def test_nothing_registered_is_said_too() -> None:
    """An empty listing is no empty answer."""
    assert printed()[1:] == [
        "  no active device CA in date (0 registered): with mutual authentication no device can log in",
    ]


def test_the_document_of_a_listing() -> None:
    """Without a canary nothing is claimed of it; unknown dates are null."""
    undated = replace(FLEET, serial="02", valid_from=None, valid_until=None)
    assert listing_document(wanted(), DeviceCAs((FLEET, undated)), START) == {
        "schema": "provisioner.device-ca/1",
        "command": "list",
        "instance": INSTANCE,
        "device_cas": [
            {**SHOWN, "canary_chains": None},
            {
                **SHOWN,
                "serial": "02",
                "valid_from": None,
                "valid_until": None,
                "days_left": None,
                "canary_chains": None,
            },
        ],
    }


@pytest.mark.parametrize(("device_ca", "shown"), [(FLEET, SHOWN), (None, None)])
def test_the_document_of_a_change(device_ca: DeviceCA | None, shown: object) -> None:
    """What is listed afterwards, null where the service does not list it."""
    change = Change(Outcome.CONVERGED, "activated", device_ca, "look again")
    assert change_document("activate", wanted(), change, START) == {
        "schema": "provisioner.device-ca/1",
        "command": "activate",
        "instance": INSTANCE,
        "outcome": "converged",
        "message": "activated",
        "hint": "look again",
        "device_ca": shown,
    }


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("CN=Fleet CA", "Fleet_CA"),
        ("CN=Fleet CA,O=Example,C=CN", "Fleet_CA"),
        ("C=CN,O=Example,CN=Fleet\\, Inc. CA", "Fleet_Inc_CA"),
        ("O=Example", "device_ca"),
        ("CN=\u8bbe\u5907", "device_ca"),
        ("CN=" + "x" * 70, "x" * 64),
    ],
)
def test_a_registration_is_named_after_the_common_name(subject: str, expected: str) -> None:
    """In letters, digits and underscores, as the documents name one."""
    assert _label(subject) == expected
