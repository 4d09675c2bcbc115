"""Reading TLS records: what the two sides said before encryption hid it.

Source: RFC 5246 and RFC 8446, and measurements of OpenSSL 3.0. Nothing here raises: malformed input yields less.
"""

from collections.abc import Iterator

_ALERT = 21
_HANDSHAKE = 22
_APPLICATION_DATA = 23
_SERVER_HELLO = 2
_CERTIFICATE = 11
_CERTIFICATE_REQUEST = 13
_SERVER_HELLO_DONE = 14
_LARGEST = 1 << 20
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2"}
# An alert is two bytes; TLS 1.3 adds the content's type and a tag of 16 bytes, whatever the cipher suite.
_PLAIN_ALERT = 2
_HIDDEN_ALERT = 2 + 1 + 16


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and payload of each whole record."""
    at = 0
    while len(data) - at >= 5:  # noqa: PLR2004  the length of a record's header
        length = int.from_bytes(data[at + 3 : at + 5])
        if len(data) - at - 5 < length:
            return
        yield data[at], data[at + 5 : at + 5 + length]
        at += 5 + length


def handshake_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and body of each handshake message in clear, up to ServerHelloDone.

    Messages may be split over records, and records may hold several messages.
    """
    clear = b"".join(payload for kind, payload in records(data[:_LARGEST]) if kind == _HANDSHAKE)
    at = 0
    while len(clear) - at >= 4:  # noqa: PLR2004  the length of a message's header
        length = int.from_bytes(clear[at + 1 : at + 4])
        if len(clear) - at - 4 < length:
            return
        yield clear[at], clear[at + 4 : at + 4 + length]
        if clear[at] == _SERVER_HELLO_DONE:
            return
        at += 4 + length


def hello_version(received: bytes) -> str | None:
    """Return the version in the ServerHello; TLS 1.3 is told as ``TLSv1.2`` there, None before a ServerHello."""
    body = next((body for kind, body in handshake_messages(received) if kind == _SERVER_HELLO), b"")
    return _VERSIONS.get(int.from_bytes(body[:2]))


def flight_is_whole(received: bytes) -> bool:
    """Return whether a TLS 1.2 server's flight is there up to ServerHelloDone, so that the client can answer it."""
    return any(kind == _SERVER_HELLO_DONE for kind, _ in handshake_messages(received))


def last_alert(received: bytes, since: int, *, hidden: bool) -> int | None:
    """Return the number of the alert in the last whole record, 0 for an encrypted one, None for no alert.

    Judged by shape: mbedTLS 3.6 sends the alert that answers an empty certificate in TLS 1.3 under keys that OpenSSL
    has left behind (measured), so that it can be recognized and not be read.

    Args:
        received: everything from the server.
        since: the record must end behind this many bytes, those that had come before the client's last flight.
        hidden: TLS 1.3, where encrypted alerts look like data.
    """
    last, at = None, 0
    for kind, payload in records(received):
        at += 5 + len(payload)
        last = (kind, payload) if at > since else None
    if last is None:
        return None
    kind, payload = last
    if kind == _ALERT:
        return payload[1] if len(payload) == _PLAIN_ALERT else 0
    return 0 if hidden and kind == _APPLICATION_DATA and len(payload) == _HIDDEN_ALERT else None


def asked_in_clear(received: bytes) -> bool | None:
    """Tell whether a TLS 1.2 server sent a CertificateRequest; None when its flight is not complete."""
    kinds = [kind for kind, _ in handshake_messages(received)]
    if _CERTIFICATE_REQUEST in kinds:
        return True
    return False if _SERVER_HELLO_DONE in kinds else None


def asked_by_shape(sent: bytes) -> bool:
    """Infer whether a TLS 1.3 server sent a CertificateRequest from the client's last flight.

    OpenSSL writes one record per message: an empty Certificate makes a second encrypted record before Finished
    (measured over 17 servers, also with HelloRetryRequest and AES-128).
    """
    return sum(kind == _APPLICATION_DATA for kind, _ in records(sent)) > 1


def chain_in_clear(received: bytes) -> tuple[bytes, ...]:
    """Return the DER certificates of a TLS 1.2 server's Certificate message, leaf first."""
    body = next((body for kind, body in handshake_messages(received) if kind == _CERTIFICATE), b"")
    listed, found, at = body[3 : 3 + int.from_bytes(body[:3])], [], 0
    while len(listed) - at >= 3:  # noqa: PLR2004  the length of a length
        length = int.from_bytes(listed[at : at + 3])
        if len(listed) - at - 3 < length:
            break
        found.append(listed[at + 3 : at + 3 + length])
        at += 3 + length
    return tuple(found)
