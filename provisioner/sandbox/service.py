"""One thread that accepts clients on a port and drives their connections; what becomes of one client is theirs."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

_STOP_WITHIN: Final = timedelta(seconds=10)


class Guest(Protocol):
    """A client from accept to close; nothing of it blocks."""

    deadline: float | None
    """When ``step`` has to be called whatever the sockets do, on the monotonic clock."""

    @property
    def closed(self) -> bool:
        """It is over."""
        ...

    def step(self) -> None:
        """Make the progress that is possible now."""
        ...

    def close(self) -> None:
        """Drop the client at once."""
        ...


Welcome = Callable[[socket.socket, selectors.BaseSelector], Guest]
"""Makes a guest of an accepted socket that doesn't block; ``OSError`` and the socket is closed. ``step`` is the data of
its keys at the selector."""


class Service:
    """One started period of a port.

    Args:
        listening: the listening socket; it is closed at the end.
        welcome: what becomes of a client.
        name: of the thread, before the port.
        max_clients: how many clients are served at a time; further ones are turned away.
    """

    def __init__(self, listening: socket.socket, welcome: Welcome, name: str, max_clients: int) -> None:
        self._listening = listening
        self._welcome = welcome
        self._max_clients = max_clients
        self._guests: set[Guest] = set()
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._listening.settimeout(0)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._stopping.set)
        name = f"{name}-{listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drop everything; on return the port is closed and the thread has ended."""
        with contextlib.suppress(OSError):  # the thread has ended by itself
            self._waker.send(b"\0")
        self._thread.join(_STOP_WITHIN.total_seconds())
        if self._thread.is_alive():
            raise RuntimeError(f"{self._thread.name}: did not end")

    def _serve(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        now = time.monotonic()
        for guest in self._guests:
            if guest.deadline is not None and guest.deadline <= now:
                guest.step()
        self._guests = {one for one in self._guests if not one.closed}

    def _patience(self) -> float | None:
        deadlines = [guest.deadline for guest in self._guests if guest.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as undo:  # a client that fails here fails alone
            client, _ = self._listening.accept()
            undo.callback(client.close)
            if len(self._guests) >= self._max_clients:
                return
            client.settimeout(0)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._guests.add(self._welcome(client, self._selector))
            undo.pop_all()

    def _close(self) -> None:
        for guest in self._guests:
            guest.close()
        self._selector.close()
        for sock in (self._listening, self._waker, self._woken):
            sock.close()
