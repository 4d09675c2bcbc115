"""The endpoint of an instance: TLS on a loopback port in front of the plain broker.

A library broker can't stand there itself: amqtt never requires client certificates, and asyncio's TLS sends no alerts
(both measured). Here is when and with what TLS is served; what becomes of one client is in ``relay``.
"""

import contextlib
import os
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import Final, Protocol, runtime_checkable

from provisioner.sandbox.relay import Connection, Phase
from provisioner.sandbox.tls import choose_by_name, demand_client_certificate, server_context

_BACKLOG: Final = 128
_STOP_WITHIN: Final = timedelta(seconds=10)
_RESERVES_WHILE_LISTENING: Final = sys.platform == "linux"
"""Whether a second socket may hold the port without listening, so that nobody else gets it while it is closed."""


class Listener(Protocol):
    """One endpoint of an instance: serves TLS on a fixed loopback port while started."""

    @property
    def host(self) -> str:
        """The address it serves on."""
        ...

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        ...

    def start(
        self,
        *,
        mutual: bool,
        chain_pem: str,
        key_pem: str,
        device_cas_pem: Sequence[str],
        anonymous: bool = False,
    ) -> None:
        """Serve TLS from now on; on return clients can connect.

        Args:
            mutual: require a client certificate that chains to one of ``device_cas_pem``.
            chain_pem: the server's certificate, then the CA certificates that are sent with it.
            key_pem: its private key, without a passphrase.
            device_cas_pem: one PEM text per device CA; with none, mutual authentication refuses everybody.
            anonymous: a fault: with ``mutual``, ask for a client certificate and accept clients without one.

        Raises:
            RuntimeError: it is already started, or closed for good.
            ValueError: chain, key or a device CA can't be used.
        """
        ...

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        ...

    def close(self) -> None:
        """Stop and give the port back, for good."""
        ...


@runtime_checkable
class LiveDeviceCAs(Protocol):
    """What a listener may be able to do beside: change who is let in while it serves."""

    def accept_device_cas(self, device_cas_pem: Sequence[str]) -> None:
        """Accept what chains to these device CAs from the next connection on; connected clients stay.

        Without mutual authentication, and while stopped, it does nothing.
        """
        ...


@runtime_checkable
class MapsDomains(Protocol):
    """What a listener may be able to do beside: serve other certificates to clients that ask for them by SNI."""

    def map_domains(self, domains: Mapping[str, tuple[str, str]]) -> None:
        """Serve these chains and keys for these domains from the next start on."""
        ...


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
        if not ip_address(host).is_loopback:
            raise ValueError(f"{host}: the sandbox serves on loopback only")
        self._broker_address = broker_address
        self._tls_versions = tuple(tls_versions)
        self._handshake_within = handshake_within
        self._max_clients = max_clients
        self._changing = threading.Lock()
        self._service: _Service | None = None
        self._accepting: Callable[[Sequence[str]], ssl.SSLContext] | None = None
        self._domains: dict[str, tuple[str, str]] = {}
        self._closed = False
        self._reserve: socket.socket | None = _bound((host, port))
        self._address: tuple[str, int] = self._reserve.getsockname()

    @property
    def host(self) -> str:
        """The address it serves on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        return self._address[1]

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

        def accepting(cas: Sequence[str]) -> ssl.SSLContext:
            pairs = {"": (chain_pem, key_pem), **self._domains}
            contexts = {name: server_context(self._tls_versions, *pair) for name, pair in pairs.items()}
            for context in contexts.values() if mutual else ():
                demand_client_certificate(context, cas, anonymous=anonymous)
            return choose_by_name(contexts)

        context = accepting(device_cas_pem)
        with self._changing:
            if self._closed or self._service is not None:
                raise RuntimeError(f"listener on port {self.port}: {'closed' if self._closed else 'already started'}")
            self._service = _Service(
                self._open(), context, self._broker_address, self._handshake_within, self._max_clients
            )
            self._accepting = accepting if mutual else None

    def map_domains(self, domains: Mapping[str, tuple[str, str]]) -> None:
        """Serve these chains and keys for these domains from the next start on; see ``MapsDomains``."""
        self._domains = {name.lower(): pair for name, pair in domains.items()}

    def accept_device_cas(self, device_cas_pem: Sequence[str]) -> None:
        """Accept what chains to these device CAs from the next connection on; see ``LiveDeviceCAs``."""
        with self._changing:
            if self._service is not None and self._accepting is not None:
                self._service.context = self._accepting(device_cas_pem)

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        with self._changing:
            self._stop()

    def close(self) -> None:
        """Stop and give the port back, for good."""
        with self._changing:
            self._stop()
            self._closed = True
            self._release()

    def _stop(self) -> None:
        if self._service is None:
            return
        self._service.stop()
        self._service = None
        if self._reserve is None:
            self._reserve = _bound(self._address)

    def _open(self) -> socket.socket:
        if not _RESERVES_WHILE_LISTENING:
            self._release()
        listening = _bound(self._address)
        listening.listen(_BACKLOG)
        return listening

    def _release(self) -> None:
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None


class _Service:
    """One started period of a listener: a thread that accepts clients and drives their connections."""

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        broker_address: tuple[str, int],
        handshake_within: timedelta,
        max_clients: int,
    ) -> None:
        self._listening = listening
        self.context = context  # replaced as a whole, so each connection is met with one or the other
        self._broker_address = broker_address
        self._handshake_within = handshake_within
        self._max_clients = max_clients
        self._connections: set[Connection] = set()
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._listening.settimeout(0)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._stopping.set)
        name = f"sandbox-listener-{listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drop everything; on return the port is closed and the thread has ended."""
        with contextlib.suppress(OSError):  # the thread has ended by itself
            self._waker.send(b"\0")
        self._thread.join(_STOP_WITHIN.total_seconds())
        if self._thread.is_alive():
            raise RuntimeError(f"{self._thread.name}: did not end")

    def _serve(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        now = time.monotonic()
        for connection in self._connections:
            if connection.deadline is not None and connection.deadline <= now:
                connection.step()
        self._connections = {one for one in self._connections if one.phase is not Phase.CLOSED}

    def _patience(self) -> float | None:
        deadlines = [connection.deadline for connection in self._connections if connection.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as undo:  # a client that fails here fails alone
            client, _ = self._listening.accept()
            undo.callback(client.close)
            if len(self._connections) >= self._max_clients:
                return
            client.settimeout(0)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = self.context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
            undo.callback(tls.close)
            self._connections.add(Connection(tls, self._broker_address, self._selector, self._handshake_within))
            undo.pop_all()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._selector.close()
        for sock in (self._listening, self._waker, self._woken):
            sock.close()


def _bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that holds the port and refuses connections until it listens."""
    with contextlib.ExitStack() as undo:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        undo.callback(sock.close)
        if os.name != "nt":  # there it would let anybody take the port over
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        undo.pop_all()
    return sock
