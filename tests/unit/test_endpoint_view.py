"""What a reading over several addresses shows."""

from datetime import UTC, datetime

import pytest

from provisioner.model.instance import EndpointState, Mode
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
from provisioner.planning.endpoint_view import unreachable, view
from provisioner.planning.wire_state import Gap, Look, WireState

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


def test_a_left_out_address_is_judged_once_it_answers() -> None:
    """An address that was dead before the change and comes back stale is met by clients again."""
    assert view(Reading(AT, (mutual("a"), one_way("b"))), ("b",)).look is Look.MIXED


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
        (CanaryVerdict.DISTRUSTED, (Look.UP, True)),
        (CanaryVerdict.CUT_OFF, (Look.DOWN, None)),
        (CanaryVerdict.REFUSED_BY_LOGIN, (Look.DOWN, None)),
        (CanaryVerdict.NO_ECHO, (Look.DOWN, None)),
        (CanaryVerdict.UNREACHABLE, (Look.SILENT, None)),
    ],
)
def test_a_canary_tells_whether_a_good_client_gets_in(
    verdict: CanaryVerdict, expected: tuple[Look, bool | None]
) -> None:
    """An alert, or a chain that the canary refuses, makes the state bad; what a restart looks like too makes none."""
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


def accepted(address: str = "a", leaf: str = "aa") -> CanaryResult:
    """Return a canary that is let in on a leaf."""
    return CanaryResult(address, CanaryVerdict.ACCEPTED, "logged in", leaf_sha256=leaf)


def control(kind: Control, end: ControlEnd, leaf: str = "aa") -> ControlResult:
    """Return how a control ended."""
    return ControlResult("a", kind, end, end.value, with_login=True, leaf_sha256=leaf, asked=True)


def closed_late(*, asked: bool) -> AddressReading:
    """Return what a broker shows that drops a CONNECT without login."""
    required = Required.UNKNOWN if asked else Required.NO
    return AddressReading("a", Stage.MQTT, leaf_sha256="aa", asked=asked, required=required, failure="closed")


BOTH_REFUSED = (
    control(Control.NO_CERTIFICATE, ControlEnd.CLOSED_LATE),
    control(Control.UNKNOWN_CERTIFICATE, ControlEnd.CLOSED_EARLY),
)


@pytest.mark.parametrize(
    ("probe", "canaries", "controls", "gaps"),
    [
        (mutual("a"), (), (), {Gap.UNKNOWN_CERTIFICATE}),
        (mutual("a"), (), (control(Control.UNKNOWN_CERTIFICATE, ControlEnd.ALERT),), set()),
        (mutual("a"), (), (control(Control.UNKNOWN_CERTIFICATE, ControlEnd.CLOSED_EARLY),), {Gap.UNKNOWN_CERTIFICATE}),
        (mutual("a", required=Required.LIKELY), (), BOTH_REFUSED, set(Gap)),
        (mutual("a", required=Required.LIKELY), (accepted(),), BOTH_REFUSED, set()),
        (
            mutual("a"),
            (accepted(),),
            (control(Control.UNKNOWN_CERTIFICATE, ControlEnd.UNREACHABLE),),
            {Gap.UNKNOWN_CERTIFICATE},
        ),
    ],
)
def test_what_was_not_shown_is_a_gap(
    probe: AddressReading,
    canaries: tuple[CanaryResult, ...],
    controls: tuple[ControlResult, ...],
    gaps: set[Gap],
) -> None:
    """An alert shows a refusal by itself; a close does so beside a device that is let in on the same leaf."""
    seen = view(Reading(AT, (probe,), canaries, controls=controls))
    assert (seen.look, set(seen.gaps)) == (Look.UP, gaps)


@pytest.mark.parametrize(
    ("canaries", "controls", "state"),
    [
        ((), (), None),
        ((accepted(),), (), None),
        ((), BOTH_REFUSED, None),
        ((accepted(),), BOTH_REFUSED, Mode.MUTUAL),
        ((accepted(),), (control(Control.NO_CERTIFICATE, ControlEnd.LET_IN),), Mode.ONE_WAY),
        ((accepted(),), (control(Control.NO_CERTIFICATE, ControlEnd.UNREACHABLE),), None),
    ],
)
def test_a_close_after_connect_shows_nothing_by_itself(
    canaries: tuple[CanaryResult, ...], controls: tuple[ControlResult, ...], state: Mode | None
) -> None:
    """A broker may drop who does not log in; the same login with and without certificate tells."""
    seen = view(Reading(AT, (closed_late(asked=True),), canaries, controls=controls))
    assert (seen.state.mode if seen.state else None) == state


def test_a_certificate_that_nobody_knows_and_that_is_let_in_spoils_the_state() -> None:
    """An endpoint that takes any certificate demands none."""
    controls = (control(Control.UNKNOWN_CERTIFICATE, ControlEnd.LET_IN),)
    seen = view(Reading(AT, (mutual("a"),), (accepted(),), controls=controls))
    assert seen.state is not None
    assert (seen.state.any_certificate, seen.state.matches(EndpointState(Mode.MUTUAL, "aa"))) == (True, False)
    assert "accepts certificates of unknown CAs" in seen.words


@pytest.mark.parametrize(
    ("canaries", "controls"),
    [
        ((accepted(leaf="00"),), ()),
        ((accepted(),), (control(Control.NO_CERTIFICATE, ControlEnd.OTHER_LEAF, "00"),)),
        ((accepted(),), (control(Control.NO_CERTIFICATE, ControlEnd.LET_IN),)),
    ],
)
def test_sessions_are_connections_like_the_probes(
    canaries: tuple[CanaryResult, ...], controls: tuple[ControlResult, ...]
) -> None:
    """A session that met another leaf, or was let in where probes are refused, met another backend."""
    assert view(Reading(AT, (mutual("a"),) * 3, canaries, controls=controls)).look is Look.MIXED


def test_devices_that_differ_are_a_mixture() -> None:
    """One backend that refuses the canary beside one that lets it in is no clear state."""
    refused = CanaryResult("a", CanaryVerdict.REFUSED_BY_TLS, "alert: unknown CA", leaf_sha256="aa")
    assert view(Reading(AT, (mutual("a"),), (accepted(), refused))).look is Look.MIXED
