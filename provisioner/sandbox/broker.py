"""The plain MQTT broker behind the endpoints: amqtt in a thread with its own event loop, on a loopback port.

Logins are judged here and not by an amqtt plugin: amqtt replaces the session of a client id before it asks its plugins,
so that a refused stranger would cut off the device of that name (read in its source). It speaks MQTT 3.1.1 alone; other
versions are refused with the return code for that. Nothing is kept on disk.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import io
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Final

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.mqtt.connack import (
    BAD_USERNAME_PASSWORD,
    NOT_AUTHORIZED,
    UNACCEPTABLE_PROTOCOL_VERSION,
    ConnackPacket,
)
from amqtt.mqtt.connect import ConnectPacket

Login = Callable[[str | None, str | None, str], bool]
"""Tells whether user name, password and client id may log in; called in the broker's thread, hence quick."""

_log = logging.getLogger(__name__)

_CONNECT: Final = 0x10
_LENGTH_GOES_ON: Final = 0x80
_LENGTH_BYTES_AT_MOST: Final = 4
_CONNECT_BYTES_AT_MOST: Final = 256 * 1024
_LISTENER: Final = "default"
_LEAVE_WITHIN: Final = 2.0  # seconds
_CONFIG: Final = {
    "listeners": {_LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
    "plugins": {"amqtt.plugins.base.BaseAuthPlugin": {}},  # it accepts everybody, and without one amqtt refuses all
}


def signature_password(secret: str, client_id: str) -> str:
    """Return the password of signature mode, as documented.

    The user name that goes with it is ``Signature|<AccessKeyId>|<InstanceId>``.

    Args:
        secret: the AccessKey secret.
        client_id: the MQTT client id, ``GID_<group>@@@<device>``.
    """
    digest = hmac.new(secret.encode(), client_id.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


class AmqttBroker:
    """A broker that can be started and stopped; after a stop it comes back on the same port, empty.

    Args:
        login: who may log in; the others get a refusing CONNACK, or are cut off, as the address has it that they use.
        host: the IPv4 loopback address it listens on.
        connect_within: how long a client may take for its CONNECT.
    """

    def __init__(
        self, login: Login, host: str = "127.0.0.1", *, connect_within: timedelta = timedelta(seconds=10)
    ) -> None:
        self._login = login
        self._connect_within = connect_within
        self._bind_to = (host, 0)
        self._silent = (host, 0)
        self._thread: threading.Thread | None = None
        self._shut: Callable[[], object] = lambda: None
        self._online: set[tuple[str, str]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the plain listener.

        Raises:
            RuntimeError: it was never started, so that there is no port yet.
        """
        if not self._bind_to[1]:
            raise RuntimeError("the broker has no port before its first start")
        return self._bind_to

    @property
    def silent_address(self) -> tuple[str, int]:
        """Host and port of a second listener, which cuts off a client with a bad login and sends it no CONNACK.

        Raises:
            RuntimeError: it was never started.
        """
        if not self._silent[1]:
            raise RuntimeError("the broker has no port before its first start")
        return self._silent

    def online(self, username_end: str) -> frozenset[str]:
        """Return the client ids of the sessions whose user name ends so."""
        return frozenset(client_id for username, client_id in tuple(self._online) if username.endswith(username_end))

    def start(self) -> None:
        """Start serving; on return clients can connect."""
        if self._thread is not None:
            raise RuntimeError("the broker is already started")
        _silence()
        ready: Future[Callable[[], object]] = Future()
        thread = threading.Thread(target=self._run, args=(ready,), name="sandbox-broker", daemon=True)
        thread.start()
        self._shut = ready.result()
        self._thread = thread

    def stop(self) -> None:
        """Drop all clients and forget everything; while stopped it does nothing."""
        if self._thread is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._shut()
        self._thread.join()
        self._thread = None

    def _run(self, ready: Future[Callable[[], object]]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, ready: Future[Callable[[], object]]) -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _, context: _log.debug("broker: %s", context.get("message")))
        broker = Broker(BrokerConfig(**_CONFIG))
        await broker.start()
        door = _Door(broker, self._login, self._connect_within, self._online)
        plain, silent = self._bind()
        servers = [
            await asyncio.start_server(door.admit, sock=plain),
            await asyncio.start_server(partial(door.admit, silent=True), sock=silent),
        ]
        ready.set_result(partial(loop.call_soon_threadsafe, stopping.set))
        await stopping.wait()
        for server in servers:
            server.close()
        await door.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), _LEAVE_WITHIN)

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        plain, silent = socket.create_server(self._bind_to), socket.create_server(self._silent)
        self._bind_to, self._silent = plain.getsockname(), silent.getsockname()
        return plain, silent


class _Door:
    """Judges every CONNECT, lets amqtt serve what is accepted, and keeps one connection per client id."""

    def __init__(self, broker: Broker, login: Login, connect_within: timedelta, online: set[tuple[str, str]]) -> None:
        self._broker = broker
        self._online = online
        self._login = login
        self._connect_within = connect_within
        self._visits: dict[asyncio.Task[object], asyncio.StreamWriter] = {}
        self._holders: dict[str, asyncio.Task[object]] = {}

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silent: bool = False) -> None:
        """Serve one client until it is gone; ``silent`` sends no refusing CONNACK."""
        visit = asyncio.current_task()
        assert visit is not None
        self._visits[visit] = writer
        try:
            await self._serve(visit, reader, writer, silent=silent)
        except Exception as error:  # noqa: BLE001  amqtt lets exceptions of every kind through on malformed packets
            _log.debug("client dropped: %s", type(error).__name__)
        finally:
            del self._visits[visit]
            writer.close()

    async def close(self) -> None:
        """Drop everybody."""
        visits = dict(self._visits)
        for writer in visits.values():
            writer.transport.abort()
        if visits:
            await asyncio.wait(visits, timeout=_LEAVE_WITHIN)

    async def _serve(
        self,
        visit: asyncio.Task[object],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        silent: bool,
    ) -> None:
        raw, connect = await asyncio.wait_for(_read_connect(reader), self._connect_within.total_seconds())
        client_id = "" if connect.payload.client_id_is_random else connect.client_id
        refusal = self._refusal(connect, client_id)
        if refusal is not None and silent:
            return
        if refusal is not None:
            writer.write(ConnackPacket.build(0, refusal).to_bytes())
            await writer.drain()
            return
        session = (connect.username or "", client_id)
        async with self._holding(client_id, visit):
            self._online.add(session)
            try:
                await self._broker.external_connected(_Replay(raw, reader), StreamWriterAdapter(writer), _LISTENER)
            finally:
                self._online.discard(session)

    def _refusal(self, connect: ConnectPacket, client_id: str) -> int | None:
        """Return the code of a refusing CONNACK.

        Which of the two login codes ApsaraMQ chooses isn't documented; assumed: a bad login gets "not authorized"
        without a user name, and "bad user name or password" with one.
        """
        code: int | None = None
        if (connect.proto_name, connect.proto_level) != ("MQTT", 4):
            code = UNACCEPTABLE_PROTOCOL_VERSION
        elif not self._login(connect.username, connect.password, client_id):
            code = NOT_AUTHORIZED if connect.username is None else BAD_USERNAME_PASSWORD
        return code

    @contextlib.asynccontextmanager
    async def _holding(self, client_id: str, visit: asyncio.Task[object]) -> AsyncIterator[None]:
        """Hold the client id; the client that had it is dropped first, as MQTT demands.

        It has to be gone before the next one comes: amqtt would else mark their common session as disconnected.
        """
        if not client_id:  # amqtt invents one
            yield
            return
        while (holder := self._holders.get(client_id)) is not None:
            self._visits[holder].transport.abort()
            await asyncio.wait([holder])
        self._holders[client_id] = visit
        try:
            yield
        finally:
            del self._holders[client_id]


class _Replay(StreamReaderAdapter):  # type: ignore[misc]  # amqtt ships no types
    """Gives amqtt the CONNECT once more, then what follows."""

    def __init__(self, raw: bytes, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._raw = io.BytesIO(raw)

    async def read(self, n: int = -1) -> bytes:
        """Read as amqtt asks."""
        return self._raw.read(n) or await super().read(n)


async def _read_connect(reader: asyncio.StreamReader) -> tuple[bytes, ConnectPacket]:
    head = await reader.readexactly(2)
    while head[-1] & _LENGTH_GOES_ON and len(head) <= _LENGTH_BYTES_AT_MOST:
        head += await reader.readexactly(1)
    length = sum((byte & ~_LENGTH_GOES_ON) << (7 * place) for place, byte in enumerate(head[1:]))
    if head[0] != _CONNECT or head[-1] & _LENGTH_GOES_ON or length > _CONNECT_BYTES_AT_MOST:
        raise ValueError("the first packet isn't a CONNECT of sensible length")
    raw = head + await reader.readexactly(length)
    return raw, await ConnectPacket.from_stream(BufferReader(raw))


def _silence() -> None:
    """Keep amqtt's records to itself: its debug records show passwords."""
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
