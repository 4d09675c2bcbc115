"""The MQTT broker behind the sandbox's endpoints: amqtt on a plain loopback port, in a thread with its own event loop.

Logins as ApsaraMQ documents them: user name ``Signature|<AccessKeyId>|<InstanceId>``, password the base64 of
HMAC-SHA1 over the client id. TLS never replaces the login there (documented), so it doesn't here.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import threading
from dataclasses import dataclass

from amqtt.broker import Broker, BrokerContext
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

_START_SECONDS = 10.0


def signature_password(access_key_secret: str, client_id: str) -> str:
    """Return the documented password of signature mode."""
    digest = hmac.new(access_key_secret.encode(), client_id.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


class SignatureLogin(BaseAuthPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Accepts the documented login and nothing else; others get a refusing CONNACK."""

    @dataclass
    class Config:
        """The account that may log in."""

        access_key_id: str = ""
        access_key_secret: str = ""

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        self._access_key_id = str(self._get_config_option("access_key_id", ""))
        self._access_key_secret = str(self._get_config_option("access_key_secret", ""))

    async def authenticate(self, *, session: Session) -> bool:
        """Tell whether user name and password are the account's."""
        kind, _, rest = (session.username or "").partition("|")
        access_key_id, _, instance = rest.partition("|")
        if kind != "Signature" or access_key_id != self._access_key_id or not instance:
            return False
        expected = signature_password(self._access_key_secret, session.client_id or "")
        return hmac.compare_digest(expected, session.password or "")


class AmqttBroker:
    """One broker for all endpoints of a sandbox.

    Args:
        access_key_id: of the account that may log in.
        access_key_secret: its secret.
    """

    def __init__(self, access_key_id: str, access_key_secret: str) -> None:
        self._login = {"access_key_id": access_key_id, "access_key_secret": access_key_secret}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox-broker", daemon=True)
        self._broker: Broker | None = None
        self._address = ("127.0.0.1", 0)
        _silence()

    @property
    def address(self) -> tuple[str, int]:
        """Where the plain broker listens."""
        return self._address

    def start(self) -> None:
        """Start the broker on a free loopback port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_START_SECONDS)

    def stop(self) -> None:
        """Stop broker and thread."""
        if self._broker is not None:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()

    async def _start(self) -> None:
        config = {
            "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
            "plugins": {f"{__name__}.{SignatureLogin.__name__}": self._login},
        }
        self._broker = Broker(config)
        await self._broker.start()
        self._address = _bound(self._broker)

    async def _stop(self) -> None:
        assert self._broker is not None
        await self._broker.shutdown()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _bound(broker: Broker) -> tuple[str, int]:
    server = next(iter(broker._servers.values()))  # noqa: SLF001  amqtt does not tell which port it was given
    host, port = server.instance.sockets[0].getsockname()[:2]
    return host, port


def _silence() -> None:
    for name in ("amqtt", "transitions"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
