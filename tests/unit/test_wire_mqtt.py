"""The two packets of MQTT: what a probe says, and what it makes of the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("20020000", 0),
        ("20020005", 5),
        ("20020105", 5),
        ("2003000000", 0),
        ("2002000020020000", 0),
        ("200200", None),
        ("20", None),
        ("", None),
        ("d0000000", None),
        ("485454502f312e31", None),
    ],
)
def test_a_connack_gives_its_return_code(answer: str, expected: int | None) -> None:
    """Any CONNACK counts, refusing ones too; anything else, and a cut one, gives nothing."""
    assert mqtt.connack_code(bytes.fromhex(answer)) == expected


@given(st.binary(max_size=64))
def test_any_answer_gives_a_code_or_nothing(answer: bytes) -> None:
    """Hostile bytes never raise, and only what begins like a CONNACK gives a code."""
    code = mqtt.connack_code(answer)

    assert (code is not None) == (len(answer) >= 4 and answer[0] == 0x20)
