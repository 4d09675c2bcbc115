"""The probe against TLS servers of every kind: what was asked for, what is required, and how that is known."""

import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.wire import words
from provisioner.wire.probe import StdlibWireProbe
from tests.servers import tls
from tests.servers.mosquitto import MosquittoListener

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CHAIN = tuple(
    ssl.PEM_cert_to_DER_cert(f"{part}-----END CERTIFICATE-----\n")
    for part in tls.CERTIFICATES.server.chain_pem.split("-----END CERTIFICATE-----\n")
    if part
)
LEAF = hashlib.sha256(CHAIN[0]).hexdigest()
SHORT = timedelta(milliseconds=400)
Server = Callable[[Path, ssl.TLSVersion], AbstractContextManager[int]]


@dataclass(frozen=True)
class Seen:
    """What a reading says of the demand for a client certificate, and how that is known."""

    asked: bool | None
    required: Required
    failure: str
    connack: int | None = None

    @classmethod
    def of(cls, reading: AddressReading) -> "Seen":
        """Return it."""
        return cls(reading.asked, reading.required, reading.failure, reading.connack)


ONE_WAY = Seen(asked=False, required=Required.NO, failure="", connack=5)
ASKS_ONLY = Seen(asked=True, required=Required.NO, failure="", connack=5)
LIKELY = Seen(asked=True, required=Required.LIKELY, failure=words.CLOSED)
REFUSED = {
    V12: Seen(asked=True, required=Required.YES, failure="alert: handshake failure"),
    V13: Seen(asked=True, required=Required.YES, failure="alert: certificate required"),
}


def probe(port: int, timeout: timedelta = timedelta(seconds=tls.PATIENCE)) -> AddressReading:
    """Probe a port of this machine."""
    return StdlibWireProbe(timeout=timeout).probe(Endpoint(HOST, port), "127.0.0.1")


def threaded(folder: Path, version: ssl.TLSVersion, demand: ssl.VerifyMode) -> AbstractContextManager[int]:
    """Serve with Python in a thread."""
    return tls.serving(tls.over_tls(tls.context(folder, demand=demand, version=version)))


