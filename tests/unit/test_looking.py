"""Looking at every address at once, and what the evidence says of what was seen."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.outcome import AddressEvidence
from provisioner.model.reading import AddressReading, CanaryResult, CanaryVerdict, Reading, Required
from provisioner.model.reading import Stage as ProbeStage
from provisioner.planning.settle import Streak
from provisioner.planning.wire import Look, WireState
from provisioner.runs.evidence import evidence
from provisioner.runs.looking import Looker
from tests.fakes.stage import Stage

AT = datetime(2026, 3, 1, tzinfo=UTC)
ENDPOINT = Endpoint("mqtt-1.mqtt.aliyuncs.com")
WANTED = EndpointState(Mode.MUTUAL, "aa")


def mutual(address: str, leaf: str = "aa") -> AddressReading:
    """Return what a mutual endpoint shows a client without certificate."""
    return AddressReading(
        address, ProbeStage.HANDSHAKE, tls_version="TLSv1.2", leaf_sha256=leaf, asked=True, required=Required.YES
    )


class Surroundings:
    """Implements ``Resolver``, ``WireProbe`` and ``Canary`` for an endpoint with several addresses.

    Probes meet each other: none returns before all have begun.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.other_leaf: set[str] = set()
        self.tried: list[str] = []
        self._meeting = threading.Barrier(max(1, len(addresses)), timeout=30)

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses."""
        if not self.addresses:
            raise UnresolvedError(f"{endpoint.host}: no address; nothing was changed")
        return self.addresses

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Meet the other probes, then return what the address shows."""
        self._meeting.wait()
        return mutual(address, "bb" if address in self.other_leaf else "aa")

    @property
    def chain_pem(self) -> str:
        """The canary's certificate: looking needs none."""
        return ""

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Log in everywhere."""
        self.tried.append(address)
        return CanaryResult(address, CanaryVerdict.ACCEPTED, "logged in")


def looker(surroundings: Surroundings, *, canary: bool = True) -> Looker:
    """Return a looker at these addresses."""
    reads = Stage().seams().reads
    return Looker(
        ENDPOINT,
        replace(reads, resolver=surroundings, probe=surroundings, canary=surroundings if canary else None),
    )


@pytest.mark.parametrize("addresses", [("192.0.2.1",), ("192.0.2.1", "192.0.2.2", "2001:db8::1")])
def test_all_addresses_are_looked_at_at_once(addresses: tuple[str, ...]) -> None:
    """One slow address delays nobody, and the readings come in the order of the addresses."""
    reading = looker(Surroundings(*addresses)).look()
    assert [item.address for item in reading.addresses] == list(addresses)


def test_a_name_without_address_is_a_reading_too() -> None:
    """Name resolution may fail for a while in a restart; that is something seen, not an error."""
    reading = looker(Surroundings()).look()
    assert (reading.addresses, reading.unresolved) == ((), f"{ENDPOINT.host}: no address")


def test_the_canary_goes_to_every_address_that_is_judged() -> None:
    """Addresses that were unreachable before the change are left out by it too."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2", "192.0.2.3")
    reading, seen = looker(surroundings).look_for(WANTED, ("192.0.2.2",))
    assert surroundings.tried == ["192.0.2.1", "192.0.2.3"]
    assert ([item.address for item in reading.canaries], seen.look) == (surroundings.tried, Look.UP)


def test_the_canary_stays_at_home_until_the_wanted_state_is_seen() -> None:
    """Where addresses disagree, or another leaf is served, the probes alone decide."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2")
    surroundings.other_leaf = {"192.0.2.2"}
    _, seen = looker(surroundings).look_for(WANTED, ())
    assert (surroundings.tried, seen.look) == ([], Look.MIXED)


def test_without_a_canary_nobody_is_tried() -> None:
    """The reading holds no session, and the state says that nobody knows."""
    reading, seen = looker(Surroundings("192.0.2.1"), canary=False).look_for(WANTED, ())
    assert (reading.canaries, seen.state) == ((), WireState(Mode.MUTUAL, "aa", asked=True))


def shown(*addresses: AddressReading, canaries: tuple[CanaryResult, ...] = ()) -> Reading:
    """Return one look at the wire."""
    return Reading(AT, addresses, canaries)


STREAK = Streak(WireState(Mode.MUTUAL, "aa", asked=True), first=10.0, last=40.26, count=11)


def test_evidence_tells_each_address_in_its_words() -> None:
    """Readings and span, and of each judged address what a client without certificate and the canary met."""
    reading = shown(
        mutual("192.0.2.1"),
        mutual("192.0.2.2"),
        canaries=(CanaryResult("192.0.2.1", CanaryVerdict.ACCEPTED, "logged in"),),
    )
    proof = evidence(reading, STREAK, ("192.0.2.2",), canary=True)
    assert (proof.readings, proof.span_seconds, proof.left_out) == (11, 30.3, ("192.0.2.2",))
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
        ),
    )
    assert len(proof.notes) == 1


@pytest.mark.parametrize(
    ("reading", "canary", "expected"),
    [
        (mutual("a"), True, []),
        (mutual("a"), False, ["no canary is configured"]),
        (replace(mutual("a"), inferred=True), True, ["inferred from the shape of a TLS 1.3 handshake"]),
        (replace(mutual("a"), required=Required.LIKELY), True, ["likely required"]),
    ],
)
def test_evidence_says_what_it_cannot_show(reading: AddressReading, canary: bool, expected: list[str]) -> None:
    """What was inferred, likely, or not tried is no proof, and one host never sees every backend."""
    notes = evidence(shown(reading), STREAK, (), canary=canary).notes
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
    (address,) = evidence(shown(reading), None, (), canary=False).addresses
    assert (address.anonymous_client_refused, address.canary) == (refused, None)


def test_a_wait_that_never_agreed_has_no_streak() -> None:
    """No reading counts, and nothing is claimed of a mode."""
    proof = evidence(shown(), None, (), canary=False)
    assert (proof.readings, proof.span_seconds, proof.addresses, len(proof.notes)) == (0, 0.0, (), 1)
