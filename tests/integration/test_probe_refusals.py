"""When the probe says that a client certificate is required, and when it does not know."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.wire import words
from provisioner.wire.probe import StdlibWireProbe
from tests.integration import scripted_tls as scripted
from tests.servers import tls

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ALERTS = (10, 20, 21, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 70, 71, 80, 90, 109, 112, 116, 120, 200)
Facts = tuple[bool | None, Required, Stage, str]


def probe(port: int, timeout: float = tls.PATIENCE, grace: float = 1.0) -> AddressReading:
    """Probe a port of this machine."""
    made = StdlibWireProbe(timeout=timedelta(seconds=timeout), grace=timedelta(seconds=grace))
    return made.probe(Endpoint(HOST, port), "127.0.0.1")


def facts(reading: AddressReading) -> Facts:
    """Return what a reading says of the demand."""
    return reading.asked, reading.required, reading.stage, reading.failure


@pytest.fixture(params=[V12, V13], ids=["tls12", "tls13"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """Give each version of TLS."""
    return ssl.TLSVersion(request.param)


@pytest.mark.parametrize("number", ALERTS)
def test_any_alert_in_answer_to_the_empty_certificate_is_a_refusal(
    number: int, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """Servers do not agree on the alert; that one comes in answer to the empty certificate is what counts."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=version)
    with tls.serving(scripted.after_the_flight(context, scripted.alert(number))) as port:
        reading = probe(port)

    assert facts(reading) == (True, Required.YES, Stage.HANDSHAKE, words.alert(number))


def test_an_alert_that_can_not_be_decrypted_is_a_refusal(tmp_path: Path) -> None:
    """In TLS 1.3 mbedTLS sends it under keys that the client has left behind; its shape tells it."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=V13)
    with tls.serving(scripted.after_the_flight(context, scripted.HIDDEN_ALERT)) as port:
        reading = probe(port)

    assert facts(reading) == (True, Required.YES, Stage.HANDSHAKE, "alert that can't be decrypted")


def test_other_bytes_that_can_not_be_decrypted_are_no_refusal(tmp_path: Path) -> None:
    """A record of another size is a broken stream."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=V13)
    broken = b"\x17\x03\x03\x00\x20" + bytes(32)
    with tls.serving(scripted.after_the_flight(context, broken)) as port:
        reading = probe(port)

    assert (reading.asked, reading.required, words.is_alert(reading.failure)) == (True, Required.UNKNOWN, False)


@pytest.mark.parametrize("number", [42, 49, 116])
def test_an_alert_before_anything_was_asked_is_no_refusal(number: int) -> None:
    """Nothing was asked for, so nothing was refused for its lack: the name or the address may be what is refused."""
    with tls.serving(scripted.hello_answered_by(scripted.alert(number))) as port:
        reading = probe(port)

    assert facts(reading) == (None, Required.UNKNOWN, Stage.HANDSHAKE, words.alert(number))


@pytest.mark.parametrize("number", [40, 80, 116])
def test_an_alert_where_nothing_was_asked_is_no_refusal(number: int, tmp_path: Path) -> None:
    """A server that asks for no certificate refuses nobody for having none."""
    context = tls.context(tmp_path, version=V12)
    with tls.serving(scripted.after_the_flight(context, scripted.alert(number))) as port:
        reading = probe(port)

    assert facts(reading) == (False, Required.NO, Stage.HANDSHAKE, words.alert(number))


def test_a_close_in_answer_to_the_empty_certificate_is_likely_one(version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Closed before CONNECT was sent."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=version)
    with tls.serving(scripted.after_the_flight(context, b"")) as port:
        reading = probe(port)

    assert facts(reading) == (True, Required.LIKELY, Stage.HANDSHAKE, words.CLOSED)


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        (ssl.CERT_OPTIONAL, (True, Required.UNKNOWN, Stage.MQTT, words.CLOSED)),
        (ssl.CERT_NONE, (False, Required.NO, Stage.MQTT, words.CLOSED)),
    ],
    ids=["asked", "not asked"],
)
def test_a_close_after_connect_shows_nothing(
    demand: ssl.VerifyMode, expected: Facts, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """A broker may drop a login that it does not like, and a terminator may have no broker."""
    context = tls.context(tmp_path, demand=demand, version=version)
    with tls.serving(tls.over_tls(context, tls.close_when_read)) as port:
        reading = probe(port, grace=0.2)

    assert facts(reading) == expected


def test_a_silent_server_is_listened_to_for_a_second(tmp_path: Path) -> None:
    """Long enough for a slow refusal, which would be lost if CONNECT were sent before."""
    context = tls.context(tmp_path, demand=ssl.CERT_OPTIONAL, version=V12)
    with tls.serving(tls.over_tls(context)) as port:
        reading = StdlibWireProbe(timeout=timedelta(seconds=tls.PATIENCE)).probe(Endpoint(HOST, port), "127.0.0.1")

    assert (reading.required, reading.connack, 1.0 <= reading.seconds < tls.PATIENCE) == (Required.NO, 5, True)


def test_a_flight_that_is_cut_tells_nothing_of_the_mode(tmp_path: Path) -> None:
    """A mutual server behind a path that passes no long flights: TLS is spoken, and the demand was not seen."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context)) as port, scripted.cut_behind(port, 1200) as path:
        reading = probe(path)

    assert facts(reading) == (None, Required.UNKNOWN, Stage.HANDSHAKE, words.CLOSED)
    assert reading.tls_version == "TLSv1.2"


@pytest.mark.parametrize(
    ("old", "name", "failure"),
    [
        (ssl.TLSVersion.TLSv1, "TLSv1.0", "it speaks TLS 1.0 only"),
        (ssl.TLSVersion.TLSv1_1, "TLSv1.1", "it speaks TLS 1.1 only"),
    ],
)
@pytest.mark.parametrize("demand", [ssl.CERT_NONE, ssl.CERT_REQUIRED], ids=["one-way", "mutual"])
def test_a_version_below_1_2_is_told_and_nothing_else(
    old: ssl.TLSVersion, name: str, failure: str, demand: ssl.VerifyMode, tmp_path: Path
) -> None:
    """Its flight looks like one of TLS 1.2, and is of a version that devices do not speak."""
    context = scripted.old_context(tmp_path, old)
    context.verify_mode = demand
    clients: list[None] = []
    with tls.serving(scripted.counted(tls.over_tls(context), clients)) as port:
        reading = probe(port)

    assert facts(reading) == (None, Required.UNKNOWN, Stage.HANDSHAKE, failure)
    assert (reading.tls_version, reading.leaf_sha256, reading.chain, len(clients)) == (name, None, (), 1)
