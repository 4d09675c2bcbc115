"""Loopback ports that a test keeps for its servers, also while nobody listens there."""

import contextlib
import socket
import sys
from collections.abc import Iterator

HOST = "127.0.0.1"
_HELD_WHILE_LISTENING = sys.platform == "linux"
"""Whether a second socket may hold the port while a server listens there, so that nobody else ever gets it."""


def bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that holds the port and refuses connections until somebody listens there."""
    with contextlib.ExitStack() as undo:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        undo.callback(made.close)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        undo.pop_all()
    return made


class Reserve:
    """A free loopback port, held until ``release``."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = bound((HOST, 0))
        self.address: tuple[str, int] = self._socket.getsockname()

    @property
    def port(self) -> int:
        """The port; it stays the same."""
        return self.address[1]

    def lend(self) -> None:
        """Make way for a server of another process that is about to listen there."""
        if not _HELD_WHILE_LISTENING:
            self.release()

    def take_back(self) -> None:
        """Hold the port again, now that the server has ended."""
        if self._socket is None:
            self._socket = bound(self.address)

    def release(self) -> None:
        """Give the port back, for good; a second time it does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """Give a port that refuses every connection."""
    with contextlib.closing(bound((HOST, 0))) as held:
        yield held.getsockname()[1]


def accepts(port: int) -> bool:
    """Return whether somebody accepts connections at a loopback port."""
    try:
        socket.create_connection((HOST, port), 5).close()
    except ConnectionError:
        return False
    return True
