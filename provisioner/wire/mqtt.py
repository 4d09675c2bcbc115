"""The two MQTT 3.1.1 packets that a probe needs.

Source: OASIS MQTT 3.1.1, sections 3.1 and 3.2.
"""

import secrets

_CONNACK = 0x20
_WHOLE = 4
_CLIENT_ID_PREFIX = "provisioner-probe-"

DISCONNECT = b"\xe0\x00"


def connect_packet() -> bytes:
    """Return a CONNECT without login, with a random client id that no device has.

    A broker drops the older of two sessions with one id, so the id must never be a device's.
    """
    client_id = (_CLIENT_ID_PREFIX + secrets.token_hex(8)).encode()
    variable = b"\x00\x04MQTT\x04\x02\x00\x0a"
    payload = len(client_id).to_bytes(2) + client_id
    return bytes([0x10, len(variable) + len(payload)]) + variable + payload


def begins_connack(answer: bytes) -> bool:
    """Tell whether an answer is the beginning of a CONNACK, of which more has to come."""
    return answer[:1] == bytes([_CONNACK]) and len(answer) < _WHOLE


def connack_code(answer: bytes) -> int | None:
    """Return the return code of a CONNACK, None when the answer is none or not whole."""
    if len(answer) < _WHOLE or answer[0] != _CONNACK:
        return None
    return answer[3]
