"""The sandbox's endpoint as clients see it: alerts, modes, stops, and clients that misbehave."""

import contextlib
import errno
import hashlib
import queue
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from paho.mqtt.client import Client as Device
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from provisioner.sandbox import tls
from provisioner.sandbox.broker import AmqttBroker, signature_password
from provisioner.sandbox.certificates import SandboxAuthority
from provisioner.sandbox.listener import ThreadedListener
from tests.sandbox.tls_client import (
    CERTIFICATES,
    CUT_OFF,
    NO_CERTIFICATE,
    PATIENCE,
    REFUSED_LOGIN,
    SECRET,
    STRANGERS,
    UNKNOWN_CA,
    USER,
    V12,
    V13,
    Client,
    answer,
    listener_threads,
    login,
    start,
)


@pytest.fixture(scope="module")
def broker() -> Iterator[AmqttBroker]:
    """Run one plain broker for all tests of this file."""
    broker = AmqttBroker(login)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker: AmqttBroker) -> Iterator[ThreadedListener]:
    """Lend a listener that isn't started."""
    with contextlib.closing(ThreadedListener(broker.address)) as listener:
        yield listener


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lend a folder for the certificates of clients, which ssl reads from files."""
    return tmp_path


@pytest.mark.parametrize("version", [V12, V13])
def test_one_way_serves_everybody(listener: ThreadedListener, folder: Path, version: ssl.TLSVersion) -> None:
    """Without mutual authentication any client reaches the broker, certificate or not."""
    start(listener)

    outcomes = [Client(folder, version, pair).outcome(listener) for pair in (None, STRANGERS.device)]

    assert outcomes == [REFUSED_LOGIN, REFUSED_LOGIN]


@pytest.mark.parametrize("version", [V12, V13])
def test_mutual_sends_real_alerts(listener: ThreadedListener, folder: Path, version: ssl.TLSVersion) -> None:
    """Only certificates of a registered device CA pass, and each refusal is the alert that its TLS version has."""
    start(listener, mutual=True)
    pairs = [None, STRANGERS.device, CERTIFICATES.device, CERTIFICATES.issue_device("GID_x@@@y")]

    outcomes = [Client(folder, version, pair).outcome(listener) for pair in pairs]

    assert outcomes == [NO_CERTIFICATE[version], UNKNOWN_CA, REFUSED_LOGIN, REFUSED_LOGIN]


@pytest.mark.parametrize("version", [V12, V13])
def test_a_server_certificate_is_no_device(listener: ThreadedListener, folder: Path, version: ssl.TLSVersion) -> None:
    """A certificate for servers is refused even where its CA is registered."""
    authority = SandboxAuthority("both")
    start(listener, mutual=True, cas=(authority.certificate_pem,))

    outcome = Client(folder, version, authority.issue_server(["a.example.com"])).outcome(listener)

    assert outcome == "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"


@pytest.mark.parametrize("version", [V12, V13])
def test_mutual_without_device_cas_refuses_everybody(
    listener: ThreadedListener, folder: Path, version: ssl.TLSVersion
) -> None:
    """An empty list of device CAs trusts nobody, and not some default."""
    start(listener, mutual=True, cas=())

    outcomes = [Client(folder, version, pair).outcome(listener) for pair in (None, CERTIFICATES.device)]

    assert outcomes == [NO_CERTIFICATE[version], UNKNOWN_CA]


@pytest.mark.parametrize("version", [V12, V13])
def test_anonymous_is_the_fault_of_asking_without_requiring(
    listener: ThreadedListener, folder: Path, version: ssl.TLSVersion
) -> None:
    """With the fault a client without certificate passes; one with a stranger's is still refused."""
    start(listener, mutual=True, anonymous=True)

    outcomes = [
        Client(folder, version, pair).outcome(listener) for pair in (None, CERTIFICATES.device, STRANGERS.device)
    ]

    assert outcomes == [REFUSED_LOGIN, REFUSED_LOGIN, UNKNOWN_CA]


def test_any_of_several_device_cas_passes(listener: ThreadedListener, folder: Path) -> None:
    """Each registered CA counts, an intermediate without its root too."""
    root = SandboxAuthority("root of an owner", path_length=1)
    intermediate = SandboxAuthority("intermediate of an owner", issuer=root)
    start(listener, mutual=True, cas=(CERTIFICATES.device_ca_pem, intermediate.certificate_pem))
    pairs = [CERTIFICATES.device, intermediate.issue_client("a"), root.issue_client("b")]

    assert [Client(folder, None, pair).outcome(listener) for pair in pairs] == [
        REFUSED_LOGIN,
        REFUSED_LOGIN,
        UNKNOWN_CA,
    ]


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        (("1.2",), ["TLSv1.2", "TLSV1_ALERT_PROTOCOL_VERSION"]),
        (("1.3",), ["TLSV1_ALERT_PROTOCOL_VERSION", "TLSv1.3"]),
        (("1.2", "1.3"), ["TLSv1.2", "TLSv1.3"]),
    ],
)
def test_tls_versions_are_those_asked_for(
    broker: AmqttBroker, folder: Path, spoken: tuple[str, ...], expected: list[str]
) -> None:
    """A client of another TLS version is turned away with an alert."""

    def negotiated(listener: ThreadedListener, version: ssl.TLSVersion) -> str | None:
        try:
            with Client(folder, version).connected(listener) as secured:
                return secured.version()
        except ssl.SSLError as error:
            return error.reason

    with contextlib.closing(ThreadedListener(broker.address, tls_versions=spoken)) as listener:
        start(listener)

        assert [negotiated(listener, version) for version in (V12, V13)] == expected


