"""Reading TLS records: what the two sides said before encryption hid it.

Source: RFC 5246 and RFC 8446, and measurements of OpenSSL 3.0. Everything here is total: hostile bytes give less, never
an exception.
"""

from collections.abc import Iterator

_HANDSHAKE = 22
_APPLICATION_DATA = 23
_CERTIFICATE = 11
_CERTIFICATE_REQUEST = 13
_SERVER_HELLO_DONE = 14
_LARGEST = 1 << 20


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
