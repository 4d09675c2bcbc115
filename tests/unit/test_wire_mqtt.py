"""The packets of MQTT: what probe and controls say, and what they make of the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.secret import Secret
from provisioner.wire import mqtt


def test_a_connect_is_one_of_mqtt_3_1_1_with_a_clean_session() -> None:
    """The packet is whole, names the protocol, wants no login, and ends with the client id."""
    packet = mqtt.connect_packet()
    client_id = packet[14:]

    assert packet[:14] == bytes([0x10, len(packet) - 2]) + b"\x00\x04MQTT\x04\x02\x00\x0a" + len(client_id).to_bytes(2)
    assert client_id.startswith(b"provisioner-probe-")


def test_no_two_connects_have_the_same_client_id() -> None:
    """No probe drops the session of another one, nor of a device."""
    assert len({mqtt.connect_packet() for _ in range(200)}) == 200


def test_a_connect_with_a_login_is_one_of_mqtt_3_1_1() -> None:
    """Client id, user name and password follow each other, and the flags say so."""
    packet = mqtt.connect_packet("id", "user", Secret("word"))

    assert packet == bytes.fromhex("101a") + b"\x00\x04MQTT\x04\xc2\x00\x0a\x00\x02id\x00\x04user\x00\x04word"


def test_a_user_name_may_come_without_a_password() -> None:
    """Then there is no empty one either."""
    assert mqtt.connect_packet("id", "user") == b"\x10\x14\x00\x04MQTT\x04\x82\x00\x0a\x00\x02id\x00\x04user"


@pytest.mark.parametrize(("size", "length"), [(105, "7f"), (106, "8001"), (20000, "b69c01")])
def test_a_long_login_makes_a_length_of_several_bytes(size: int, length: str) -> None:
    """Tokens as passwords are longer than what one byte can say."""
    packet = mqtt.connect_packet("id", "user", Secret("x" * size))

    assert packet.startswith(bytes.fromhex("10" + length) + b"\x00\x04MQTT")
    assert packet.endswith(b"x" * size)


LONG = "20" + "8402" + "0000" + "8002" + "26" * 256
ANSWERS: dict[str, tuple[str, int | None]] = {
    "accepted": ("20020000", 0),
    "refused": ("20020005", 5),
    "session present": ("20020105", 5),
    "MQTT 5 without properties": ("2003008700", 0x87),
    "MQTT 5 with long properties": (LONG, 0),
    "more packets behind it": ("2002000020020000", 0),
    "a length in more bytes than needed": ("2082800000" + "05", 5),
    "cut": ("200200", None),
    "cut in its length": ("2083", None),
    "cut in its properties": (LONG[:-2], None),
    "a header alone": ("20", None),
    "nothing": ("", None),
    "too short to be one": ("200100", None),
    "a length without end": ("20ffffffff00", None),
    "flags that do not exist": ("20020200", None),
    "another packet": ("d0000000", None),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_connack_gives_its_return_code(kind: str) -> None:
    """Any CONNACK counts, refusing ones too; anything else, and a cut one, gives nothing."""
    answer, expected = ANSWERS[kind]

    assert mqtt.connack_code(bytes.fromhex(answer)) == expected


@pytest.mark.parametrize("answer", [bytes.fromhex("20020005"), bytes.fromhex(LONG), bytes.fromhex("2003008700")])
def test_a_connack_in_pieces_is_waited_for(answer: bytes) -> None:
    """Each beginning of one says that more has to come, the whole of it does not."""
    assert [mqtt.begins_connack(answer[:size]) for size in range(1, len(answer))] == [True] * (len(answer) - 1)
    assert mqtt.begins_connack(answer) is False


@pytest.mark.parametrize(
    "banner",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"220-FTP\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b" leading blank\r\n",
        b"    \r\n",
        b"* OK IMAP4rev1\r\n",
        b"\x20\xff\xff\xff\xff",
        b"",
    ],
)
def test_a_banner_is_no_half_connack(banner: bytes) -> None:
    """Other protocols speak first, or answer a CONNECT by words: that is not MQTT, and nothing is waited for."""
    assert (mqtt.begins_connack(banner), mqtt.connack_code(banner)) == (False, None)


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: b"\x20" + rest))
def test_any_answer_gives_a_code_or_nothing(answer: bytes) -> None:
    """Hostile bytes never raise; what is a CONNACK is not the beginning of one."""
    code = mqtt.connack_code(answer)

    assert code is None or (0 <= code <= 255 and answer[0] == 0x20 and not mqtt.begins_connack(answer))
