"""The plain brokers behind balancers answer, or drop, as their names say."""

import socket

import pytest

from provisioner.wire import mqtt
from tests.servers import tls
from tests.servers.plain_broker import ACCEPTED, NOT_AUTHORIZED, answer, drop, drop_without_login, serving_plain, silent
from tests.servers.ports import HOST

WITH_LOGIN = bytes.fromhex("10120004") + b"MQTT" + bytes.fromhex("04c2000a") + bytes.fromhex("0000000175000170")
WITHOUT_LOGIN = mqtt.connect_packet()


def said(converse: tls.Conversation, packet: bytes) -> bytes | None:
    """Return what a broker answers to a packet that comes in two pieces; None for silence."""
    with serving_plain(converse) as port, socket.create_connection((HOST, port), 10) as connection:
        connection.sendall(packet[:1])
        connection.sendall(packet[1:])
        connection.settimeout(0.2 if converse is silent else 10)
        try:
            return connection.recv(16)
        except TimeoutError:
            return None


@pytest.mark.parametrize(
    ("converse", "without_login", "with_login"),
    [
        (answer(ACCEPTED), "20020000", "20020000"),
        (answer(NOT_AUTHORIZED), "20020005", "20020005"),
        (drop_without_login, "", "20020000"),
        (drop, "", ""),
        (silent, None, None),
    ],
    ids=["accepts", "refuses", "drops without login", "drops", "silent"],
)
def test_a_plain_broker_keeps_its_manner(
    converse: tls.Conversation, without_login: str | None, with_login: str | None
) -> None:
    """A CONNECT is answered, dropped, or neither, and that may depend on its login."""
    answers = [said(converse, packet) for packet in (WITHOUT_LOGIN, WITH_LOGIN)]

    assert [None if one is None else one.hex() for one in answers] == [without_login, with_login]
