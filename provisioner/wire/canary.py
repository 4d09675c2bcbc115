"""The canary: a real device session by paho-mqtt, with the device certificate.

The only user of paho. Sessions run in the caller's thread and are over when ``attempt`` returns.
"""

import hashlib
import re
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from provisioner.errors import UnusableError
from provisioner.model.instance import Endpoint
from provisioner.model.reading import CanaryResult, CanaryVerdict
from provisioner.model.secret import Secret
from provisioner.wire import words
from provisioner.wire.canary_socket import AttentiveSocket, NamedContext
from provisioner.wire.loading import load_device
from provisioner.wire.server_name import server_name

# The service just drops a device whose certificate it refuses (documented), as TLS terminators without alerts do
# (measured). A restart looks the same.
_CUT_OFF = (
    CanaryVerdict.CUT_OFF,
    "the server closes the connection without an alert: it refuses the device certificate, or it restarts",
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


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
    """Implements ``ports.Canary``, one session at a time.

    Certificate, key and trusted CAs are loaded once: files that go or change meanwhile don't end a wait.

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
        self._context = self._load()

    @property
    def chain_pem(self) -> str:
        """The device certificate, then the rest of its chain, without the key. Raises ``UnusableError``."""
        path = self._device.certificate
        try:
            found = _CERTIFICATE.findall(path.read_bytes())
        except OSError as error:
            raise UnusableError(
                f"{path}: the canary's certificate can't be read: {error.strerror}; nothing was changed",
                hint="check canary.certificate",
            ) from None
        if not found:
            raise UnusableError(
                f"{path}: the canary's certificate is in no ordinary PEM block; nothing was changed",
                hint=f"openssl x509 -in {path} writes one",
            )
        return b"".join(block + b"\n" for block in found).decode("ascii")

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Connect with the device certificate, log in, and send a message to itself where a topic is configured."""
        self._context.host = server_name(endpoint.host)
        session = _Session(self._device, self._context, time.monotonic() + self._timeout)
        verdict, detail = session.run(address, endpoint.port)
        leaf = hashlib.sha256(session.leaf).hexdigest() if session.leaf else None
        return CanaryResult(address, verdict, detail, session.connack, echoed=session.echoed, leaf_sha256=leaf)

    def _load(self) -> NamedContext:
        device = self._device
        context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.sslsocket_class = AttentiveSocket
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
        load_device(context, device.certificate, device.private_key, device.key_password)
        return context


@dataclass(slots=True)
class _Session:
    """One session; the verdict is where it stopped."""

    device: Device
    context: NamedContext
    end: float
    connack: int | None = None
    echoed: bool = False
    leaf: bytes | None = None
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
                self.leaf = self.context.made.leaf
                self.context.made.close()
                self.context.made = None

    def _converse(self, client: Client) -> tuple[CanaryVerdict, str]:
        self._loop(client, until=lambda: self._answer is not None)
        if self._answer is None:
            made = self.context.made
            ended = (made.ended if made else "") or words.CLOSED
            return _verdict_of(ended) if self._gone else (CanaryVerdict.UNREACHABLE, "no CONNACK: no answer in time")
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
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.verify_message or "it does not verify").lower()
        return CanaryVerdict.DISTRUSTED, f"the canary refuses the server's certificate: {reason}"
    return _verdict_of(words.describe(error))


def _verdict_of(ended: str) -> tuple[CanaryVerdict, str]:
    if ended in words.CLIENT_REFUSALS or ended == words.HANDSHAKE_FAILURE:
        return CanaryVerdict.REFUSED_BY_TLS, f"the server refuses the device certificate: {ended}"
    if ended == words.CLOSED:
        return _CUT_OFF
    return (CanaryVerdict.UNREACHABLE if ended == words.NO_ANSWER else CanaryVerdict.CUT_OFF), ended
