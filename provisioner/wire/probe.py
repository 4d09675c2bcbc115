"""The probe: one look at one address, as a client without certificate.

Standard library and public API only: a TLS connection over memory buffers whose bytes are kept, so that what the server
said in clear can be read. TLS 1.2 first, the version that Alibaba documents, because there the demand for a client
certificate and the whole chain are in clear; TLS 1.3 only for servers that refuse 1.2.
"""

import errno
import hashlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TypeVar

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.wire import mqtt, tap, words

T = TypeVar("T")

# This machine's network has no way there now, which says as little about the endpoint as silence.
_NO_WAY = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH}
_MOST_BYTES = 1 << 20
# Ends of a handshake with which servers refuse a version; those that send no alerts just close (asyncio, measured).
_VERSION_REFUSALS = {
    "alert: protocol version",
    "it does not speak this version of TLS",
    words.HANDSHAKE_FAILURE,
    words.CLOSED,
}


class StdlibWireProbe:
    """Implements ``ports.WireProbe``.

    Args:
        timeout: for one address in all, however slowly it answers.
        grace: how long a server that asked for a certificate is listened to before CONNECT is sent. Writing first loses
            the alert that it may be about to send (measured: 25 of 30 times).
    """

    def __init__(
        self, timeout: timedelta = timedelta(seconds=3), grace: timedelta = timedelta(milliseconds=500)
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._grace = grace.total_seconds()

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Connect once, with SNI, and tell what was seen; never raises for what a network or a server does."""
        began = time.monotonic()
        end = began + self._timeout
        look = self._look(endpoint, address, ssl.TLSVersion.TLSv1_2, end)
        if look.stage is Stage.HANDSHAKE and look.failure in _VERSION_REFUSALS and not look.leaf:
            look = self._look(endpoint, address, ssl.TLSVersion.TLSv1_3, end)
        return look.reading(address, time.monotonic() - began)

    def _look(self, endpoint: Endpoint, address: str, version: ssl.TLSVersion, end: float) -> "_Look":
        look = _Look()
        try:
            left = end - time.monotonic()
            with socket.create_connection((address, endpoint.port), max(left, 0.01)) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                session = _Session(connection, _context(version), _server_name(endpoint.host))
                self._converse(session, look, end)
        except OSError as error:
            look.timed_out = isinstance(error, TimeoutError) or error.errno in _NO_WAY
            look.failure = words.describe(error)
        return look

    def _converse(self, session: "_Session", look: "_Look", end: float) -> None:
        look.stage = Stage.HANDSHAKE
        try:
            session.run(session.tls.do_handshake, end)
        finally:
            look.note(session)
        answer: bytes | None = None
        if look.asked:
            try:
                answer = session.run(session.read, min(end, time.monotonic() + self._grace))
            except TimeoutError:
                answer = None
        look.stage = Stage.MQTT
        if answer is None:
            session.write(mqtt.connect_packet(), end)
            answer = session.run(session.read, end)
        while mqtt.begins_connack(answer) and (more := session.run(session.read, end)):
            answer += more
        if not answer:
            look.failure = words.CLOSED
            return
        look.connack = mqtt.connack_code(answer)
        if look.connack is None:
            look.failure = "its answer is not MQTT"
            return
        look.stage = Stage.ANSWERED
        session.write(mqtt.DISCONNECT, end)


class _Session:
    """A TLS connection over memory buffers; keeps the bytes of the handshake."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, server_name: str | None) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.sent = bytearray()
        self.received = bytearray()

    def run(self, step: Callable[[], T], end: float) -> T:
        """Return what a TLS operation returns, moving bytes until it can be done. Raises ``OSError``."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush(end)
                self._receive(end)
            except ssl.SSLError:
                self._flush_quietly(end)
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
        """Send bytes."""
        self.run(lambda: self.tls.write(data), end)

    def _receive(self, end: float) -> None:
        self._limit(end)
        data = self._connection.recv(16384)
        if len(self.received) < _MOST_BYTES:
            self.received.extend(data)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self, end: float) -> None:
        # An empty send would eat a pending reset, and with it the alert before it.
        if data := self._outgoing.read():
            self.sent.extend(data)
            self._limit(end)
            self._connection.sendall(data)

    def _flush_quietly(self, end: float) -> None:
        try:
            self._flush(end)
        except OSError:
            return

    def _limit(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


@dataclass(slots=True)
class _Look:
    """What has been seen so far; becomes the reading."""

    stage: Stage = Stage.CONNECT
    timed_out: bool = False
    failure: str = ""
    version: str | None = None
    leaf: bytes | None = None
    chain: tuple[bytes, ...] = field(default=())
    asked: bool | None = None
    inferred: bool = False
    connack: int | None = None

    def note(self, session: _Session) -> None:
        """Take down what the handshake showed, also when it failed half-way."""
        self.version = session.tls.version()
        self.chain = tap.chain_in_clear(bytes(session.received))
        try:
            self.leaf = session.tls.getpeercert(binary_form=True)
        except ValueError:  # the handshake has not been done
            self.leaf = None
        self.leaf = self.leaf or (self.chain[0] if self.chain else None)
        if self.version == "TLSv1.3":
            self.asked, self.inferred = tap.asked_by_shape(bytes(session.sent)), True
        else:
            self.asked = tap.asked_in_clear(bytes(session.received))

    def reading(self, address: str, seconds: float) -> AddressReading:
        """Return the reading."""
        return AddressReading(
            address=address,
            stage=self.stage,
            timed_out=self.timed_out,
            failure=self.failure,
            tls_version=self.version or ("TLSv1.2" if self.chain else None),
            leaf_sha256=hashlib.sha256(self.leaf).hexdigest() if self.leaf else None,
            chain=self.chain or ((self.leaf,) if self.leaf else ()),
            chain_complete=bool(self.chain),
            asked=self.asked,
            inferred=self.inferred,
            required=self._required(),
            connack=self.connack,
            seconds=seconds,
        )

    def _required(self) -> Required:
        if self.connack is not None or self.asked is False:
            return Required.NO
        refused = self.failure in words.CLIENT_REFUSALS or (
            bool(self.asked) and self.failure == words.HANDSHAKE_FAILURE
        )
        if refused:
            return Required.YES
        if self.asked and not self.timed_out and self.failure == words.CLOSED:
            return Required.LIKELY
        return Required.UNKNOWN


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a context that accepts whatever is served: a probe reports, it does not judge."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def _server_name(host: str) -> str | None:
    try:
        ip_address(host)
    except ValueError:
        return host
    return None
