"""Readings over every address at once, with canary and controls where they tell more."""

import threading
from collections import Counter
from dataclasses import replace

import pytest

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.reading import (
    AddressReading,
    CanaryResult,
    CanaryVerdict,
    Control,
    ControlEnd,
    ControlResult,
    Required,
)
from provisioner.model.reading import Stage as ProbeStage
from provisioner.planning.wire_state import Look, WireState
from provisioner.runs.looking import Looker
from tests.fakes.stage import Stage

ENDPOINT = Endpoint("mqtt-1.mqtt.aliyuncs.com")
WANTED = EndpointState(Mode.MUTUAL, "aa")


def mutual(address: str, leaf: str = "aa") -> AddressReading:
    """Return what a mutual endpoint shows a client without certificate."""
    return AddressReading(
        address, ProbeStage.HANDSHAKE, tls_version="TLSv1.2", leaf_sha256=leaf, asked=True, required=Required.YES
    )


def dropped(address: str, *, asked: bool) -> AddressReading:
    """Return what a client without login meets where the broker drops it."""
    required = Required.UNKNOWN if asked else Required.NO
    return AddressReading(address, ProbeStage.MQTT, failure="closed", leaf_sha256="aa", asked=asked, required=required)


class Surroundings:
    """Implements ``Resolver``, ``WireProbe`` and ``Canary`` for an endpoint with several addresses.

    ``tried`` lists who connected with a certificate or a login, in order.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.other_leaf: set[str] = set()
        self.gone: set[str] = set()
        self.drops: bool | None = None
        self.canary_leaf = "aa"
        self.tried: list[tuple[str, str]] = []
        self.meeting: threading.Barrier | None = None

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses."""
        if not self.addresses:
            raise UnresolvedError(f"{endpoint.host}: no address; nothing was changed")
        return self.addresses

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Meet the other probes where that is wanted, then return what the address shows."""
        if self.meeting is not None:
            self.meeting.wait()
        if address in self.gone:
            return AddressReading(address, ProbeStage.CONNECT, failure="connection refused")
        if self.drops is not None:
            return dropped(address, asked=self.drops)
        return mutual(address, "bb" if address in self.other_leaf else "aa")

    @property
    def chain_pem(self) -> str:
        """The canary's certificate: looking needs none."""
        return ""

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Log in everywhere."""
        self.tried.append(("canary", address))
        return CanaryResult(address, CanaryVerdict.ACCEPTED, "logged in", leaf_sha256=self.canary_leaf)


class Refused:
    """Implements ``Controls``: everybody is refused."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    def attempt(self, endpoint: Endpoint, address: str, control: Control, leaf_sha256: str) -> ControlResult:
        """Refuse."""
        self._surroundings.tried.append((control.value, address))
        return ControlResult(address, control, ControlEnd.CLOSED_LATE, with_login=True, leaf_sha256="aa", asked=True)


def looker(surroundings: Surroundings, *, canary: bool = True, connections: int = 4) -> Looker:
    """Return a looker at these addresses."""
    reads = replace(
        Stage().seams().reads,
        resolver=surroundings,
        probe=surroundings,
        canary=surroundings if canary else None,
        controls=Refused(surroundings),
    )
    return Looker(ENDPOINT, reads, connections=connections)


def test_all_addresses_are_looked_at_at_once() -> None:
    """One slow address delays nobody, and the readings come in the order of the addresses."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2", "2001:db8::1")
    surroundings.meeting = threading.Barrier(3, timeout=30)
    reading = looker(surroundings, connections=1).look()
    assert [item.address for item in reading.addresses] == list(surroundings.addresses)


@pytest.mark.parametrize(("few", "numbers"), [(False, set(range(7, 19))), (True, {1, 2, 3})])
def test_the_number_of_connections_varies(few: bool, numbers: set[int]) -> None:
    """No balancer that takes its backends in turn can show one backend to each kind of client for ever."""
    one = looker(Surroundings("192.0.2.1"), connections=12)
    assert {len(one.look(few=few).addresses) for _ in range(200)} == numbers


def test_a_name_without_address_is_a_reading_too() -> None:
    """Name resolution may fail for a while in a restart; that is something seen, not an error."""
    reading = looker(Surroundings()).look()
    assert (reading.addresses, reading.unresolved) == ((), f"{ENDPOINT.host}: no address")


def test_an_address_that_left_the_name_is_told_of_while_it_answers() -> None:
    """Clients remember addresses; one that answers no more is nobody's."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2")
    one = looker(surroundings, connections=1)
    one.look()
    surroundings.addresses = ("192.0.2.1",)
    assert {item.address for item in one.look().addresses} == {"192.0.2.1", "192.0.2.2"}
    surroundings.gone = {"192.0.2.2"}
    assert {item.address for item in one.look().addresses} == {"192.0.2.1"}


