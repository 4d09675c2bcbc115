"""The sandbox's broker on its plain port: logins as documented, sessions, and clients that misbehave."""

import base64
import contextlib
import logging
import queue
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from provisioner.sandbox.broker import AmqttBroker, signature_password

USER = "Signature|LTAI-test|mqtt-cn-test"
SECRET = "sandbox-secret"
CLIENT_ID = "GID_ops@@@device"
PATIENCE = 10.0


def login(username: str | None, password: str | None, client_id: str) -> bool:
    """Accept one account; one client id makes it fail as a bug would."""
    if client_id == "GID_ops@@@bug":
        raise LookupError(client_id)
    return username == USER and password == signature_password(SECRET, client_id)


@contextlib.contextmanager
def running(broker: AmqttBroker) -> Iterator[AmqttBroker]:
    """Start ``broker`` and stop it at the end."""
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker() -> Iterator[AmqttBroker]:
    """Run a broker."""
    with running(AmqttBroker(login)) as broker:
        yield broker


def connect_packet(
    client_id: str, username: str | None = None, password: str | None = None, *, protocol: tuple[str, int] = ("MQTT", 4)
) -> bytes:
    """Return a CONNECT with a clean session."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    head = _text(protocol[0]) + bytes([protocol[1], flags, 0, 60]) + (b"\0" if protocol[1] > 4 else b"")
    body = head + b"".join(_text(text) for text in (client_id, username, password) if text is not None)
    assert len(body) < 128
    return bytes([0x10, len(body)]) + body


def _text(text: str) -> bytes:
    return len(text.encode()).to_bytes(2, "big") + text.encode()


def answer(broker: AmqttBroker, *parts: bytes) -> str:
    """Send ``parts`` and return all that comes back, in hexadecimal; an empty text when it is just the end."""
    with socket.create_connection(broker.address, PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for part in parts:
                sock.sendall(part)
            return b"".join(iter(lambda: sock.recv(4096), b"")).hex()
    return ""


class Device:
    """An ordinary MQTT client; what happens to it is in ``events``, in order."""

    def __init__(self, broker: AmqttBroker, client_id: str = CLIENT_ID, *, clean_session: bool = True) -> None:
        self.events: queue.Queue[tuple[str, object]] = queue.Queue()
        self.paho = PahoClient(
            CallbackAPIVersion.VERSION2, client_id, clean_session=clean_session, reconnect_on_failure=False
        )
        self.paho.username_pw_set(USER, signature_password(SECRET, client_id))
        self.paho.on_connect = self._on_connect
        self.paho.on_subscribe = lambda *_: self.events.put(("subscribed", True))
        self.paho.on_message = self._on_message
        self.paho.on_disconnect = lambda *_: self.events.put(("disconnected", True))
        self.paho.connect(*broker.address)
        self.paho.loop_start()

    def _on_connect(
        self, _client: PahoClient, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self.events.put(("connected", not reason.is_failure))

    def _on_message(self, _client: PahoClient, _data: object, message: MQTTMessage) -> None:
        self.events.put((message.topic, message.payload))

    def next(self) -> tuple[str, object]:
        """Return what happened next."""
        return self.events.get(timeout=PATIENCE)

    def subscribe(self, *topics: str) -> tuple[str, object]:
        """Subscribe to topics; return what happened next."""
        self.paho.subscribe([(topic, 1) for topic in topics])
        return self.next()

    def publish(self, topic: str, text: str, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait until the broker has it."""
        self.paho.publish(topic, text, qos=1, retain=retain).wait_for_publish(PATIENCE)

    def close(self) -> None:
        """Disconnect and end the client's thread."""
        self.paho.disconnect()
        self.paho.loop_stop()


@contextlib.contextmanager
def device(broker: AmqttBroker, client_id: str = CLIENT_ID, *, clean_session: bool = True) -> Iterator[Device]:
    """Lend a device that is logged in."""
    with contextlib.closing(Device(broker, client_id, clean_session=clean_session)) as one:
        assert one.next() == ("connected", True)
        yield one


def test_the_password_is_the_documented_signature() -> None:
    """The password is base64 of HMAC-SHA1 over the client id, as in the second test case of RFC 2202."""
    digest = bytes.fromhex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")

    assert signature_password("Jefe", "what do ya want for nothing?") == base64.b64encode(digest).decode()


def test_a_login_exchanges_messages_on_any_topic(broker: AmqttBroker) -> None:
    """A device that logged in subscribes and publishes wherever it wants, and hears nothing of the broker's own."""
    with device(broker) as one:
        assert one.subscribe("any/+/topic", "$SYS/#", "#") == ("subscribed", True)
        one.publish("any/odd/topic", "hello")
        one.publish("end", "bye")

        heard = [one.next() for _ in range(3)]

    assert heard == [("any/odd/topic", b"hello")] * 2 + [("end", b"bye")]


@pytest.mark.parametrize(
    ("username", "password", "expected"),
    [
        (None, None, "20020005"),
        (USER, None, "20020004"),
        (USER, "", "20020004"),
        (USER, "wrong", "20020004"),
        (USER, signature_password("wrong", CLIENT_ID), "20020004"),
        (USER, signature_password(SECRET, "GID_ops@@@other"), "20020004"),
        ("Signature|other|mqtt-cn-test", signature_password(SECRET, CLIENT_ID), "20020004"),
        ("é", "é", "20020004"),
    ],
)
def test_a_wrong_login_gets_a_refusing_connack(
    broker: AmqttBroker, username: str | None, password: str | None, expected: str
) -> None:
    """Whoever is refused hears so before the connection ends."""
    assert answer(broker, connect_packet(CLIENT_ID, username, password)) == expected


