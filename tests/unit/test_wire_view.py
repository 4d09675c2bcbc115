"""What a reading over several addresses shows."""

from datetime import UTC, datetime

import pytest

from provisioner.model.instance import EndpointState, Mode
from provisioner.model.reading import AddressReading, CanaryResult, CanaryVerdict, Reading, Required, Stage
from provisioner.planning.wire import Look, WireState, unreachable, view

AT = datetime(2026, 3, 1, tzinfo=UTC)


def mutual(address: str, leaf: str = "aa", required: Required = Required.YES) -> AddressReading:
    """Return what a mutual endpoint shows a client without certificate."""
    return AddressReading(address, Stage.HANDSHAKE, leaf_sha256=leaf, asked=True, required=required)


def one_way(address: str, leaf: str = "00", *, asked: bool = False) -> AddressReading:
    """Return what a one-way endpoint shows."""
    return AddressReading(address, Stage.ANSWERED, leaf_sha256=leaf, asked=asked, required=Required.NO, connack=5)


def down(address: str) -> AddressReading:
    """Return what a closed port shows."""
    return AddressReading(address, Stage.CONNECT, failure="connection refused")


def late(address: str) -> AddressReading:
    """Return what a silent address shows."""
    return AddressReading(address, Stage.CONNECT, timed_out=True, failure="timed out")


def no_mqtt(address: str) -> AddressReading:
    """Return a one-way handshake behind which MQTT did not answer."""
    return AddressReading(address, Stage.MQTT, leaf_sha256="00", asked=False, required=Required.NO, failure="closed")


MUTUAL = WireState(Mode.MUTUAL, "aa", asked=True)
ONE_WAY = WireState(Mode.ONE_WAY, "00", asked=False)


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([mutual("a")], (Look.UP, MUTUAL)),
        ([mutual("a", required=Required.LIKELY)], (Look.UP, MUTUAL)),
        ([one_way("a")], (Look.UP, ONE_WAY)),
        ([one_way("a", "aa", asked=True)], (Look.UP, WireState(Mode.ONE_WAY, "aa", asked=True))),
        ([mutual("a"), mutual("b")], (Look.UP, MUTUAL)),
        ([mutual("a"), mutual("b", "bb")], (Look.MIXED, None)),
        ([mutual("a"), one_way("b", "aa")], (Look.MIXED, None)),
        ([mutual("a"), down("b")], (Look.MIXED, None)),
        ([down("a"), down("b")], (Look.DOWN, None)),
        ([down("a"), late("b")], (Look.DOWN, None)),
        ([mutual("a"), late("b")], (Look.SILENT, None)),
        ([late("a")], (Look.SILENT, None)),
        ([no_mqtt("a")], (Look.DOWN, None)),
        ([], (Look.DOWN, None)),
    ],
)
def test_addresses_together_show_one_state_or_none(
    addresses: list[AddressReading], expected: tuple[Look, WireState | None]
) -> None:
    """Only addresses that agree make a state; a time-out alone contradicts nothing."""
    seen = view(Reading(AT, tuple(addresses)))
    assert (seen.look, seen.state) == expected


def test_a_name_that_does_not_resolve_is_silence() -> None:
    """This machine's name service says nothing about the endpoint, so a count pauses."""
    seen = view(Reading(AT, (), unresolved="mqtt-1: no address"))
    assert (seen.look, seen.state, seen.words) == (Look.SILENT, None, "mqtt-1: no address")


def test_addresses_left_out_are_not_judged() -> None:
    """An address that was unreachable before the change does not spoil the picture."""
    reading = Reading(AT, (mutual("a"), down("b")))
    assert unreachable(reading) == ("b",)
    assert view(reading, ("b",)).state == MUTUAL


def test_left_out_addresses_are_judged_when_no_other_is_left() -> None:
    """When the name leads to them alone, clients go there."""
    assert view(Reading(AT, (mutual("b"),)), ("b",)).state == MUTUAL


def test_an_address_that_answers_wrongly_is_not_unreachable() -> None:
    """Clients get to it, so it is judged: an endpoint half of which doesn't speak MQTT is not clear."""
    reading = Reading(AT, (mutual("a"), no_mqtt("b")))
    assert unreachable(reading) == ()
    assert view(reading).look is Look.MIXED


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (CanaryVerdict.ACCEPTED, (Look.UP, False)),
        (CanaryVerdict.REFUSED_BY_TLS, (Look.UP, True)),
        (CanaryVerdict.REFUSED_BY_LOGIN, (Look.UP, True)),
        (CanaryVerdict.NO_ECHO, (Look.UP, True)),
        (CanaryVerdict.DISTRUSTED, (Look.UP, True)),
        (CanaryVerdict.UNREACHABLE, (Look.SILENT, None)),
    ],
)
def test_a_canary_tells_whether_a_good_client_gets_in(
    verdict: CanaryVerdict, expected: tuple[Look, bool | None]
) -> None:
    """A refused canary makes the state bad; one that could not connect only pauses the count."""
    seen = view(Reading(AT, (mutual("a"),), (CanaryResult("a", verdict, "detail"),)))
    assert (seen.look, seen.state.good_client_refused if seen.state else None) == expected


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        (MUTUAL, EndpointState(Mode.MUTUAL, "aa"), True),
        (MUTUAL, EndpointState(Mode.MUTUAL, "bb"), False),
        (MUTUAL, EndpointState(Mode.ONE_WAY), False),
        (ONE_WAY, EndpointState(Mode.ONE_WAY), True),
        (ONE_WAY, EndpointState(Mode.ONE_WAY, "another"), True),
        (WireState(Mode.MUTUAL, "aa", asked=True, good_client_refused=True), EndpointState(Mode.MUTUAL, "aa"), False),
    ],
)
def test_in_one_way_mode_the_leaf_is_not_compared(state: WireState, wanted: EndpointState, expected: bool) -> None:
    """Alibaba may change its own certificate; ours must be ours."""
    assert state.matches(wanted) is expected
