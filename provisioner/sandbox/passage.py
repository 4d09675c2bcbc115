"""One client of a balancer: raw bytes to and from a backend, and the end of either side passed on."""

import contextlib
import enum
import selectors
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from provisioner.sandbox.pipe import BLOCKED, CHUNK, MOVES_PER_TURN, Pipe, events, watch

_LINGER: Final = timedelta(seconds=1)


class _Phase(enum.Enum):
    RELAY = enum.auto()
    LINGER = enum.auto()
    CLOSED = enum.auto()


class Passage:
    """A client's bytes to and from one backend, and the end of either side passed on.

    ::

        RELAY --the backend closed--> LINGER --the client closed, or a second--> CLOSED
          `-----the client takes no more--------------------------------------->

    Lingering reads and forgets, for the reason that ``relay.Connection`` has: a socket closed with unread bytes resets
    the connection, and the reset overtakes the alert that the backend sent just before. For the same reason a client
    that closes only its own direction is still given what comes.

    Args:
        client: the accepted socket, not blocking.
        backend: the connection to the backend, not blocking.
        selector: where it waits for both; ``step`` is the data of its keys.
        left: called once, when it is over.
    """

    def __init__(
        self, client: socket.socket, backend: socket.socket, selector: selectors.BaseSelector, left: Callable[[], None]
    ) -> None:
        self._client = client
        self._backend = backend
        self._up = Pipe(client, backend)
        self._down = Pipe(backend, client)
        self._selector = selector
        self._left = left
        self._passed_on = False
        self._phase = _Phase.RELAY
        self.deadline: float | None = None
        self._wait()

    @property
    def closed(self) -> bool:
        """It is over."""
        return self._phase is _Phase.CLOSED

    def step(self) -> None:
        """Make the progress that is possible now."""
        if self.closed:
            return
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.close()
            return
        try:
            (self._relay if self._phase is _Phase.RELAY else self._linger)()
        except OSError:
            self.close()

    def close(self) -> None:
        """Drop both sides at once."""
        if self.closed:
            return
        self._phase = _Phase.CLOSED
        self.deadline = None
        for sock in (self._client, self._backend):
            watch(self._selector, sock, 0, self.step)
            sock.close()
        self._left()

    def _relay(self) -> None:
        for _ in range(MOVES_PER_TURN):
            if not any([self._down.move(), self._up.move()]):
                break
        if self._down.broken:
            self.close()
        elif self._down.drained:
            self._begin_linger()
        else:
            self._pass_end_on()
            self._wait()

    def _pass_end_on(self) -> None:
        """Tell the backend once that the client sends no more."""
        if self._up.drained and not self._passed_on:
            self._passed_on = True
            with contextlib.suppress(OSError):  # it is gone; the next read tells
                self._backend.shutdown(socket.SHUT_WR)

    def _wait(self) -> None:
        for sock, source, sink in ((self._client, self._up, self._down), (self._backend, self._down, self._up)):
            watch(self._selector, sock, events(read=source.wants_read, write=sink.wants_write), self.step)

    def _begin_linger(self) -> None:
        watch(self._selector, self._backend, 0, self.step)
        self._backend.close()
        if self._up.ended:
            self.close()
            return
        self._phase = _Phase.LINGER
        self.deadline = time.monotonic() + _LINGER.total_seconds()
        self._client.shutdown(socket.SHUT_WR)
        watch(self._selector, self._client, selectors.EVENT_READ, self.step)

    def _linger(self) -> None:
        with contextlib.suppress(*BLOCKED):
            for _ in range(MOVES_PER_TURN):
                if not self._client.recv(CHUNK):
                    self.close()
                    break
