"""A broker without TLS, as small as a probe needs: it reads CONNECT, and answers or not.

Use ``with serving_plain(answer(0)) as port``. Where clients do more than connect, mosquitto stands in.
"""

import contextlib
import socket
from collections.abc import Iterator

from tests.servers import tls

ACCEPTED = 0
NOT_AUTHORIZED = 5
_HAS_USER_NAME = 0x80
# Of CONNECT in MQTT 3.1.1, behind its length: the protocol's name in six bytes, the level, the flags.
_FLAGS_AT = 7


def answer(code: int) -> tls.Conversation:
    """Return the conversation of a broker that answers every CONNECT with this return code."""

    def converse(connection: socket.socket) -> None:
        _read_connect(connection)
        connection.sendall(bytes([0x20, 2, 0, code]))
        tls.drain(connection)

    return converse


def drop_without_login(connection: socket.socket) -> None:
    """Accept a CONNECT with a user name, and close the connection of one without."""
    if _read_connect(connection)[_FLAGS_AT] & _HAS_USER_NAME:
        connection.sendall(bytes([0x20, 2, 0, ACCEPTED]))
        tls.drain(connection)


def drop(connection: socket.socket) -> None:
    """Read a CONNECT and close the connection."""
    _read_connect(connection)


silent = tls.drain
"""Read and never answer."""


@contextlib.contextmanager
def serving_plain(converse: tls.Conversation) -> Iterator[int]:
    """Serve many clients at once; gives the loopback port."""
    with tls.serving(converse, at_once=True) as port:
        yield port


def _read_connect(connection: socket.socket) -> bytes:
    """Return what stands behind the length of a CONNECT. Raises ``ConnectionError`` if the client leaves before."""
    if _exactly(connection, 1)[0] != 0x10:
        raise ConnectionError("this is no CONNECT")
    length, shift = 0, 0
    while True:
        byte = _exactly(connection, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the client has left")
        data += more
    return data
