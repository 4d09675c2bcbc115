"""The canary: a real device session by paho-mqtt, with the device certificate.

The only user of paho. Sessions run in the caller's thread and are over when ``attempt`` returns.
"""

import secrets
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from provisioner.errors import UnusableError
from provisioner.model.instance import Endpoint
from provisioner.model.reading import CanaryResult, CanaryVerdict
from provisioner.model.secret import Secret
from provisioner.wire import words

# A TLS 1.3 server refuses a client certificate only after the handshake; CONNECT must not be written before that.
_GRACE = 0.25


@dataclass(frozen=True, slots=True)
class Device:
    """Who the canary is.

    Attributes:
        certificate: PEM file with the device certificate and its chain.
        private_key: PEM file with its key.
        key_password: the key's password, None when it has none.
        client_id: the MQTT client id; it must not be that of a device in the field.
        username: the MQTT user name, None to go without login.
        password: the MQTT password.
        topic: where a message to itself is sent, None to stop after CONNACK.
    """

    certificate: Path
    private_key: Path
    client_id: str
    key_password: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    topic: str | None = None


class PahoCanary:
    """Implements ``ports.Canary``.

    Args:
        device: who the canary is.
        trust: PEM texts of the CAs that it trusts, beside the system's.
        timeout: for one session.

    Raises:
        UnusableError: certificate, key or a trusted CA can't be loaded.
    """

    def __init__(self, device: Device, trust: Sequence[str], timeout: timedelta = timedelta(seconds=5)) -> None:
        self._device = device
        self._trust = tuple(trust)
        self._timeout = timeout.total_seconds()
        self._context("check")

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Connect with the device certificate, log in, and send a message to itself where a topic is configured."""
        session = _Session(self._device, self._context(endpoint.host), time.monotonic() + self._timeout)
        verdict, detail = session.run(address, endpoint.port)
        return CanaryResult(address, verdict, detail, session.connack, echoed=session.echoed)

    def _context(self, host: str) -> "_NamedContext":
        device = self._device
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.host = host
        context.sslsocket_class = _AttentiveSocket
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_default_certs()
        try:
            for text in self._trust:
                context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError, TypeError) as error:
            raise UnusableError(
                "a CA that the canary trusts can't be loaded: it is malformed; nothing was changed",
                hint="check canary.trust and authority.certificate",
            ) from error
        password = device.key_password.reveal() if device.key_password else ""
        try:
            context.load_cert_chain(device.certificate, device.private_key, password=password)
        except OSError as error:
            path, problem, key = _load_problem(device, error)
            raise UnusableError(f"{path}: {problem}; nothing was changed", hint=f"check {key}") from None
        return context


class _NamedContext(ssl.SSLContext):
    """Asks for and verifies the endpoint's name, whatever address the client connects to."""

    host = ""
    made: ssl.SSLSocket | None = None

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401  paho decides what it passes
        options["server_hostname"] = self.host
        self.made = super().wrap_socket(sock, *args, **options)
        return self.made


class _AttentiveSocket(ssl.SSLSocket):
    """Listens for a late refusal after the handshake, and remembers how the connection ended."""

    ended: OSError | None = None

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
            if self.version() == "TLSv1.3":
                self._listen()
        except OSError as error:
            self.ended = error
            raise

    def _listen(self) -> None:
        timeout = self.gettimeout()
        self.settimeout(_GRACE)
        try:
            if not super().recv(1):
                raise ConnectionResetError
        except TimeoutError:
            return
        finally:
            self.settimeout(timeout)


