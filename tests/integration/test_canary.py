"""The canary in front of the sandbox's endpoint and of mosquitto: every verdict, each for its own reason."""

import contextlib
import gc
import hashlib
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from paho.mqtt.client import Client

from provisioner.model.instance import Endpoint
from provisioner.model.reading import CanaryResult, CanaryVerdict
from provisioner.model.secret import Secret
from provisioner.sandbox.broker import AmqttBroker
from provisioner.sandbox.certificates import KeyPair, SandboxCertificates
from provisioner.sandbox.listener import Listener, ThreadedListener
from provisioner.wire.canary import Device, PahoCanary
from tests.integration.scripted_tls import after_the_flight, alert
from tests.servers import tls
from tests.servers.mosquitto import MosquittoListener

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
USER, PASSWORD, CLIENT_ID, TOPIC = "device", "password of the device", "GID_ops@@@canary", "provisioner/canary"
STRANGERS = SandboxCertificates()
PATIENT, FAIR, SHORT = timedelta(seconds=tls.PATIENCE), timedelta(seconds=4), timedelta(seconds=0.5)
LEAF = hashlib.sha256(ssl.PEM_cert_to_DER_cert(tls.CERTIFICATES.server.certificate_pem)).hexdigest()
# Of a handshake that failed half-way only later versions of Python tell the leaf.
HALFWAY = LEAF if sys.version_info >= (3, 13) else None
ACCEPTED = CanaryResult(
    "127.0.0.1", CanaryVerdict.ACCEPTED, "logged in, message there and back", 0, echoed=True, leaf_sha256=LEAF
)


@dataclass(frozen=True)
class Canary:
    """A canary's files, and sessions of it."""

    folder: Path

    def device(self, pair: KeyPair = tls.CERTIFICATES.device) -> Device:
        """Return the ordinary device, with another certificate where one is given."""
        certificate, key = self.folder / "device.crt", self.folder / "device.key"
        certificate.write_text(pair.chain_pem, encoding="ascii")
        key.touch(0o600)
        key.write_text(pair.private_key_pem, encoding="ascii")
        return Device(certificate, key, CLIENT_ID, username=USER, password=Secret(PASSWORD), topic=TOPIC)

    def attempt(
        self,
        port: int,
        device: Device | None = None,
        *,
        trust: str = tls.CERTIFICATES.root_pem,
        host: str = HOST,
        timeout: timedelta = PATIENT,
    ) -> CanaryResult:
        """Try a session."""
        canary = PahoCanary(device or self.device(), [trust], timeout)
        return canary.attempt(Endpoint(host, port), "127.0.0.1")


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    """Give the canary."""
    return Canary(tmp_path)


@contextlib.contextmanager
def sandbox(tls_versions: tuple[str, ...] = ("1.2", "1.3")) -> Iterator[ThreadedListener]:
    """Lend the sandbox's listener in front of the sandbox's broker."""
    broker = AmqttBroker(lambda user, password, _: (user, password) == (USER, PASSWORD))
    broker.start()
    try:
        with contextlib.closing(ThreadedListener(broker.address, tls_versions=tls_versions)) as listener:
            yield listener
    finally:
        broker.stop()


def mosquitto(*more: str) -> contextlib.AbstractContextManager[MosquittoListener]:
    """Lend mosquitto."""
    return contextlib.closing(MosquittoListener({USER: PASSWORD}, more=more))


BROKERS: dict[str, Callable[[], contextlib.AbstractContextManager[Listener]]] = {
    "sandbox, TLS 1.2": lambda: sandbox(("1.2",)),
    "sandbox, TLS 1.3": lambda: sandbox(("1.3",)),
    "mosquitto": mosquitto,
}


