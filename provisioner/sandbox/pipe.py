"""Bytes on their way between two sockets that don't block, and what a selector has to wait for."""

import selectors
import socket
import ssl
from collections.abc import Callable
from typing import Final

CHUNK: Final = 16 * 1024  # a whole TLS record: none of it stays where the selector doesn't see it
BLOCKED: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
MOVES_PER_TURN: Final = 16
_HELD_AT_MOST: Final = 64 * 1024


class Pipe:
    """Bytes on their way in one direction; what the sink doesn't take yet is held, and the source waits.

    Attributes:
        ended: the source has no more.
        broken: the sink takes no more.
    """

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self._source = source
        self._sink = sink
        self._held = bytearray()
        self.ended = False
        self.broken = False

    @property
    def wants_read(self) -> bool:
        """There is room for more from the source."""
        return not self.ended and not self.broken and len(self._held) < _HELD_AT_MOST

    @property
    def wants_write(self) -> bool:
        """Something is held for the sink."""
        return bool(self._held)

    @property
    def drained(self) -> bool:
        """The source has ended and the sink has everything."""
        return self.ended and not self._held

    def move(self) -> bool:
        """Read once and write once, as far as that is possible now; tell whether anything moved."""
        filled = self.wants_read and self._fill()
        flushed = self.wants_write and self._flush()
        return filled or flushed

    def _fill(self) -> bool:
        try:
            data = self._source.recv(CHUNK)
        except BLOCKED:
            return False
        except ConnectionError:
            data = b""
        self.ended = not data
        self._held += data
        return not self.ended

    def _flush(self) -> bool:
        try:
            sent = self._sink.send(bytes(self._held[:CHUNK]))
        except BLOCKED:
            return False
        except ConnectionError:
            self.broken = True
            self._held.clear()
            return False
        del self._held[:sent]
        return True


def events(*, read: bool, write: bool) -> int:
    """Return what a selector has to wait for, 0 for nothing."""
    return (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)


def watch(selector: selectors.BaseSelector, sock: socket.socket, wanted: int, step: Callable[[], None]) -> None:
    """Let a selector wait for these events of a socket, none when 0; ``step`` is the key's data."""
    if sock.fileno() < 0:
        return
    known = sock in selector.get_map()
    if known and wanted:
        selector.modify(sock, wanted, step)
    elif known:
        selector.unregister(sock)
    elif wanted:
        selector.register(sock, wanted, step)
