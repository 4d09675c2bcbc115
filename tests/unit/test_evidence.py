"""What the evidence of a wait says of what was seen."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from provisioner.model.desired import WaitingPolicy
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.outcome import AddressEvidence, Evidence
from provisioner.model.reading import (
    AddressReading,
    CanaryResult,
    CanaryVerdict,
    Control,
    ControlEnd,
    ControlResult,
    Reading,
    Required,
    Stage,
)
from provisioner.planning.endpoint_view import view
from provisioner.planning.settling import Settling
from provisioner.runs.evidence import evidence

AT = datetime(2026, 3, 1, tzinfo=UTC)


def mutual(address: str, required: Required = Required.YES, *, inferred: bool = False) -> AddressReading:
    """Return what a mutual endpoint shows a client without certificate."""
    return AddressReading(
        address,
        Stage.HANDSHAKE,
        tls_version="TLSv1.2",
        leaf_sha256="aa",
        asked=True,
        required=required,
        inferred=inferred,
    )


def of(reading: Reading, left_out: tuple[str, ...] = (), *, canary: bool = True, readings: int = 11) -> Evidence:
    """Return the evidence of a wait that saw a reading so often, three seconds apart."""
    settling = Settling(EndpointState(Mode.MUTUAL, "aa"), None, WaitingPolicy(), 0.0)
    for number in range(readings):
        settling.take(view(reading, left_out), 5, 3.0 * number)
    return evidence(reading, settling, left_out, canary=canary)


def test_evidence_tells_each_address_in_its_words() -> None:
    """Of each judged address: what clients without certificate, the canary and the controls met, and how often."""
    reading = Reading(
        AT,
        (mutual("192.0.2.1"),) * 10,
        canaries=(CanaryResult("192.0.2.1", CanaryVerdict.ACCEPTED, "logged in", leaf_sha256="aa"),),
        controls=(
            ControlResult("192.0.2.1", Control.NO_CERTIFICATE, ControlEnd.ALERT, "alert: x", leaf_sha256="aa"),
            ControlResult("192.0.2.1", Control.UNKNOWN_CERTIFICATE, ControlEnd.ALERT, leaf_sha256="aa"),
        ),
    )
    proof = of(reading, ("192.0.2.2",))
    assert (proof.readings, proof.span_seconds, proof.left_out, proof.not_shown) == (11, 30.0, ("192.0.2.2",), ())
    assert (proof.connections, proof.stale_share_ruled_out) == (121, 0.1079)
    assert proof.addresses == (
        AddressEvidence(
            address="192.0.2.1",
            tls_version="TLSv1.2",
            leaf_sha256="aa",
            client_certificate_asked=True,
            client_certificate_required="yes",
            inferred=False,
            anonymous_client_refused=True,
            canary="logged in",
            connections=121,
            without_certificate="alert: x",
            unknown_certificate="alert",
        ),
    )
    assert len(proof.notes) == 1


@pytest.mark.parametrize(
    ("reading", "canary", "expected"),
    [
        (mutual("a"), True, []),
        (mutual("a"), False, ["no canary is configured"]),
        (mutual("a", inferred=True), True, ["inferred from the shape of a TLS 1.3 handshake"]),
        (mutual("a", Required.LIKELY), True, ["likely required"]),
    ],
)
def test_evidence_says_what_it_cannot_show(reading: AddressReading, canary: bool, expected: list[str]) -> None:
    """What was inferred, likely, or not tried is no proof, and one host never sees every backend."""
    notes = of(Reading(AT, (reading,)), canary=canary).notes
    assert "seen from one host" in notes[0]
    assert len(notes) == 1 + len(expected)
    assert all(words in " ".join(notes) for words in expected)


@pytest.mark.parametrize(
    ("asked", "required", "refused"),
    [
        (True, Required.YES, True),
        (True, Required.LIKELY, True),
        (True, Required.NO, False),
        (True, Required.UNKNOWN, False),
        (False, Required.NO, False),
        (None, Required.UNKNOWN, False),
    ],
)
def test_a_stranger_is_refused_only_where_that_was_seen(asked: bool | None, required: Required, refused: bool) -> None:
    """What is open is never told as a refusal."""
    reading = replace(mutual("a"), asked=asked, required=required)
    (address,) = of(Reading(AT, (reading,)), canary=False, readings=1).addresses
    assert (address.anonymous_client_refused, address.canary) == (refused, None)


def test_one_connection_that_was_not_refused_is_told() -> None:
    """The evidence of an address speaks of all its connections and not of the last one."""
    reading = Reading(AT, (replace(mutual("a"), required=Required.NO, stage=Stage.ANSWERED), mutual("a")))
    assert not of(reading, readings=1).addresses[0].anonymous_client_refused


def test_a_wait_that_never_agreed_has_no_streak() -> None:
    """No reading counts, nothing is claimed of a mode, and nothing is ruled out."""
    proof = of(Reading(AT, ()), canary=False)
    assert (proof.readings, proof.span_seconds, proof.addresses, len(proof.notes)) == (0, 0.0, (), 1)
    assert (proof.connections, proof.stale_share_ruled_out) == (0, 1.0)
