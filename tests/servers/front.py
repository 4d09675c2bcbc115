"""What stands before brokers, as nginx and haproxy do: the services, and the process that offers them.

Not here: how either program is told so, which is in ``nginx`` and ``haproxy``.
"""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from tests.servers import tls
from tests.servers.ports import Reserve, accepts
from tests.servers.process import ServerProcess


class Method(StrEnum):
    """How a balancer chooses a backend."""

    ROUND_ROBIN = "round robin"
    RANDOM = "random"
    LEAST_CONNECTIONS = "least connections"
    SOURCE = "source"
    """By the client's address: from one machine always the same backend."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A server behind a balancer.

    Attributes:
        port: its loopback port.
        weight: its share, against those of the others.
    """

    port: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Balancing:
    """A service that passes TCP connections on to one of several backends, unread."""

    backends: tuple[Backend, ...]
    method: Method = Method.ROUND_ROBIN


@dataclass(frozen=True, slots=True)
class Terminating:
    """A service that ends TLS before a plain broker, with the tests' server certificate.

    Attributes:
        broker_port: the loopback port of the broker.
        verify: whether a client certificate is asked for and required, in the program's own word.
        versions: the versions of TLS that it speaks, of ``"1.2"`` and ``"1.3"``.
        more: further words of the program for the service.
    """

    broker_port: int
    verify: str
    versions: tuple[str, ...] = ("1.2", "1.3")
    more: str = ""


Service = Balancing | Terminating


class Front(ABC):
    """One process that offers services, each on a loopback port of its own; it is started by ``with`` or ``start``.

    It forgets no backend: one that refuses a connection is passed over for this connection alone.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="front-"))
        self._services = tuple(services)
        self._reserves = [Reserve() for _ in services]
        # Both programs open all ports before they serve one. A connection to this one moves no balancer on.
        self._ready = Reserve()
        self._process: ServerProcess | None = None
        tls.files(self.folder)
        (self.folder / "devices.crt").write_text(tls.CERTIFICATES.device_ca_pem, encoding="ascii")

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each service; they stay the same over stop, start and change."""
        return tuple(reserve.port for reserve in self._reserves)

    @property
    def port(self) -> int:
        """The port of the first service."""
        return self.ports[0]

    def start(self) -> None:
        """Offer the services; on return clients can connect. While started it does nothing.

        Raises:
            ValueError: the program can't do this; the message has its own words.
        """
        if self._process is not None:
            return
        for reserve in (*self._reserves, self._ready):
            reserve.lend()
        path = self.folder / "front.conf"
        path.write_text("\n".join(self._configuration()) + "\n", encoding="utf-8")
        process = ServerProcess(self._command(path), self.folder / "log")
        process.await_ready(lambda: accepts(self._ready.port))
        self._process = process

    def change(self, services: Sequence[Service]) -> None:
        """Offer other services on the same ports; clients are dropped, and the ports are closed for a moment."""
        assert len(services) == len(self._services), "each port keeps one service"
        self.stop()
        self._services = tuple(services)
        self.start()

    def stop(self) -> None:
        """Close the ports and drop every client at once; while stopped it does nothing."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            for reserve in (*self._reserves, self._ready):
                reserve.take_back()

    def close(self) -> None:
        """Stop and give the ports back, for good."""
        self.stop()
        for reserve in (*self._reserves, self._ready):
            reserve.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def said(self) -> str:
        """Return what the process has printed; nothing while stopped."""
        return self._process.said() if self._process else ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _command(self, configuration: Path) -> list[str]:
        """Return the command that serves what the file says, in the foreground."""

    @abstractmethod
    def _configuration(self) -> list[str]:
        """Return the lines of the program's configuration."""
