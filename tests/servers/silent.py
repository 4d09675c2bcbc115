"""An endpoint that drops whom it refuses without a word, as a page says of the service's broker."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

from provisioner.sandbox.listener import ThreadedListener
from tests.servers.ports import bound

_ALERT = 21
_HEAD = 5
_PATIENCE = 60.0
Relay = Callable[[socket.socket, socket.socket], None]


class SilentListener:
    """Implements the sandbox's ``Listener``: its own one, of TLS 1.2, behind a relay that passes no alert on.

    In TLS 1.2 an alert is told by its record's type, encrypted or not; where the server sends one the client is cut off
    instead.

    Args:
        broker_address: host and port of the plain broker.
    """

    def __init__(self, broker_address: tuple[str, int]) -> None:
        self._inner = ThreadedListener(broker_address, tls_versions=("1.2",))
        self._listening: socket.socket | None = None
        self._reserve: socket.socket | None = bound(("127.0.0.1", 0))
        self._address: tuple[str, int] = self._reserve.getsockname()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """The address it serves on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port; it stays the same over stop and start."""
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
        """Serve TLS from now on; on return clients can connect."""
        self._inner.start(
            mutual=mutual, chain_pem=chain_pem, key_pem=key_pem, device_cas_pem=device_cas_pem, anonymous=anonymous
        )
        assert self._reserve is not None
        self._listening, self._reserve = self._reserve, None
        self._listening.listen(64)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        if self._listening is None:
            return
        _end(self._listening)
        self._listening = None
        self._inner.stop()
        with self._lock:
            for one in self._sockets:
                _end(one)
            self._sockets.clear()
        self._reserve = bound(self._address)

    def close(self) -> None:
        """Stop and give the port back, for good."""
        self.stop()
        self._inner.close()
        if self._reserve is not None:
            self._reserve.close()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with contextlib.suppress(OSError):
                    server = socket.create_connection((self._inner.host, self._inner.port), _PATIENCE)
                    with self._lock:
                        self._sockets |= {client, server}
                    for relay, pair in ((_pass_all, (client, server)), (_pass_records, (server, client))):
                        threading.Thread(target=self._relay, args=(relay, *pair), daemon=True).start()
                    continue
                client.close()

    def _relay(self, relay: Relay, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            relay(source, sink)
        for one in (source, sink):
            _end(one)
        with self._lock:
            self._sockets -= {source, sink}


def _pass_all(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(16384):
        sink.sendall(data)


def _pass_records(source: socket.socket, sink: socket.socket) -> None:
    """Pass whole TLS records on, up to the first alert."""
    held = b""
    while data := source.recv(16384):
        held += data
        while len(held) >= _HEAD and len(held) >= (size := _HEAD + int.from_bytes(held[3:5])):
            if held[0] == _ALERT:
                return
            sink.sendall(held[:size])
            held = held[size:]


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
