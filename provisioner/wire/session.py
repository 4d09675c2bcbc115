"""A TLS session over memory buffers, whose bytes are kept so that what the server said in clear can be read.

Standard library and public API only. Belongs here: moving bytes, and what they show of the handshake. Does not: judging
it.
"""

import socket
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

from provisioner.wire import tap

T = TypeVar("T")

_MOST_BYTES = 1 << 20


class Session:
    """A client's TLS session on a connected socket.

    Args:
        connection: the socket; it stays the caller's to close.
        context: with one version of TLS alone, so that it is known what was offered.
        server_name: asked for by SNI, None for no name.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, server_name: str | None) -> None:
        self._connection = connection
        self._in_1_2 = context.maximum_version == ssl.TLSVersion.TLSv1_2
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._sent = bytearray()
        self._received = bytearray()
        self._heard_at_last_flight = 0

    def run(self, step: Callable[[], T], end: float) -> T:
        """Return what a TLS operation returns, moving bytes until it can be done. Raises ``OSError``.

        Args:
            step: the operation.
            end: on the monotonic clock; ``TimeoutError`` after it.
        """
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush(end)
                self._receive(end)
            except ssl.SSLError:
                self._send_farewell(end)
                raise
            else:
                self._flush(end)
                return done

    def read(self) -> bytes:
        """Return decrypted bytes, none at the end of the stream."""
        try:
            return self.tls.read(1024)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def write(self, data: bytes, end: float) -> None:
        """Send bytes. Raises ``OSError``."""
        self.run(lambda: self.tls.write(data), end)

    @property
    def version(self) -> str | None:
        """The version that both sides speak, or the one of a ServerHello that was refused."""
        return self.tls.version() or (tap.hello_version(bytes(self._received)) if self._in_1_2 else None)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The served certificates in DER, leaf first, as far as they are in clear."""
        return tap.chain_in_clear(bytes(self._received)) if self._readable else ()

    @property
    def leaf(self) -> bytes | None:
        """The served leaf in DER, None while none was seen."""
        try:
            whole = self.tls.getpeercert(binary_form=True)
        except ValueError:  # the handshake has not been done
            whole = None
        return whole or next(iter(self.chain), None)

    @property
    def inferred(self) -> bool:
        """Whether ``asked`` is inferred from the shape of the client's flight."""
        return self.tls.version() == "TLSv1.3"

    @property
    def asked(self) -> bool | None:
        """Whether the server asked for a client certificate, None while it has not told."""
        if self.inferred:
            return tap.asked_by_shape(bytes(self._sent))
        return tap.asked_in_clear(bytes(self._received)) if self._readable else None

    @property
    def certificate_sent(self) -> bool:
        """Whether the client's answer to the server's flight was sent, with its certificate or an empty one."""
        return self.inferred or tap.flight_is_whole(bytes(self._received[: self._heard_at_last_flight]))

    @property
    def last_alert(self) -> int | None:
        """The alert in the last record that came after the client's last flight, 0 when encrypted, None for none."""
        return tap.last_alert(bytes(self._received), self._heard_at_last_flight, hidden=not self._in_1_2)

    @property
    def _readable(self) -> bool:
        """Whether the flight is one of TLS 1.2; that of TLS 1.0 looks alike, and OpenSSL refuses it only afterwards."""
        return self._in_1_2 and tap.hello_version(bytes(self._received)) == "TLSv1.2"

    def _receive(self, end: float) -> None:
        self._limit(end)
        data = self._connection.recv(16384)
        if len(self._received) < _MOST_BYTES:
            self._received.extend(data)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self, end: float) -> None:
        # An empty send would eat a pending reset, and with it the alert before it.
        if data := self._outgoing.read():
            self._sent.extend(data)
            self._heard_at_last_flight = len(self._received)
            self._limit(end)
            self._connection.sendall(data)

    def _send_farewell(self, end: float) -> None:
        """Send the alert that OpenSSL answers a failure with; it is no flight, and that it fails does not matter."""
        data = self._outgoing.read()
        try:
            self._limit(end)
            if data:
                self._connection.sendall(data)
        except OSError:
            return

    def _limit(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