@dataclass(slots=True)
class _Session:
    """One session; the verdict is where it stopped."""

    device: Device
    context: _NamedContext
    end: float
    connack: int | None = None
    echoed: bool = False
    _answer: ReasonCode | None = None
    _gone: bool = False
    _subscribed: bool = False
    _refused_topic: bool = False
    _payload: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())

    def run(self, address: str, port: int) -> tuple[CanaryVerdict, str]:
        """Return how the session ended."""
        client = self._client()
        try:
            client.connect_timeout = max(0.1, self.end - time.monotonic())
            client.connect(address, port, keepalive=30)
            return self._converse(client)
        except OSError as error:
            return _tls_verdict(error)
        finally:
            with suppress(OSError, ValueError):
                client.disconnect()
                client.loop(0.01)
            if self.context.made is not None:  # paho forgets it when the handshake fails
                self.context.made.close()

    def _converse(self, client: Client) -> tuple[CanaryVerdict, str]:
        self._loop(client, until=lambda: self._answer is not None)
        if self._answer is None:
            return CanaryVerdict.UNREACHABLE, "no CONNACK: " + ("closed" if self._gone else "no answer in time")
        self.connack = self._answer.value
        if self._answer.is_failure:
            if self.device.username is None:
                return CanaryVerdict.ACCEPTED, "TLS accepted; any CONNACK counts without a login"
            return CanaryVerdict.REFUSED_BY_LOGIN, f"login refused: {self._answer.getName().lower()}"
        if self.device.topic is None:
            return CanaryVerdict.ACCEPTED, "logged in"
        return self._echo(client, self.device.topic)

    def _echo(self, client: Client, topic: str) -> tuple[CanaryVerdict, str]:
        client.subscribe(topic, qos=1)
        self._loop(client, until=lambda: self._subscribed)
        if self._subscribed and not self._refused_topic:
            client.publish(topic, self._payload, qos=1)
            self._loop(client, until=lambda: self.echoed)
        if self.echoed:
            return CanaryVerdict.ACCEPTED, "logged in, message there and back"
        why = "the subscription was refused" if self._refused_topic else "its message did not come back"
        return CanaryVerdict.NO_ECHO, f"logged in, but {why}"

    def _loop(self, client: Client, until: Callable[[], bool]) -> None:
        while not until() and not self._gone and time.monotonic() < self.end:
            if client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._gone = True

    def _client(self) -> Client:
        device = self.device
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=device.client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self.context)
        if device.username is not None:
            client.username_pw_set(device.username, device.password.reveal() if device.password else None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answer = code

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, _code: ReasonCode, _properties: object
    ) -> None:
        self._gone = True

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        self._subscribed = True
        self._refused_topic = any(code.is_failure for code in codes)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.echoed = self.echoed or message.payload == self._payload


def _tls_verdict(error: OSError) -> tuple[CanaryVerdict, str]:
    ended = words.describe(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.verify_message or "it does not verify").lower()
        return CanaryVerdict.DISTRUSTED, f"the canary refuses the server's certificate: {reason}"
    if ended in words.CLIENT_REFUSALS or ended == words.HANDSHAKE_FAILURE:
        return CanaryVerdict.REFUSED_BY_TLS, f"the server refuses the device certificate: {ended}"
    return CanaryVerdict.UNREACHABLE, ended


def _load_problem(device: Device, error: OSError) -> tuple[Path, str, str]:
    """Return which file can't be used, why not, and the configuration's key; the library names no file."""
    certificate = (device.certificate, "the canary's certificate", "canary.certificate")
    private_key = (device.private_key, "the canary's private key", "canary.private_key")
    for path, what, key in (certificate, private_key):
        try:
            path.read_bytes()
        except OSError as unreadable:
            return path, f"{what} can't be read: {(unreadable.strerror or 'unknown reason').lower()}", key
    path, what, key = private_key
    if "MISMATCH" in (getattr(error, "reason", None) or ""):
        return path, f"{what} does not belong to {device.certificate}", f"{key} and canary.certificate"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(device.certificate)
    except OSError:
        return device.certificate, "the canary's certificate is malformed or no PEM certificate", "canary.certificate"
    if b"ENCRYPTED" in path.read_bytes():
        return path, f"{what} is encrypted, and its password is missing or wrong", "canary.private_key_password"
    return path, f"{what} is malformed or no PEM private key", key
