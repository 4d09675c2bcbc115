"""The endpoint of an instance: TLS on a loopback port in front of the plain broker.

A library broker can't stand there itself: amqtt never requires client certificates, and asyncio's TLS sends no alerts
(both measured). Here is when and with what TLS is served; what becomes of one client is in ``relay``.
"""

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from provisioner.sandbox.endpoint import JudgesDevices, Listener, LiveDeviceCAs, MapsDomains, Misbehaves
from provisioner.sandbox.port import Port
from provisioner.sandbox.relay import Connection
from provisioner.sandbox.service import Service
from provisioner.sandbox.tls import choose_by_name, demand_client_certificate, server_context, take_any_certificate

__all__ = ["JudgesDevices", "Listener", "LiveDeviceCAs", "MapsDomains", "Misbehaves", "ThreadedListener"]


class ThreadedListener:
    """Serves TLS with OpenSSL working on the sockets themselves, in one thread while started.

    Documents name TLS 1.2, and say that the broker drops whom it refuses; assumed: it speaks TLS 1.3 too, and sends
    alerts.

    Args:
        broker_address: host and port of the plain broker.
        host: the IPv4 loopback address to serve on.
        port: the port; 0 chooses a free one.
        tls_versions: what is spoken, of ``"1.2"`` and ``"1.3"``.
        handshake_within: how long a client may take for its handshake.
        max_clients: how many clients are served at a time; further ones are turned away.

    Raises:
        ValueError: ``host`` is not a loopback address.
    """

    def __init__(
        self,
        broker_address: tuple[str, int],
        host: str = "127.0.0.1",
        port: int = 0,
        tls_versions: Sequence[str] = ("1.2", "1.3"),
        *,
        handshake_within: timedelta = timedelta(seconds=10),
        max_clients: int = 256,
    ) -> None:
        self._broker_address = broker_address
        self._tls_versions = tuple(tls_versions)
        self._handshake_within = handshake_within
        self._max_clients = max_clients
        self._changing = threading.Lock()
        self._service: Service | None = None
        self._context: ssl.SSLContext | None = None  # replaced as a whole, so each client meets one or the other
        self._accepting: Callable[[Sequence[str]], ssl.SSLContext] | None = None
        self._domains: dict[str, tuple[str, str]] = {}
        self._admit: Callable[[bytes], bool] | None = None
        self._any_certificate = False
        self._broker_away = False
        self._closed = False
        self._port = Port(host, port)

    @property
    def host(self) -> str:
        """The address it serves on."""
        return self._port.address[0]

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        return self._port.address[1]

    def start(
        self,
        *,
        mutual: bool,
        chain_pem: str,
        key_pem: str,
        device_cas_pem: Sequence[str],
        anonymous: bool = False,
    ) -> None:
        """Serve TLS from now on; see ``Listener.start``."""
        taken = self._any_certificate

        def accepting(cas: Sequence[str]) -> ssl.SSLContext:
            pairs = {"": (chain_pem, key_pem), **self._domains}
            contexts = {name: server_context(self._tls_versions, *pair) for name, pair in pairs.items()}
            for context in contexts.values() if mutual else ():
                demand_client_certificate(context, cas, anonymous=anonymous)
                if taken:
                    take_any_certificate(context)
            return choose_by_name(contexts)

        context = accepting(device_cas_pem)
        with self._changing:
            if self._closed or self._service is not None:
                raise RuntimeError(f"listener on port {self.port}: {'closed' if self._closed else 'already started'}")
            self._context = context
            self._accepting = accepting if mutual else None
            self._service = Service(self._port.listen(), self._welcome, "sandbox-listener", self._max_clients)

    def map_domains(self, domains: Mapping[str, tuple[str, str]]) -> None:
        """Serve these chains and keys for these domains from the next start on; see ``MapsDomains``."""
        self._domains = {name.lower(): pair for name, pair in domains.items()}

    def accept_device_cas(self, device_cas_pem: Sequence[str]) -> None:
        """Accept what chains to these device CAs from the next connection on; see ``LiveDeviceCAs``."""
        with self._changing:
            if self._service is not None and self._accepting is not None:
                self._context = self._accepting(device_cas_pem)

    def judge_devices(self, admit: Callable[[bytes], bool]) -> None:
        """Ask about every client certificate from the next connection on; see ``JudgesDevices``."""
        self._admit = admit

    def take_any_certificate(self, *, taken: bool) -> None:
        """Take any client certificate from the next start on, or don't; see ``Misbehaves``."""
        self._any_certificate = taken

    def leave_broker(self, *, away: bool) -> None:
        """Drop new clients at their first bytes, or lead them to the broker; see ``Misbehaves``."""
        self._broker_away = away

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        with self._changing:
            self._stop()

    def close(self) -> None:
        """Stop and give the port back, for good."""
        with self._changing:
            self._stop()
            self._closed = True
            self._port.release()

    def _stop(self) -> None:
        if self._service is None:
            return
        self._service.stop()
        self._service = None
        self._port.reserve()

    def _welcome(self, client: socket.socket, selector: selectors.BaseSelector) -> Connection:
        assert self._context is not None
        tls = self._context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        broker = None if self._broker_away else self._broker_address
        try:
            return Connection(tls, broker, selector, self._handshake_within, self._admit)
        except OSError:
            tls.close()
            raise