@pytest.fixture(params=[*list(BROKERS)[:2], pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def broker(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """Lend each broker, not started."""
    with BROKERS[request.param]() as listener:
        yield listener


def start(listener: Listener, *cas: str, mutual: bool = True) -> None:
    """Start a listener with the sandbox's certificate."""
    server = tls.CERTIFICATES.server
    listener.start(
        mutual=mutual,
        chain_pem=server.chain_pem,
        key_pem=server.private_key_pem,
        device_cas_pem=cas or (tls.CERTIFICATES.device_ca_pem,),
    )


@pytest.mark.parametrize("mutual", [True, False], ids=["mutual", "one-way"])
def test_a_good_device_gets_its_message_back(broker: Listener, canary: Canary, *, mutual: bool) -> None:
    """Certificate and login are accepted, and a message goes there and back, in either mode and again and again."""
    start(broker, mutual=mutual)

    assert [canary.attempt(broker.port) for _ in range(2)] == [ACCEPTED, ACCEPTED]


def test_without_a_topic_a_login_is_enough(broker: Listener, canary: Canary) -> None:
    """No message is sent where none is configured."""
    start(broker)
    result = canary.attempt(broker.port, replace(canary.device(), topic=None))

    assert result == CanaryResult("127.0.0.1", CanaryVerdict.ACCEPTED, "logged in", 0, leaf_sha256=LEAF)


def test_a_refused_login_is_told_from_a_refused_certificate(broker: Listener, canary: Canary) -> None:
    """A wrong password is the broker's refusal, with its code, after TLS let the device in."""
    start(broker)
    result = canary.attempt(broker.port, replace(canary.device(), password=Secret("wrong")))

    refusals = {4: "bad user name or password", 5: "not authorized"}
    assert result.connack in {134, 135}
    assert result == CanaryResult(
        "127.0.0.1",
        CanaryVerdict.REFUSED_BY_LOGIN,
        f"login refused: {refusals[{134: 4, 135: 5}[result.connack]]}",
        result.connack,
        leaf_sha256=LEAF,
    )


def test_without_a_login_any_connack_is_acceptance(broker: Listener, canary: Canary) -> None:
    """A device without user name proves TLS alone: the broker refuses it, by a CONNACK."""
    start(broker)
    result = canary.attempt(broker.port, replace(canary.device(), username=None, password=None))

    assert (result.verdict, result.connack is not None) == (CanaryVerdict.ACCEPTED, True)
    assert result.detail == "TLS accepted; any CONNACK counts without a login"


@pytest.mark.parametrize("pair", [STRANGERS.device, tls.CERTIFICATES.server], ids=["of a stranger", "for servers"])
def test_a_certificate_of_no_device_ca_is_refused_by_tls(broker: Listener, canary: Canary, pair: KeyPair) -> None:
    """The server's alert decides, in TLS 1.3 too, where it comes after the handshake."""
    start(broker)
    result = canary.attempt(broker.port, canary.device(pair))

    assert result == CanaryResult(
        "127.0.0.1",
        CanaryVerdict.REFUSED_BY_TLS,
        "the server refuses the device certificate: alert: unknown CA",
        leaf_sha256=refused_leaf(broker),
    )


def test_where_no_device_ca_is_trusted_nobody_gets_in(broker: Listener, canary: Canary) -> None:
    """An endpoint that trusts another device CA refuses a good device."""
    start(broker, STRANGERS.device_ca_pem)
    result = canary.attempt(broker.port)

    assert result == CanaryResult(
        "127.0.0.1",
        CanaryVerdict.REFUSED_BY_TLS,
        "the server refuses the device certificate: alert: unknown CA",
        leaf_sha256=refused_leaf(broker),
    )


def test_a_server_of_another_ca_is_distrusted(broker: Listener, canary: Canary) -> None:
    """The canary trusts what devices trust, and says what is wrong."""
    start(broker)
    result = canary.attempt(broker.port, trust=STRANGERS.root_pem)

    assert result == CanaryResult(
        "127.0.0.1",
        CanaryVerdict.DISTRUSTED,
        "the canary refuses the server's certificate: unable to get local issuer certificate",
        leaf_sha256=HALFWAY,
    )


def test_a_server_of_another_name_is_distrusted(broker: Listener, canary: Canary) -> None:
    """The endpoint's name is verified, and not the address that is connected to."""
    start(broker)
    result = canary.attempt(broker.port, host="mqtt.example.com")

    assert (result.verdict, "hostname mismatch" in result.detail) == (CanaryVerdict.DISTRUSTED, True)
    assert result.leaf_sha256 == HALFWAY


def test_a_closed_port_is_unreachable(broker: Listener, canary: Canary) -> None:
    """Between stop and start nothing is said about the device."""
    result = canary.attempt(broker.port)

    assert result == CanaryResult("127.0.0.1", CanaryVerdict.CUT_OFF, "connection refused")


@pytest.mark.parametrize(
    ("converse", "timeout", "verdict", "detail"),
    [
        (
            lambda connection: connection.sendall(b"HTTP/1.1 400\r\n\r\n"),
            PATIENT,
            CanaryVerdict.CUT_OFF,
            "it does not speak TLS",
        ),
        (tls.drain, SHORT, CanaryVerdict.UNREACHABLE, "no answer in time"),
    ],
    ids=["speaks HTTP", "silent"],
)
def test_what_is_no_tls_server_is_unreachable(
    canary: Canary, converse: tls.Conversation, timeout: timedelta, verdict: CanaryVerdict, detail: str
) -> None:
    """What a restart shows says nothing about the device."""
    with tls.serving(converse) as port:
        result = canary.attempt(port, timeout=timeout)

    assert result == CanaryResult("127.0.0.1", verdict, detail)


CUT_OFF = CanaryResult(
    "127.0.0.1",
    CanaryVerdict.CUT_OFF,
    "the server closes the connection without an alert: it refuses the device certificate, or it restarts",
    leaf_sha256=LEAF,
)


def test_a_broker_without_an_answer_is_unreachable(canary: Canary, tmp_path: Path) -> None:
    """TLS with silence behind it says nothing about the device."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context, tls.drain)) as port:
        result = canary.attempt(port, timeout=FAIR)

    assert result == CanaryResult(
        "127.0.0.1", CanaryVerdict.UNREACHABLE, "no CONNACK: no answer in time", leaf_sha256=LEAF
    )


def test_a_session_that_is_just_closed_is_cut_off(canary: Canary, tmp_path: Path) -> None:
    """Some servers let the handshake pass and close before CONNACK, as the service is documented to do."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context, tls.close_when_read)) as port:
        result = canary.attempt(port)

    assert result == CUT_OFF


def scripted(*answers: bytes) -> tls.Conversation:
    """Return a broker that gives these answers, one for each thing that it hears, and then none."""

    def speak(connection: socket.socket) -> None:
        for answer in answers:
            if not connection.recv(4096):
                return
            connection.sendall(answer)
        tls.drain(connection)

    return speak


LOGGED_IN, GRANTED, DENIED = bytes.fromhex("20020000"), bytes.fromhex("9003000101"), bytes.fromhex("9003000180")


def test_a_refused_subscription_is_no_echo(canary: Canary, tmp_path: Path) -> None:
    """A device that may log in and not subscribe has no session worth the name."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context, scripted(LOGGED_IN, DENIED))) as port:
        result = canary.attempt(port)

    assert result == CanaryResult(
        "127.0.0.1", CanaryVerdict.NO_ECHO, "logged in, but the subscription was refused", 0, leaf_sha256=LEAF
    )


def test_a_message_that_stays_away_is_no_echo(canary: Canary, tmp_path: Path) -> None:
    """A message of somebody else does not count as the canary's own."""
    other = b"\x30" + bytes([2 + len(TOPIC) + 4]) + len(TOPIC).to_bytes(2) + TOPIC.encode() + b"else"
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context, scripted(LOGGED_IN, GRANTED, other))) as port:
        result = canary.attempt(port, timeout=FAIR)

    assert result == CanaryResult(
        "127.0.0.1", CanaryVerdict.NO_ECHO, "logged in, but its message did not come back", 0, leaf_sha256=LEAF
    )


@pytest.mark.mosquitto
def test_a_message_that_mosquitto_drops_is_no_echo(canary: Canary) -> None:
    """A broker that takes the message and delivers it to nobody is noticed."""
    with mosquitto("message_size_limit 8") as broker:
        start(broker)
        result = canary.attempt(broker.port, timeout=FAIR)

    assert (result.verdict, result.echoed) == (CanaryVerdict.NO_ECHO, False)


def test_a_failed_session_leaves_nothing_open(canary: Canary) -> None:
    """No session lives on after its verdict, until the garbage collector comes by: a long restart makes many."""
    gc.collect()
    gc.disable()
    try:
        with tls.serving(lambda _: None) as port:
            canary.attempt(port)
        left = [item for item in gc.get_objects() if isinstance(item, Client)]
    finally:
        gc.enable()

    assert left == []


def locked(pem: str) -> str:
    """Return a private key under a password."""
    key = load_pem_private_key(pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")).decode()


def test_a_locked_key_is_opened_by_its_password(canary: Canary) -> None:
    """A private key may lie under a password."""
    device = replace(canary.device(), key_password=Secret("password"))
    device.private_key.write_text(locked(tls.CERTIFICATES.device.private_key_pem), encoding="ascii")
    with sandbox() as broker:
        start(broker)

        assert canary.attempt(broker.port, device) == ACCEPTED


def test_files_that_go_meanwhile_do_not_end_a_wait(canary: Canary) -> None:
    """Between a switch and its end the device's files may be renewed; the canary goes on with what it has loaded."""
    device = canary.device()
    loaded = PahoCanary(device, [tls.CERTIFICATES.root_pem], PATIENT)
    with sandbox() as broker:
        start(broker)
        first = loaded.attempt(Endpoint(HOST, broker.port), "127.0.0.1")
        device.certificate.unlink()
        device.private_key.unlink()
        second = loaded.attempt(Endpoint(HOST, broker.port), "127.0.0.1")

    assert [first, second] == [ACCEPTED, ACCEPTED]


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])