def test_an_address_that_does_not_answer_gets_few_connections() -> None:
    """Each of them may last until its time-out; once the address answers it is looked at like the others."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2")
    surroundings.gone = {"192.0.2.2"}
    one = looker(surroundings, connections=12)
    one.look()
    numbers = [Counter(item.address for item in one.look().addresses) for _ in range(50)]
    assert {count["192.0.2.2"] for count in numbers} == {1, 2, 3}
    assert min(count["192.0.2.1"] for count in numbers) >= 7
    surroundings.gone = set()
    one.look()
    assert Counter(item.address for item in one.look().addresses)["192.0.2.2"] >= 7


def test_canary_and_controls_go_to_every_address_that_is_judged() -> None:
    """Addresses that were unreachable before the change and are so still are left out by them too."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2", "192.0.2.3")
    surroundings.gone = {"192.0.2.2"}
    reading, seen = looker(surroundings).look_for(WANTED, None, ("192.0.2.2",))
    tried = Counter(dict.fromkeys(surroundings.tried, 1))
    assert tried == Counter([(who, at) for who in ("canary", *Control) for at in ("192.0.2.1", "192.0.2.3")])
    assert (seen.look, seen.gaps, len(reading.controls)) == (Look.UP, frozenset(), 4)


def test_the_canary_stays_at_home_until_the_wanted_state_is_seen() -> None:
    """Where connections disagree, or another leaf is served, the probes alone decide."""
    surroundings = Surroundings("192.0.2.1", "192.0.2.2")
    surroundings.other_leaf = {"192.0.2.2"}
    _, seen = looker(surroundings).look_for(WANTED, None, ())
    assert (surroundings.tried, seen.look) == ([], Look.MIXED)


def test_without_a_canary_only_an_unknown_certificate_is_tried() -> None:
    """The probe is the control without certificate, and no login is at hand."""
    surroundings = Surroundings("192.0.2.1")
    _, seen = looker(surroundings, canary=False).look_for(WANTED, None, ())
    assert surroundings.tried == [(Control.UNKNOWN_CERTIFICATE, "192.0.2.1")]
    assert seen.state == WireState(Mode.MUTUAL, "aa", asked=True)


def test_no_login_is_sent_to_a_server_that_the_canary_did_not_verify() -> None:
    """A canary that met another leaf verified another server."""
    surroundings = Surroundings("192.0.2.1")
    surroundings.canary_leaf = "bb"
    _, seen = looker(surroundings).look_for(WANTED, None, ())
    assert {who for who, _ in surroundings.tried} == {"canary"}
    assert seen.look is Look.MIXED


def test_sessions_decide_where_the_broker_drops_who_does_not_log_in() -> None:
    """Whether a certificate is required is told by the canary and the same login without certificate."""
    surroundings = Surroundings("192.0.2.1")
    surroundings.drops = True
    reading, seen = looker(surroundings).look_for(WANTED, None, ())
    assert (seen.state and seen.state.mode, seen.gaps) == (Mode.MUTUAL, frozenset())
    assert sum(item.tells for item in seen.met) == sum(
        item.control is Control.NO_CERTIFICATE for item in reading.controls
    )


def test_a_one_way_endpoint_whose_broker_drops_who_does_not_log_in_has_a_state() -> None:
    """The canary's session shows that MQTT works; without one nobody knows."""
    surroundings = Surroundings("192.0.2.1")
    surroundings.drops = False
    _, seen = looker(surroundings).look_for(EndpointState(Mode.ONE_WAY), None, ())
    assert seen.state is not None
    assert seen.state.mode is Mode.ONE_WAY
    _, alone = looker(surroundings, canary=False).look_for(EndpointState(Mode.ONE_WAY), None, ())
    assert (alone.look, alone.words) == (
        Look.DOWN,
        "down: one-way, but the connection is closed after CONNECT at 192.0.2.1",
    )
