"""The MQTT packets that probe and controls need.

Source: OASIS MQTT 3.1.1, sections 2.2, 3.1 and 3.2, and of MQTT 5 the CONNACK (3.2), which a broker may answer with.
"""

import secrets

from provisioner.model.secret import Secret

_CONNACK = 0x20
_CLEAN_SESSION, _WITH_USERNAME, _WITH_PASSWORD = 0x02, 0x80, 0x40
_CLIENT_ID_PREFIX = "provisioner-probe-"
_LONGEST_LENGTH = 4
# Flags and return code; MQTT 5 adds properties, of which no broker has so many.
_LEAST, _MOST = 2, 1 << 16

DISCONNECT = b"\xe0\x00"


def connect_packet(client_id: str | None = None, username: str | None = None, password: Secret | None = None) -> bytes:
    """Return a CONNECT of MQTT 3.1.1 with a clean session.

    A broker drops the older of two sessions with one id, so the id must never be that of a device in the field.

    Args:
        client_id: None for a random one that no device has.
        username: None for no login.
        password: sent only with a user name.
    """
    flags = _CLEAN_SESSION
    fields = [(client_id or _CLIENT_ID_PREFIX + secrets.token_hex(8)).encode()]
    if username is not None:
        flags |= _WITH_USERNAME
        fields.append(username.encode())
        if password is not None:
            flags |= _WITH_PASSWORD
            fields.append(password.reveal().encode())
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x0a"
    body += b"".join(len(field).to_bytes(2) + field for field in fields)
    return b"\x10" + _encoded(len(body)) + body


def begins_connack(answer: bytes) -> bool:
    """Return whether an answer is the beginning of a CONNACK, of which more has to come."""
    if not answer or answer[0] != _CONNACK:
        return False
    size = _header(answer)
    if size is None:
        return len(answer) <= _LONGEST_LENGTH
    header, length = size
    return _plausible(answer, header, length) and len(answer) < header + length


def connack_code(answer: bytes) -> int | None:
    """Return the return code of a CONNACK, None when the answer is none or not whole."""
    size = _header(answer)
    if size is None or answer[0] != _CONNACK:
        return None
    header, length = size
    whole = len(answer) >= header + length
    return answer[header + 1] if whole and _plausible(answer, header, length) else None


def _plausible(answer: bytes, header: int, length: int) -> bool:
    """Return whether this may be a CONNACK: a banner that begins with a blank has another length or other flags."""
    return _LEAST <= length <= _MOST and answer[header : header + 1] in {b"", b"\x00", b"\x01"}


def _header(answer: bytes) -> tuple[int, int] | None:
    """Return the sizes of a packet's fixed header and of the rest, None while the header is not whole."""
    length = 0
    for at, byte in enumerate(answer[1 : 1 + _LONGEST_LENGTH]):
        length |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:  # noqa: PLR2004  the bit that says that more follows
            return at + 2, length
    return None


def _encoded(length: int) -> bytes:
    """Return a remaining length: seven bits a byte, lowest first."""
    found = bytearray()
    while True:
        length, low = divmod(length, 0x80)
        found.append(low | (0x80 if length else 0))
        if not length:
            return bytes(found)