def test_a_refused_stranger_leaves_the_device_of_that_name_alone(broker: AmqttBroker) -> None:
    """A refused CONNECT with a live device's client id costs that device nothing."""
    with device(broker) as one:
        one.subscribe("topic")
        refusal = answer(broker, connect_packet(CLIENT_ID))
        one.publish("topic", "still here")

        assert (refusal, one.next()) == ("20020005", ("topic", b"still here"))


@pytest.mark.parametrize("clean_session", [True, False])
def test_a_second_login_with_the_same_client_id_drops_the_first(broker: AmqttBroker, *, clean_session: bool) -> None:
    """The device that came last has the session, and works; the one before it is disconnected."""
    with device(broker, clean_session=clean_session) as first:
        first.subscribe("topic")
        with device(broker, clean_session=clean_session) as second:
            second.subscribe("topic")
            second.publish("topic", "mine")

            assert (first.next(), second.next()) == (("disconnected", True), ("topic", b"mine"))


def test_other_versions_of_mqtt_are_refused_as_such(broker: AmqttBroker) -> None:
    """MQTT 5 and 3.1 get the return code for an unacceptable version."""
    version_5 = connect_packet(CLIENT_ID, protocol=("MQTT", MQTTProtocolVersion.MQTTv5))
    version_3_1 = connect_packet(CLIENT_ID, protocol=("MQIsdp", MQTTProtocolVersion.MQTTv31))

    assert [answer(broker, version_5), answer(broker, version_3_1)] == ["20020001"] * 2


def test_a_connect_may_come_byte_by_byte_and_with_more_behind_it(broker: AmqttBroker) -> None:
    """How the network cuts a CONNECT doesn't matter, nor does what follows in the same packet."""
    packet = connect_packet(CLIENT_ID, USER, signature_password(SECRET, CLIENT_ID))
    ping, disconnect = b"\xc0\x00", b"\xe0\x00"

    answers = [
        answer(broker, *(packet[place : place + 1] for place in range(len(packet))), disconnect),
        answer(broker, packet + ping + disconnect),
    ]

    assert answers == ["20020000", "20020000d000"]


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xc0\x00",
        b"\x10\xff\xff\xff\xff\x7f",
        b"\x10\xff\xff\xff\x7f",
        b"\x10\x00",
        b"\x10\x05\x00\x04MQT",
        b"\x10\x0c\x00\x04MQTT\x04\xff\x00\x3c\xff\xff",
        connect_packet(CLIENT_ID, USER, signature_password(SECRET, CLIENT_ID)) + b"\xff\xff\xff\xff\xff",
    ],
)
def test_garbage_ends_the_connection_and_nothing_else(broker: AmqttBroker, said: bytes) -> None:
    """Whatever a client says, its connection ends at most, and the next client is served."""
    with socket.create_connection(broker.address, PATIENCE) as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while sock.recv(4096):
                pass

    with device(broker) as one:
        assert one.subscribe("topic") == ("subscribed", True)


def test_a_client_without_a_connect_is_dropped_in_time() -> None:
    """A client that opens a connection and says nothing doesn't keep it."""
    with running(AmqttBroker(login, connect_within=timedelta(milliseconds=200))) as impatient:
        assert answer(impatient, b"\x10") == ""


def test_an_exception_in_the_login_costs_that_client_alone(broker: AmqttBroker) -> None:
    """When judging a login fails, that client is dropped and others are served."""
    assert answer(broker, connect_packet("GID_ops@@@bug", USER, "x")) == ""
    with device(broker) as one:
        assert one.subscribe("topic") == ("subscribed", True)


def test_a_stop_drops_clients_and_forgets_while_the_port_stays() -> None:
    """A stop ends sessions, refuses, and loses retained messages; the next start serves on the same port."""
    broker = AmqttBroker(login)
    with running(broker):
        first = broker.address
        with device(broker) as one, socket.create_connection(first, PATIENCE):
            one.publish("kept", "old", retain=True)
            broker.stop()
            assert one.next() == ("disconnected", True)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(first, PATIENCE)
    with running(broker), device(broker) as one:
        one.subscribe("kept")
        one.publish("kept", "new")

        assert (broker.address, one.next()) == (first, ("kept", b"new"))


def test_starting_twice_is_an_error_and_stopping_twice_is_not() -> None:
    """A broker starts once, stops as often as one likes, and has no port before its first start."""
    broker = AmqttBroker(login)
    with pytest.raises(RuntimeError, match="no port"):
        _ = broker.address
    broker.stop()
    with running(broker):
        with pytest.raises(RuntimeError, match="already started"):
            broker.start()
        broker.stop()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("sandbox-broker")] == []


def test_a_port_in_use_is_reported_by_start() -> None:
    """When somebody else has the port by the time of a restart, start fails, and works once it is free."""
    broker = AmqttBroker(login)
    with running(broker):
        address = broker.address
    with socket.create_server(address), pytest.raises(OSError, match="in use"):
        broker.start()
    with running(broker):
        assert broker.address == address


def test_nothing_of_the_broker_reaches_the_logs(broker: AmqttBroker, caplog: pytest.LogCaptureFixture) -> None:
    """Even with every record wanted, the library's don't show, and no record holds a password."""
    caplog.set_level(logging.DEBUG)
    password = signature_password(SECRET, CLIENT_ID)
    with device(broker) as one:
        one.publish("topic", "text")
        answer(broker, connect_packet(CLIENT_ID, "someone", "a password"))
        answer(broker, b"garbage")

    told = [record for record in caplog.records if record.name.partition(".")[0] in {"amqtt", "transitions"}]
    assert told == []
    assert not any(secret in caplog.text for secret in (password, "a password", SECRET))
