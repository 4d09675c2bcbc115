"""A loopback port that an endpoint keeps for its lifetime, whether or not it serves."""

import contextlib
import os
import socket
import sys
from ipaddress import ip_address
from typing import Final

_BACKLOG: Final = 128
_RESERVES_WHILE_LISTENING: Final = sys.platform == "linux"
"""Whether a second socket may hold the port without listening, so that nobody else gets it while it is closed."""


class Port:
    """A port that is chosen once: it refuses connections until it listens, and nobody else gets it.

    Args:
        host: the IPv4 loopback address.
        port: the port; 0 chooses a free one.

    Raises:
        ValueError: ``host`` is not a loopback address.
    """

    def __init__(self, host: str, port: int) -> None:
        if not ip_address(host).is_loopback:
            raise ValueError(f"{host}: the sandbox serves on loopback only")
        self._reserve: socket.socket | None = _bound((host, port))
        self.address: tuple[str, int] = self._reserve.getsockname()

    def listen(self) -> socket.socket:
        """Return a socket that listens on the port; the caller closes it, then calls ``reserve``."""
        if not _RESERVES_WHILE_LISTENING:
            self.release()
        listening = _bound(self.address)
        listening.listen(_BACKLOG)
        return listening

    def reserve(self) -> None:
        """Hold the port while nobody listens on it."""
        if self._reserve is None:
            self._reserve = _bound(self.address)

    def release(self) -> None:
        """Give the port back."""
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None


def _bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that holds the port and refuses connections until it listens."""
    with contextlib.ExitStack() as undo:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        undo.callback(sock.close)
        if os.name != "nt":  # there it would let anybody take the port over
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        undo.pop_all()
    return sock
