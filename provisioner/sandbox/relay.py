"""One client of a listener: its TLS handshake, then bytes to and from the plain broker.

Nothing here blocks: a ``Connection`` makes the progress that its two sockets allow, tells the selector what it waits
for, and is asked again. TLS works on the socket itself, hence real alerts: asyncio's TLS, which buffers in memory,
ends a refused handshake without sending one (measured).
"""

import contextlib
import enum
import errno
import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from provisioner.sandbox.pipe import BLOCKED, CHUNK, MOVES_PER_TURN, Pipe, events, watch

_log = logging.getLogger(__name__)

_LINGER: Final = timedelta(seconds=1)
_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK})
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE


class Phase(enum.Enum):
    """Where a connection stands; it goes forward only."""

    HANDSHAKE = enum.auto()
    ALONE = enum.auto()
    RELAY = enum.auto()
    LINGER = enum.auto()
    CLOSED = enum.auto()


class Connection:
    """A client from accept to close.

    ::

        HANDSHAKE --done--> RELAY --the broker closed--> LINGER --the client closed, or a second--> CLOSED
            |                 `-----the client closed-------------------------------------------->
            |-----no broker--> ALONE --the client spoke--> LINGER
            |-----refused, or not admitted--------------> LINGER
            `-----too slow----------------------------------------------------------------------->

    Lingering reads and forgets until the client closes: closing a socket with unread bytes resets the connection, and
    the reset overtakes the alert or the CONNACK sent just before (measured with a broker that doesn't linger).

    Args:
        client: the accepted socket, wrapped for TLS, not blocking, handshake not begun.
        broker_address: host and port of the plain broker; with none the client is dropped at its first bytes.
        selector: where the connection waits for its sockets; ``step`` is the data of its keys.
        handshake_within: how long the client may take for its handshake, and then for its first bytes without a broker.
        admit: returns whether a client with this certificate (DER) may stay; everybody may when there is none.

    Attributes:
        phase: where it stands.
        deadline: when ``step`` has to be called whatever the sockets do, on the monotonic clock.
    """

    def __init__(
        self,
        client: ssl.SSLSocket,
        broker_address: tuple[str, int] | None,
        selector: selectors.BaseSelector,
        handshake_within: timedelta,
        admit: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._client = client
        self._broker_address = broker_address
        self._admit = admit
        self._broker = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._up = Pipe(self._client, self._broker)
        self._down = Pipe(self._broker, self._client)
        self._selector = selector
        self._steps: dict[Phase, Callable[[], None]] = {
            Phase.HANDSHAKE: self._handshake,
            Phase.ALONE: self._alone,
            Phase.RELAY: self._relay,
            Phase.LINGER: self._linger,
        }
        self.phase = Phase.HANDSHAKE
        self.deadline: float | None = time.monotonic() + handshake_within.total_seconds()
        self._watch(self._client, _READ)

    @property
    def closed(self) -> bool:
        """It is over."""
        return self.phase is Phase.CLOSED

    def step(self) -> None:
        """Make the progress that is possible now; a closed connection makes none."""
        if self.phase is Phase.CLOSED:
            return
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.close()
            return
        try:
            self._steps[self.phase]()
        except OSError as error:
            _log.debug("connection dropped: %s", type(error).__name__)
            self.close()

    def close(self) -> None:
        """Drop the client at once, without a word."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self.deadline = None
        for sock in (self._client, self._broker):
            self._watch(sock, 0)
            sock.close()

    def _handshake(self) -> None:
        try:
            self._client.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(self._client, _READ)
        except ssl.SSLWantWriteError:
            self._watch(self._client, _WRITE)
        except OSError as error:
            _log.debug("handshake ended: %s", getattr(error, "reason", None) or type(error).__name__)
            self._begin_linger()
        else:
            self._begin()

    def _begin(self) -> None:
        certificate = self._client.getpeercert(binary_form=True)
        if self._admit is not None and certificate is not None and not self._admit(certificate):
            self._begin_linger()
        elif self._broker_address is None:
            self.phase = Phase.ALONE
            self._watch(self._client, _READ)
            self._alone()  # the first bytes may have come with the end of the handshake
        else:
            self._begin_relay(self._broker_address)

    def _alone(self) -> None:
        with contextlib.suppress(*BLOCKED):
            self._client.recv(CHUNK)
            self._end_session()

    def _begin_relay(self, broker_address: tuple[str, int]) -> None:
        self.phase = Phase.RELAY
        self.deadline = None
        self._watch(self._client, 0)
        self._broker.settimeout(0)
        self._broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._broker.connect_ex(broker_address) in _UNDER_WAY:
            self._watch(self._broker, _WRITE)  # should it fail, the first read tells
        else:
            self._end_session()

    def _relay(self) -> None:
        for _ in range(MOVES_PER_TURN):
            if not any([self._down.move(), self._up.move()]):
                break
        self._wait_or_end()

    def _wait_or_end(self) -> None:
        if self._up.drained or self._down.broken:
            self.close()
        elif self._down.drained:
            self._end_session()
        else:
            self._watch(self._client, events(read=self._up.wants_read, write=self._down.wants_write))
            self._watch(self._broker, events(read=self._down.wants_read, write=self._up.wants_write))

    def _end_session(self) -> None:
        with contextlib.suppress(OSError):  # it sends close_notify, then asks for the client's, which isn't waited for
            self._client.unwrap()
        self._begin_linger()

    def _begin_linger(self) -> None:
        self.phase = Phase.LINGER
        self.deadline = time.monotonic() + _LINGER.total_seconds()
        self._watch(self._broker, 0)
        self._broker.close()
        self._client.shutdown(socket.SHUT_WR)
        self._watch(self._client, _READ)

    def _linger(self) -> None:
        with contextlib.suppress(*BLOCKED):
            for _ in range(MOVES_PER_TURN):
                if not self._client.recv(CHUNK):
                    self.close()
                    break

    def _watch(self, sock: socket.socket, wanted: int) -> None:
        watch(self._selector, sock, wanted, self.step)
