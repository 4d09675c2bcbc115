"""The plain MQTT broker behind the endpoints: amqtt in a thread with its own event loop, on a loopback port.

Logins are judged in ``door``. It speaks MQTT 3.1.1 alone; other versions are refused with the return code for that.
Nothing is kept on disk.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Final

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType

from provisioner.sandbox.door import LEAVE_WITHIN, LISTENER, Door, Login

_log = logging.getLogger(__name__)

_CONFIG: Final = {
    "listeners": {LISTENER: ListenerConfig(type=ListenerType.EXTERNAL)},
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
        door = Door(broker, self._login, self._connect_within, self._online)
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
            await asyncio.wait_for(broker.shutdown(), LEAVE_WITHIN)

    def _bind(self) -> tuple[socket.socket, socket.socket]:
        plain, silent = socket.create_server(self._bind_to), socket.create_server(self._silent)
        self._bind_to, self._silent = plain.getsockname(), silent.getsockname()
        return plain, silent


def _silence() -> None:
    """Keep amqtt's records to itself: its debug records show passwords."""
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