def test_a_device_with_certificate_and_login_exchanges_messages(listener: ThreadedListener, folder: Path) -> None:
    """An ordinary MQTT client logs in through mutual TLS, and gets back what it publishes."""
    start(listener, mutual=True)
    client_id = "GID_ops@@@canary"
    heard: queue.Queue[bytes | str] = queue.Queue()

    def on_connect(device: Device, *_: object) -> None:
        device.subscribe("a/topic", qos=1)

    def on_subscribe(device: Device, *_: object) -> None:
        device.publish("a/topic", "hello", qos=1)

    def on_message(_device: Device, _data: object, message: MQTTMessage) -> None:
        heard.put(bytes(message.payload))

    device = Device(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
    device.username_pw_set(USER, signature_password(SECRET, client_id))
    context = Client(folder, None, CERTIFICATES.device).context()
    context.check_hostname = False
    device.tls_set_context(context)
    device.on_connect, device.on_subscribe, device.on_message = on_connect, on_subscribe, on_message
    device.on_disconnect = lambda *_: heard.put("disconnected")
    device.connect(listener.host, listener.port)
    device.loop_start()
    try:
        assert heard.get(timeout=PATIENCE) == b"hello"
        listener.stop()
        assert heard.get(timeout=PATIENCE) == "disconnected"
    finally:
        device.disconnect()
        device.loop_stop()


def test_a_stop_drops_established_clients_and_then_refuses(listener: ThreadedListener, folder: Path) -> None:
    """On return from stop the client's connection has ended and the port refuses; a start opens the same port."""
    port = listener.port
    start(listener)
    with Client(folder).logged_in(listener) as established:
        listener.stop()
        assert answer(established) == CUT_OFF
    stopped = Client(folder).outcome(listener)
    start(listener)

    assert (stopped, Client(folder).outcome(listener), listener.port) == (
        "ConnectionRefusedError",
        REFUSED_LOGIN,
        port,
    )


def test_a_port_that_was_never_started_refuses(listener: ThreadedListener, folder: Path) -> None:
    """The port is chosen at once, and refuses connections until the first start."""
    assert Client(folder).outcome(listener) == "ConnectionRefusedError"


def test_a_restart_serves_another_certificate(listener: ThreadedListener, folder: Path) -> None:
    """What is served is what the last start was given."""
    other = STRANGERS.server
    seen = []
    for pair in (CERTIFICATES.server, other):
        start(listener, pair=pair)
        context = Client(folder).context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((listener.host, listener.port), PATIENCE) as plain,
            context.wrap_socket(plain) as secured,
        ):
            seen.append(hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest())
        listener.stop()

    assert seen == [
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate_pem)).hexdigest()
        for pair in (CERTIFICATES.server, other)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the port is only taken again after a stop")
def test_the_port_stays_taken_while_stopped(listener: ThreadedListener) -> None:
    """Nobody else gets the port between a stop and the next start; a close gives it back."""

    def taken() -> bool:
        with socket.socket() as other:
            return _error(other, listener) == errno.EADDRINUSE

    before = taken()
    start(listener)
    listener.stop()
    between = taken()
    listener.close()

    assert (before, between, taken()) == (True, True, False)


def _error(sock: socket.socket, listener: ThreadedListener) -> int | None:
    try:
        sock.bind((listener.host, listener.port))
    except OSError as error:
        return error.errno
    return None


def test_starting_twice_is_an_error_and_stopping_twice_is_not(listener: ThreadedListener, folder: Path) -> None:
    """A second start fails and changes nothing; a second stop or close does nothing; closed is for good."""
    start(listener)
    with pytest.raises(RuntimeError, match="already started"):
        start(listener, mutual=True)
    served = Client(folder).outcome(listener)
    for _ in range(2):
        listener.stop()
    for _ in range(2):
        listener.close()
    with pytest.raises(RuntimeError, match="closed"):
        start(listener)

    assert (served, listener_threads()) == (REFUSED_LOGIN, 0)


def test_unusable_material_is_refused_before_the_port_opens(listener: ThreadedListener, folder: Path) -> None:
    """A key that doesn't fit, is locked, or isn't one, and a CA that isn't one, are named without being shown."""
    key = serialization.load_pem_private_key(CERTIFICATES.server.private_key_pem.encode(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    ).decode()
    chain = CERTIFICATES.server.chain_pem
    failures = []
    for key_pem, ca_pem in [
        (STRANGERS.server.private_key_pem, CERTIFICATES.device_ca_pem),
        (locked, CERTIFICATES.device_ca_pem),
        ("no key", CERTIFICATES.device_ca_pem),
        (CERTIFICATES.server.private_key_pem, "no certificate"),
        (CERTIFICATES.server.private_key_pem, ""),
        (CERTIFICATES.server.private_key_pem, "é"),
    ]:
        with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
            listener.start(mutual=True, chain_pem=chain, key_pem=key_pem, device_cas_pem=[ca_pem])
        failures.append(str(caught.value).split(":")[0])

    assert failures == [
        "chain and private key can't be used together",
        "the private key must not have a passphrase",
        "chain and private key can't be used together",
        *["a device CA can't be read as a certificate in PEM"] * 3,
    ]
    assert Client(folder).outcome(listener) == "ConnectionRefusedError"


@pytest.mark.parametrize("lend", [tls._in_memory, tls._on_disk])
def test_the_key_is_gone_once_it_is_loaded(
    lend: Callable[[bytes], contextlib.AbstractContextManager[Path]],
) -> None:
    """The file that ssl reads the key from is the owner's alone, and doesn't outlive the reading."""
    if lend is tls._in_memory and sys.platform != "linux":
        pytest.skip("files in memory are Linux's")
    with lend(b"secret") as path:
        content = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)

    assert (content, path.exists()) == (b"secret", False)
    assert lend is tls._in_memory or mode == 0o600
