"""TLS servers that stop in the midst: their flight is real, and what follows it is written by hand."""

import contextlib
import itertools
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.servers import tls

HIDDEN_ALERT = b"\x17\x03\x03\x00\x13" + bytes(range(19))
"""An alert of TLS 1.3 under keys that the client has left behind, as mbedTLS 3.6 sends it."""


def alert(number: int) -> bytes:
    """Return the record of a fatal alert in clear."""
    return b"\x15\x03\x03\x00\x02\x02" + bytes([number])


def after_the_flight(context: ssl.SSLContext, answer: bytes) -> tls.Conversation:
    """Return a server that sends its flight, reads the client's, and answers that by these bytes or by closing."""

    def converse(plain: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(plain.recv(16384))
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        plain.sendall(outgoing.read())
        plain.recv(16384)
        if answer:
            plain.sendall(answer)
        plain.shutdown(socket.SHUT_WR)
        tls.drain(plain)

    return converse


def in_turn(*conversations: tls.Conversation) -> tls.Conversation:
    """Return a server that treats its first client so, its second one so, and all further ones like the last."""
    turns = itertools.chain(conversations, itertools.repeat(conversations[-1]))

    def converse(connection: socket.socket) -> None:
        next(turns)(connection)

    return converse


def counted(converse: tls.Conversation, counter: list[None]) -> tls.Conversation:
    """Return the same server, which counts its clients."""

    def count(connection: socket.socket) -> None:
        counter.append(None)
        converse(connection)

    return count


def hello_answered_by(answer: bytes) -> tls.Conversation:
    """Return a server that answers a ClientHello by these bytes or by closing."""

    def converse(plain: socket.socket) -> None:
        plain.recv(16384)
        if answer:
            plain.sendall(answer)
        plain.shutdown(socket.SHUT_WR)
        tls.drain(plain)

    return converse


def old_context(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a server's context that speaks an old version of TLS only."""
    made = tls.context(folder)
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version, made.maximum_version = version, version
    return made


@contextlib.contextmanager
def cut_behind(port: int, limit: int) -> Iterator[int]:
    """Lend a path to a server that ends after so many bytes of the server's."""

    def converse(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            up = threading.Thread(target=_pass, args=(client, server, None), daemon=True)
            up.start()
            _pass(server, client, limit)
            for one in (client, server):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            up.join(tls.PATIENCE)

    with tls.serving(converse) as path:
        yield path


def _pass(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while data := source.recv(16384):
            allowed = data if limit is None else data[: limit - passed]
            sink.sendall(allowed)
            passed += len(allowed)
            if passed == limit:
                return