def polite(folder: Path, version: ssl.TLSVersion) -> AbstractContextManager[int]:
    """Serve as nginx does with ``ssl_verify_client on``: handshake done, then a proper end without a word."""

    def speak(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        if not connection.getpeercert():
            connection.unwrap()

    return tls.serving(tls.over_tls(tls.context(folder, demand=ssl.CERT_OPTIONAL, version=version), speak))


def by_asyncio(folder: Path, version: ssl.TLSVersion, demand: ssl.VerifyMode) -> AbstractContextManager[int]:
    """Serve with asyncio."""
    return tls.serving_asyncio(tls.context(folder, demand=demand, version=version))


def by_openssl(folder: Path, version: ssl.TLSVersion, *options: str) -> AbstractContextManager[int]:
    """Serve with openssl."""
    spoken = {V12: "-tls1_2", V13: "-tls1_3"}[version]
    return tls.serving_openssl(folder, spoken, *options)


SERVERS: dict[str, Server] = {
    "threads": partial(threaded, demand=ssl.CERT_NONE),
    "threads asking": partial(threaded, demand=ssl.CERT_OPTIONAL),
    "threads requiring": partial(threaded, demand=ssl.CERT_REQUIRED),
    "polite requiring": polite,
    "asyncio": partial(by_asyncio, demand=ssl.CERT_NONE),
    "asyncio requiring": partial(by_asyncio, demand=ssl.CERT_REQUIRED),
}
EXPECTED: dict[str, Callable[[ssl.TLSVersion], Seen]] = {
    "threads": lambda _: ONE_WAY,
    "threads asking": lambda _: ASKS_ONLY,
    "threads requiring": REFUSED.__getitem__,
    "polite requiring": lambda _: LIKELY,
    "asyncio": lambda _: ONE_WAY,
    "asyncio requiring": lambda _: LIKELY,
}
OPENSSL: dict[str, tuple[tuple[str, ...], Callable[[ssl.TLSVersion], Seen]]] = {
    "one-way": ((), lambda _: ONE_WAY),
    "asking": (("-verify", "1"), lambda _: ASKS_ONLY),
    "requiring": (("-Verify", "1"), REFUSED.__getitem__),
    "one-way, another group": (("-groups", "P-384"), lambda _: ONE_WAY),
    "requiring, another group": (("-groups", "P-384", "-Verify", "1"), REFUSED.__getitem__),
    "one-way, AES-128": (("-ciphersuites", "TLS_AES_128_GCM_SHA256"), lambda _: ONE_WAY),
    "requiring, AES-128": (("-ciphersuites", "TLS_AES_128_GCM_SHA256", "-Verify", "1"), REFUSED.__getitem__),
}


@pytest.fixture(params=[V12, V13], ids=["tls12", "tls13"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """Give each version of TLS."""
    return ssl.TLSVersion(request.param)


def assert_seen(reading: AddressReading, version: ssl.TLSVersion, expected: Seen) -> None:
    """Compare what was seen: the demand, and the certificates, of which TLS 1.3 hides all but the leaf."""
    in_clear = version is V12
    assert (
        Seen.of(reading),
        reading.inferred,
        reading.tls_version,
        reading.leaf_sha256,
        reading.chain,
        reading.chain_complete,
        reading.timed_out,
        reading.stage is Stage.ANSWERED,
    ) == (
        expected,
        not in_clear,
        "TLSv1.2" if in_clear else "TLSv1.3",
        LEAF,
        CHAIN if in_clear else CHAIN[:1],
        in_clear,
        False,
        expected.connack is not None,
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_demands_of_python_servers_are_told_apart(kind: str, version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Asking, requiring and neither are told apart, with alerts and without."""
    with SERVERS[kind](tmp_path, version) as port:
        reading = probe(port)

    assert_seen(reading, version, EXPECTED[kind](version))


@pytest.mark.openssl
@pytest.mark.parametrize("kind", OPENSSL)
def test_demands_of_openssl_servers_are_told_apart(kind: str, version: ssl.TLSVersion, tmp_path: Path) -> None:
    """So they are where a second ClientHello is asked for, and with the shorter hash of AES-128."""
    options, expected = OPENSSL[kind]
    with by_openssl(tmp_path, version, *options) as port:
        reading = probe(port)

    assert_seen(reading, version, expected(version))


@pytest.mark.mosquitto
@pytest.mark.parametrize("device_cas", [(tls.CERTIFICATES.device_ca_pem,), ()], ids=["a CA", "no CA"])
@pytest.mark.parametrize("mutual", [False, True], ids=["one-way", "mutual"])
def test_demands_of_mosquitto_are_told_apart(
    version: ssl.TLSVersion,
    device_cas: tuple[str, ...],
    *,
    mutual: bool,
) -> None:
    """A broker of others is read right in either mode, whether it trusts a device CA or none."""
    lowest = "1.2" if version is V12 else "1.3"
    with contextlib.closing(MosquittoListener({"device": "password"}, lowest=lowest)) as mosquitto:
        server = tls.CERTIFICATES.server
        mosquitto.start(
            mutual=mutual, chain_pem=server.chain_pem, key_pem=server.private_key_pem, device_cas_pem=device_cas
        )
        reading = probe(mosquitto.port)

    assert_seen(reading, version, REFUSED[version] if mutual else ONE_WAY)


def test_tls_1_2_is_preferred_where_both_are_spoken(tmp_path: Path) -> None:
    """What is in clear is read, and nothing is inferred."""
    with tls.serving(tls.over_tls(tls.context(tmp_path, demand=ssl.CERT_REQUIRED))) as port:
        assert_seen(probe(port), V12, REFUSED[V12])


def test_the_endpoints_name_is_asked_for(tmp_path: Path) -> None:
    """The server sees the endpoint's name, and none where the endpoint is an address."""
    named: list[str | None] = []
    context = tls.context(tmp_path)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with tls.serving(tls.over_tls(context)) as port:
        for host in (HOST, "127.0.0.1"):
            StdlibWireProbe().probe(Endpoint(host, port), "127.0.0.1")

    assert named == [HOST, None]


def test_an_unknown_name_is_told_by_its_alert(tmp_path: Path) -> None:
    """The alert about a name that the server does not have is named, and proves nothing about client certificates."""
    context = tls.context(tmp_path)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with tls.serving(tls.over_tls(context)) as port:
        reading = probe(port)

    assert Seen.of(reading) == Seen(None, Required.UNKNOWN, "alert: unrecognized name")


def say(text: bytes) -> tls.Conversation:
    """Return a conversation of one answer to the first thing that a client says."""

    def converse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        tls.drain(connection)

    return converse


def drip(connection: socket.socket) -> None:
    """Say the beginning of a record that never ends, byte by byte."""
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while True:
        time.sleep(0.02)
        connection.sendall(b"\x02")


TROUBLE: dict[str, tuple[tls.Conversation, str]] = {
    "closes at once": (lambda _: None, words.CLOSED),
    "closes when it has read": (tls.close_when_read, words.CLOSED),
    "speaks HTTP": (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it does not speak TLS"),
    "speaks MQTT in clear": (say(bytes.fromhex("20020000")), words.CLOSED),
    "speaks garbage": (say(b"\xff" * 4096), "it does not speak TLS"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_whatever_answers_during_a_restart_is_a_reading(kind: str) -> None:
    """What is no TLS server is down: no certificate, no verdict on clients, no exception."""
    converse, failure = TROUBLE[kind]
    with tls.serving(converse) as port:
        reading = probe(port)

    assert (Seen.of(reading), reading.leaf_sha256, reading.timed_out) == (
        Seen(None, Required.UNKNOWN, failure),
        None,
        False,
    )


@pytest.mark.parametrize("converse", [tls.drain, drip], ids=["silent", "dripping"])
def test_a_probe_ends_in_time_however_slowly_it_is_answered(converse: tls.Conversation) -> None:
    """Silence, and a record that never ends, are time-outs: neither for nor against anything."""
    with tls.serving(converse) as port:
        reading = probe(port, SHORT)

    assert (Seen.of(reading), reading.timed_out, reading.stage) == (
        Seen(None, Required.UNKNOWN, "no answer in time"),
        True,
        Stage.HANDSHAKE,
    )


def test_a_closed_port_is_a_reading() -> None:
    """Refused connections are what a restart looks like."""
    with tls.serving(tls.drain) as port:
        pass
    reading = probe(port)

    assert (Seen.of(reading), reading.stage) == (Seen(None, Required.UNKNOWN, "connection refused"), Stage.CONNECT)


def test_an_answer_that_is_not_mqtt_is_said(tmp_path: Path) -> None:
    """A TLS server of something else is no MQTT endpoint; yet that it does not ask for a certificate is known."""
    context = tls.context(tmp_path, version=V12)
    with tls.serving(tls.over_tls(context, say(b"HTTP/1.1 400 Bad Request\r\n\r\n"))) as port:
        reading = probe(port)

    assert (Seen.of(reading), reading.stage) == (
        Seen(asked=False, required=Required.NO, failure="its answer is not MQTT"),
        Stage.MQTT,
    )


def test_an_answer_may_come_in_pieces(tmp_path: Path) -> None:
    """A broker that writes header and body of its CONNACK apart, each in its own TLS record, answers all the same."""

    def answer_bytewise(connection: socket.socket) -> None:
        connection.recv(1024)
        for byte in tls.REFUSED_LOGIN:
            connection.sendall(bytes([byte]))
        tls.drain(connection)

    with tls.serving(tls.over_tls(tls.context(tmp_path, version=V12), answer_bytewise)) as port:
        reading = probe(port)

    assert (Seen.of(reading), reading.stage, reading.connack) == (
        ONE_WAY,
        Stage.ANSWERED,
        tls.REFUSED_LOGIN[-1],
    )


def test_a_server_that_asks_and_then_stays_silent_is_undecided(tmp_path: Path) -> None:
    """A time-out after the demand proves neither that a certificate is required nor that it is not."""
    context = tls.context(tmp_path, demand=ssl.CERT_OPTIONAL, version=V12)
    with tls.serving(tls.over_tls(context, tls.drain)) as port:
        reading = probe(port, timedelta(seconds=2))

    assert (Seen.of(reading), reading.timed_out) == (
        Seen(asked=True, required=Required.UNKNOWN, failure="no answer in time"),
        True,
    )
