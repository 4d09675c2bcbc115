"""What ``probe`` says: one-way and mutual only where that is known, and many connections counted."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from provisioner.model.certificate import Leaf
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.reporting.probe_json import probe_document
from provisioner.reporting.probe_text import print_probe, summary
from provisioner.reporting.sightings import AddressSightings, Sighting, counted
from tests.fakes.clock import START

A, B = "aa" * 32, "bb" * 32
PLACE = "192.0.2.1"
ONE_WAY = AddressReading(
    PLACE,
    Stage.ANSWERED,
    tls_version="TLSv1.2",
    leaf_sha256=A,
    chain=(b"leaf", b"ca"),
    chain_complete=True,
    asked=False,
    required=Required.NO,
    connack=5,
)
MUTUAL = replace(
    ONE_WAY,
    stage=Stage.HANDSHAKE,
    failure="alert: handshake failure",
    leaf_sha256=B,
    asked=True,
    required=Required.YES,
    connack=None,
)
CUT = replace(MUTUAL, failure="closed", asked=None, required=Required.UNKNOWN, leaf_sha256=None, chain=())
OPEN = replace(MUTUAL, failure="no answer in time", required=Required.UNKNOWN, timed_out=True, stage=Stage.MQTT)
OLD = replace(CUT, failure="it speaks TLS 1.1 only", tls_version="TLSv1.1")
ALERT = AddressReading(PLACE, Stage.HANDSHAKE, failure="alert: unrecognized name")
CLOSED_PORT = AddressReading(PLACE, Stage.CONNECT, failure="connection refused")
BROKE_OFF = "not known: the handshake broke off before it was told whether a client certificate is asked for: "


def leaf_of(reading: AddressReading) -> Leaf | None:
    """Return a leaf where one was served."""
    if reading.leaf_sha256 is None:
        return None
    return Leaf(
        reading.leaf_sha256,
        1,
        "CN=mqtt",
        None,
        "CN=CA,O=Example",
        ("mqtt.example.com",),
        START,
        START + timedelta(days=1),
        "ec-p256",
        None,
        is_ca=False,
        ip_addresses=("192.0.2.1",),
    )


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (ONE_WAY, "one-way: no client certificate is asked for; MQTT answers"),
        (
            replace(ONE_WAY, connack=None, failure="closed"),
            "one-way: no client certificate is asked for; no MQTT answer: closed",
        ),
        (
            replace(ONE_WAY, asked=True, inferred=True),
            "one-way (inferred): a client certificate is asked for and not required",
        ),
        (MUTUAL, "mutual: a client without certificate is refused (alert: handshake failure)"),
        (
            replace(MUTUAL, required=Required.LIKELY, failure="closed"),
            "mutual, likely: a client without certificate is cut off without an alert",
        ),
        (OPEN, "a client certificate is asked for; required or not is open: no answer in time"),
        (CUT, f"{BROKE_OFF}closed"),
        (replace(CUT, leaf_sha256=A), f"{BROKE_OFF}closed"),
        (OLD, f"{BROKE_OFF}it speaks TLS 1.1 only"),
        (ALERT, "no TLS: alert: unrecognized name"),
        (CLOSED_PORT, "no connection: connection refused"),
    ],
)
def test_the_mode_is_said_where_it_is_known(reading: AddressReading, expected: str) -> None:
    """Elsewhere that it is not known, and why."""
    assert summary(reading) == expected


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([ONE_WAY], False),
        ([MUTUAL], False),
        ([CUT], True),
        ([OPEN], True),
        ([OLD], True),
        ([ALERT], True),
        ([CLOSED_PORT], False),
        ([CUT, ONE_WAY], False),
        ([CUT, CLOSED_PORT], True),
    ],
)
def test_an_address_that_speaks_tls_may_be_undecided(readings: list[AddressReading], *, expected: bool) -> None:
    """One connection that shows the mode decides it; a closed port is not undecided but down."""
    assert counted(PLACE, readings).undecided is expected


def test_equal_readings_are_counted_together() -> None:
    """However long each took; the most frequent first."""
    slow = replace(MUTUAL, seconds=0.5)

    found = counted(PLACE, [ONE_WAY, slow, CUT, replace(MUTUAL, seconds=0.1), ONE_WAY, MUTUAL])

    assert found == AddressSightings(PLACE, (Sighting(3, slow), Sighting(2, ONE_WAY), Sighting(1, CUT)))
    assert (found.total, found.main) == (6, slow)


def printed(*addresses: AddressSightings, host: str = "mqtt.example.com") -> list[str]:
    """Return the lines of the text."""
    shown = io.StringIO()
    print_probe(Console(file=shown, width=80), addresses, host, leaf_of)
    return shown.getvalue().splitlines()


def test_many_connections_are_shown_as_shares_and_each_certificate_once() -> None:
    """Which share met what, then what the certificates say, then what can't be seen from here."""
    readings = [ONE_WAY] * 6 + [MUTUAL] * 4 + [CUT] * 1 + [CLOSED_PORT] * 1
    hidden = replace(ONE_WAY, tls_version="TLSv1.3", inferred=True, chain_complete=False)
    lines = printed(counted(PLACE, readings), counted("192.0.2.2", [hidden] * 12))

    assert lines[:8] == [
        f"{PLACE}  12 connections",
        f"  6 of 12   one-way, leaf {A[:16]}",
        f"  4 of 12   mutual, leaf {B[:16]}: alert: handshake failure",
        "  1 of 12   not known: closed",
        "  1 of 12   no connection: connection refused",
        "192.0.2.2  12 connections",
        f"  12 of 12  one-way (inferred), leaf {A[:16]}",
        f"certificate {A[:16]}  ",
    ]
    assert [line for line in lines if line.startswith("certificate")] == [
        f"certificate {A[:16]}  ",
        f"certificate {B[:16]}  ",
    ]
    assert [line for line in lines if "chain" in line] == ["  chain    2 certificates"] * 2
    assert lines[-1].endswith("which can't be seen from one machine: run this from other machines, too.")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mqtt.example.com", "mqtt.example.com, 192.0.2.1 (covers the host)"),
        ("192.0.2.1", "mqtt.example.com, 192.0.2.1 (covers the host)"),
        ("192.0.2.2", "mqtt.example.com, 192.0.2.1 (does NOT cover 192.0.2.2)"),
    ],
)
def test_one_connection_is_shown_in_full(host: str, expected: str) -> None:
    """Its names with its IP addresses, which cover a host that is one."""
    lines = printed(counted(PLACE, [ONE_WAY]), host=host)

    assert (lines[0], lines[3]) == (f"{PLACE}  {summary(ONE_WAY)}", f"  names    {expected}")


def test_the_document_has_what_most_connections_met_and_all_of_it_counted() -> None:
    """Readers of the keys of one connection find those of the most frequent one where they always were."""
    found = counted(PLACE, [CUT, ONE_WAY, ONE_WAY])
    document = probe_document("mqtt.example.com:8883", [found], 3, leaf_of)
    addresses = document.pop("addresses")

    assert document == {"schema": "provisioner.probe/1", "endpoint": "mqtt.example.com:8883", "looks": 3}
    assert isinstance(addresses, list)
    (address,) = addresses
    connections = address.pop("connections")
    assert connections[0] == {"count": 2, **address}
    assert [(item["count"], item["failure"], item["leaf_sha256"]) for item in connections] == [
        (2, "", A),
        (1, "closed", None),
    ]
    assert (address["ip_addresses"], connections[1]["ip_addresses"]) == (["192.0.2.1"], None)
