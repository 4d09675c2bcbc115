"""Who gets to the broker: every CONNECT is judged here, and what is accepted is amqtt's.

Not an amqtt plugin: amqtt replaces the session of a client id before it asks its plugins, so that a refused stranger
would cut off the device of that name (read in its source).
"""

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

from amqtt.adapters import BufferReader, StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.mqtt.connack import (
    BAD_USERNAME_PASSWORD,
    NOT_AUTHORIZED,
    UNACCEPTABLE_PROTOCOL_VERSION,
    ConnackPacket,
)
from amqtt.mqtt.connect import ConnectPacket

Login = Callable[[str | None, str | None, str], bool]
"""Tells whether user name, password and client id may log in; called in the broker's thread, hence quick."""

LISTENER: Final = "default"
LEAVE_WITHIN: Final = 2.0  # seconds

_log = logging.getLogger(__name__)

_CONNECT: Final = 0x10
_LENGTH_GOES_ON: Final = 0x80
_LENGTH_BYTES_AT_MOST: Final = 4
_CONNECT_BYTES_AT_MOST: Final = 256 * 1024


class Door:
    """Judges every CONNECT, lets amqtt serve what is accepted, and keeps one connection per client id."""

    def __init__(self, broker: Broker, login: Login, connect_within: timedelta, online: set[tuple[str, str]]) -> None:
        self._broker = broker
        self._online = online
        self._login = login
        self._connect_within = connect_within
        self._visits: dict[asyncio.Task[object], asyncio.StreamWriter] = {}
        self._holders: dict[str, asyncio.Task[object]] = {}

    async def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silent: bool = False) -> None:
        """Serve one client until it is gone.

        Assumed: a bad login is refused with a CONNACK; ``silent`` is the other possibility, the connection just ends.
        """
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
            await asyncio.wait(visits, timeout=LEAVE_WITHIN)

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
                await self._broker.external_connected(_Replay(raw, reader), StreamWriterAdapter(writer), LISTENER)
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