def refused_leaf(broker: Listener) -> str | None:
    """Return the leaf that a refused session has seen: TLS 1.2 refuses within the handshake."""
    with socket.create_connection((broker.host, broker.port)) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with context.wrap_socket(plain):
                return LEAF
        except ssl.SSLError:
            return HALFWAY


@VERSIONS
def test_a_refusal_without_an_alert_is_no_verdict_on_the_device(
    canary: Canary, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Where a server just closes, a refused device looks like a restart."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=version)
    with tls.serving_asyncio(context) as port:
        result = canary.attempt(port, canary.device(STRANGERS.device))

    assert result == replace(CUT_OFF, leaf_sha256=HALFWAY if version is ssl.TLSVersion.TLSv1_2 else LEAF)


@pytest.mark.parametrize(
    ("number", "verdict", "detail"),
    [
        (40, CanaryVerdict.REFUSED_BY_TLS, "the server refuses the device certificate: alert: handshake failure"),
        (42, CanaryVerdict.REFUSED_BY_TLS, "the server refuses the device certificate: alert: bad certificate"),
        (80, CanaryVerdict.CUT_OFF, "alert: internal error"),
    ],
)
def test_an_alert_that_speaks_of_the_certificate_is_a_refusal(
    canary: Canary, tmp_path: Path, number: int, verdict: CanaryVerdict, detail: str
) -> None:
    """Others say nothing of the device."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=ssl.TLSVersion.TLSv1_2)
    with tls.serving(after_the_flight(context, alert(number))) as port:
        result = canary.attempt(port)

    assert result == CanaryResult("127.0.0.1", verdict, detail, leaf_sha256=HALFWAY)


def test_a_refusal_that_comes_late_is_one(canary: Canary, tmp_path: Path) -> None:
    """A server of TLS 1.3 may take its time with the device's certificate; the alert counts all the same."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=ssl.TLSVersion.TLSv1_3)

    def converse(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(16384))
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        connection.sendall(outgoing.read())
        incoming.write(connection.recv(16384))
        time.sleep(0.6)
        with contextlib.suppress(ssl.SSLError):
            half.do_handshake()
        connection.sendall(outgoing.read())
        tls.drain(connection)

    with tls.serving(converse) as port:
        result = canary.attempt(port, canary.device(STRANGERS.device))

    assert result == CanaryResult(
        "127.0.0.1",
        CanaryVerdict.REFUSED_BY_TLS,
        "the server refuses the device certificate: alert: unknown CA",
        leaf_sha256=LEAF,
    )


def test_a_dot_at_the_end_of_the_endpoints_name_is_no_part_of_it(canary: Canary) -> None:
    """It is neither asked for nor verified."""
    with sandbox() as broker:
        start(broker)

        assert canary.attempt(broker.port, host=f"{HOST}.") == ACCEPTED
