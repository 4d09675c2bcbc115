"""A client that connects once: handshake, a while of listening, CONNECT, and what all that showed.

The probe and the negative controls share it; they differ in their certificate and in what they say.
"""

import contextlib
import errno
import hashlib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from provisioner.model.instance import Endpoint
from provisioner.model.reading import Stage
from provisioner.wire import mqtt, words
from provisioner.wire.server_name import asked_name
from provisioner.wire.session import Session
from provisioner.wire.versions import V12, V13, VersionMemory

# This machine's network has no way there now, which says as little about the endpoint as silence.
_NO_WAY = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH}
_PLAIN_REFUSALS = {words.PROTOCOL_VERSION, words.OTHER_VERSION}
# Ends of a handshake with which servers refuse a version; those that send no alerts just close (asyncio, measured).
_VERSION_REFUSALS = _PLAIN_REFUSALS | {words.HANDSHAKE_FAILURE, words.CLOSED}
# After CONNECT other alerts may come from what stands behind TLS, such as a terminator whose broker is down.
_LATE_REFUSALS = words.CLIENT_REFUSALS | {words.HANDSHAKE_FAILURE, words.UNREADABLE_ALERT}
_OLD_VERSIONS = {"SSLv3": "SSL 3.0", "TLSv1.0": "TLS 1.0", "TLSv1.1": "TLS 1.1"}


@dataclass(slots=True)
class Contact:
    """What one connection showed.

    Attributes:
        stage: how far it came; from ``mqtt`` on CONNECT was sent, or the server spoke first.
        timed_out: the server stayed silent, or there is no way to it.
        failure: how the connection ended, in words, empty when MQTT answered.
        version: the version of TLS that the server speaks.
        leaf: the served leaf in DER.
        chain: the served certificates in DER where they are in clear, leaf first.
        asked: the server asked for a client certificate.
        inferred: ``asked`` was inferred.
        certificate_sent: the server's demand was answered, with the client's certificate or with an empty one.
        refused: a fatal alert answered that.
        other_leaf: another leaf than the expected one was served, so that nothing was sent.
        connack: the CONNACK's return code.
    """

    stage: Stage = Stage.CONNECT
    timed_out: bool = False
    failure: str = ""
    version: str | None = None
    leaf: bytes | None = None
    chain: tuple[bytes, ...] = ()
    asked: bool | None = None
    inferred: bool = False
    certificate_sent: bool = False
    refused: bool = False
    other_leaf: bool = False
    connack: int | None = None

    @property
    def leaf_sha256(self) -> str | None:
        """The leaf's fingerprint."""
        return hashlib.sha256(self.leaf).hexdigest() if self.leaf else None

    @property
    def closed_early(self) -> bool:
        """The server asked, was answered, and closed before CONNECT was sent."""
        early = self.stage is Stage.HANDSHAKE and self.certificate_sent
        return bool(self.asked) and early and self.failure == words.CLOSED and not self.timed_out

    @property
    def version_refused(self) -> bool:
        """The server may speak another version of TLS."""
        return self.stage is Stage.HANDSHAKE and self.version is None and self.failure in _VERSION_REFUSALS

    @property
    def telling(self) -> int:
        """How much this tells of a server that was asked in two versions of TLS; higher is more."""
        if self.version is not None:
            return 3
        if self.failure in _PLAIN_REFUSALS:
            return 0
        return 2 if words.is_alert(self.failure) else 1

    def note(self, session: Session) -> None:
        """Take down what the handshake showed, also when it failed half-way."""
        self.version, self.leaf, self.chain = session.version, session.leaf, session.chain
        self.asked, self.inferred = session.asked, session.inferred
        self.certificate_sent = session.certificate_sent

    def end(self, error: OSError, session: Session | None) -> None:
        """Take down how the connection ended."""
        self.timed_out = isinstance(error, TimeoutError) or error.errno in _NO_WAY
        self.failure = words.describe(error)
        if session is None or not isinstance(error, ssl.SSLError) or self.failure == words.CLOSED:
            return
        alert = session.last_alert
        if alert is not None and not (alert == 0 and words.is_alert(self.failure)):
            self.failure = words.alert(alert)
        elif self.stage is Stage.HANDSHAKE and self.version in _OLD_VERSIONS:
            self.failure = f"it speaks {_OLD_VERSIONS[self.version]} only"
        early = self.stage is Stage.HANDSHAKE and words.is_alert(self.failure)
        answered = bool(self.asked) and self.certificate_sent
        self.refused = answered and (early or self.failure in _LATE_REFUSALS)


