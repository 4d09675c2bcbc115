"""A balancer in front of several listeners: raw TCP, one port, and each client led to one of them.

TLS ends at the listeners; here bytes pass as they are. What becomes of one client is in ``passage``.
"""

import selectors
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Final

from provisioner.sandbox.balance import Arrival, Chooser
from provisioner.sandbox.endpoint import Listener
from provisioner.sandbox.passage import Passage
from provisioner.sandbox.port import Port
from provisioner.sandbox.service import Service

_ANSWER_WITHIN: Final = 1.0  # seconds; loopback answers at once


class BalancedListener:
    """Implements ``Listener`` with several of them behind one port.

    ``start`` and ``stop`` bring all of them into one state, as the protocol has it. Who wants them apart starts and
    stops ``listeners`` one by one, and ``open`` and ``shut`` the port in front.

    Args:
        listeners: the backends.
        chooser: how a client's backend is chosen.
        health_checks: a backend that can't be reached is passed over while there is another; without, its clients are
            accepted and then closed, as with nginx in front of a dead upstream.
        host: the IPv4 loopback address to serve on.
        port: the port; 0 chooses a free one.
        max_clients: how many clients are passed on at a time; further ones are turned away.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        chooser: Chooser,
        *,
        health_checks: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        max_clients: int = 1024,
    ) -> None:
        self.listeners = tuple(listeners)
        self._chooser = chooser
        self._health_checks = health_checks
        self._max_clients = max_clients
        self._clients: Counter[int] = Counter()
        self._changing = threading.RLock()
        self._service: Service | None = None
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

    def open(self) -> None:
        """Accept clients and lead them to the backends; does nothing while it does."""
        with self._changing:
            if self._closed:
                raise RuntimeError(f"balancer on port {self.port}: closed")
            if self._service is None:
                self._service = Service(self._port.listen(), self._welcome, "sandbox-balancer", self._max_clients)

    def shut(self) -> None:
        """Close the port in front and drop every client; the backends stay as they are."""
        with self._changing:
            if self._service is not None:
                self._service.stop()
                self._service = None
                self._port.reserve()

    def start(
        self, *, mutual: bool, chain_pem: str, key_pem: str, device_cas_pem: Sequence[str], anonymous: bool = False
    ) -> None:
        """Serve the same with all backends from now on; see ``Listener.start``."""
        for listener in self.listeners:
            listener.start(
                mutual=mutual, chain_pem=chain_pem, key_pem=key_pem, device_cas_pem=device_cas_pem, anonymous=anonymous
            )
        self.open()

    def stop(self) -> None:
        """Close the port and all backends; while stopped it does nothing."""
        self.shut()
        for listener in self.listeners:
            listener.stop()

    def close(self) -> None:
        """Stop and give all ports back, for good."""
        with self._changing:
            self.shut()
            self._closed = True
            self._port.release()
            for listener in self.listeners:
                listener.close()

    def _welcome(self, client: socket.socket, selector: selectors.BaseSelector) -> Passage:
        number, backend = self._reached(client.getpeername()[0])
        backend.settimeout(0)
        backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clients[number] += 1
        return Passage(client, backend, selector, lambda: self._clients.subtract([number]))

    def _reached(self, source: str) -> tuple[int, socket.socket]:
        """Return a chosen backend's number and a connection to it. Raises ``OSError`` when there is none."""
        live = list(range(len(self.listeners)))
        while True:
            number = self._chooser.choose(Arrival(live, source, self._clients))
            listener = self.listeners[number]
            try:
                return number, socket.create_connection((listener.host, listener.port), _ANSWER_WITHIN)
            except OSError:
                live.remove(number)
                if not live or not self._health_checks:
                    raise