class TlsClient:
    """Connects with TLS 1.2, and with TLS 1.3 where 1.2 is refused; threads may share it.

    Args:
        contexts: by the one version that each offers.
        timeout: for one address in all, however slowly it answers.
        grace: how long a server that asked for a certificate is listened to before CONNECT is sent. Writing first loses
            the alert that it may be about to send (measured: 25 of 30 times).
        memory: which version comes first where, shared with other clients; one of its own when not given.
    """

    def __init__(
        self,
        contexts: Mapping[ssl.TLSVersion, ssl.SSLContext],
        timeout: timedelta,
        grace: timedelta,
        memory: VersionMemory | None = None,
    ) -> None:
        self._contexts = dict(contexts)
        self._timeout = timeout.total_seconds()
        self._grace = grace.total_seconds()
        self._memory = memory or VersionMemory()

    def connect(self, endpoint: Endpoint, address: str, packet: bytes, only_leaf: str | None = None) -> Contact:
        """Return what a connection showed; never raises for what a network or a server does.

        Args:
            endpoint: whose name is asked for by SNI.
            address: the IP address to connect to.
            packet: the CONNECT.
            only_leaf: SHA-256 of the leaf that has to be served, or nothing is sent; None for any.
        """
        place = (endpoint.host, endpoint.port, address)
        end = time.monotonic() + self._timeout
        first, second = self._memory.order(place)
        contact = self._try(endpoint, address, _Script(first, packet, only_leaf, end))
        dead = contact.failure == words.CLOSED and self._memory.known(place)  # a backend that is down, and no version
        if dead or not contact.version_refused:
            if first is V12 and contact.version is not None:
                self._memory.spoken(place)
            return contact
        other = self._try(endpoint, address, _Script(second, packet, only_leaf, end))
        if other.version is not None and second is V12:
            self._memory.spoken(place)
        elif other.version is not None:
            self._memory.refused(place, plainly=contact.failure != words.CLOSED)
        return other if other.telling >= contact.telling else contact

    def _try(self, endpoint: Endpoint, address: str, script: "_Script") -> Contact:
        contact = Contact()
        session = None
        try:
            left = max(script.end - time.monotonic(), 0.01)
            with socket.create_connection((address, endpoint.port), left) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                session = Session(connection, self._contexts[script.version], asked_name(endpoint.host))
                self._converse(session, contact, script)
        except OSError as error:
            contact.end(error, session)
        return contact

    def _converse(self, session: Session, contact: Contact, script: "_Script") -> None:
        contact.stage = Stage.HANDSHAKE
        try:
            session.run(session.tls.do_handshake, script.end)
        finally:
            contact.note(session)
        if script.only_leaf not in {None, contact.leaf_sha256}:
            contact.other_leaf = True
            return
        answer = self._listen(session, min(script.end, time.monotonic() + self._grace)) if contact.asked else None
        if answer == b"":
            contact.failure = words.CLOSED
            return
        contact.stage = Stage.MQTT
        if answer is None:
            session.write(script.packet, script.end)
            answer = session.run(session.read, script.end)
        self._read_answer(session, contact, answer, script.end)

    @staticmethod
    def _listen(session: Session, until: float) -> bytes | None:
        """Return what the server says before it has heard CONNECT, nothing when it closes, None when it is silent."""
        try:
            return session.run(session.read, until)
        except TimeoutError:
            return None

    @staticmethod
    def _read_answer(session: Session, contact: Contact, answer: bytes, end: float) -> None:
        while mqtt.begins_connack(answer):
            more = session.run(session.read, end)
            if not more:
                answer = b""
                break
            answer += more
        contact.connack = mqtt.connack_code(answer)
        if contact.connack is None:
            contact.failure = "its answer is not MQTT" if answer else words.CLOSED
            return
        contact.stage = Stage.ANSWERED
        with contextlib.suppress(OSError):  # a broker that refuses a login may be gone by now
            session.write(mqtt.DISCONNECT, end)


@dataclass(frozen=True, slots=True, repr=False)
class _Script:
    """One connection as it is meant to go; ``end`` is on the monotonic clock. Its packet may hold a password."""

    version: ssl.TLSVersion
    packet: bytes
    only_leaf: str | None
    end: float


def client_contexts() -> dict[ssl.TLSVersion, ssl.SSLContext]:
    """Return contexts of TLS 1.2 and 1.3 that accept whatever is served: these clients report, they do not judge."""
    return {version: _context(version) for version in (V12, V13)}


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Old keys and ciphers are to be seen, too; a suite without certificate would leave nothing to see.
    context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context
