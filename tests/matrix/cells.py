"""The cells of the truth table as running servers: each row of ``rows`` in each of the spoken versions of TLS."""

import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.rows import ROWS, SPOKEN, Broker, Row
from tests.servers import tls
from tests.servers.front import Front, Service, Terminating
from tests.servers.gnutls import ONLY, serving_gnutls
from tests.servers.haproxy import HAProxy
from tests.servers.mosquitto import MosquittoListener
from tests.servers.nginx import Nginx
from tests.servers.plain_broker import ACCEPTED, NOT_AUTHORIZED, answer, drop_without_login, serving_plain
from tests.servers.ports import dead_port

Spoken = tuple[str, ...]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_BROKERS = {Broker.ACCEPTS: answer(ACCEPTED), Broker.REFUSES: answer(NOT_AUTHORIZED), Broker.DROPS: drop_without_login}


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of a server in some versions of TLS, at a port."""

    server: str
    row: Row
    spoken: Spoken
    port: int

    def __str__(self) -> str:
        broker = "" if self.row.broker is Broker.OWN else f", broker {self.row.broker}"
        return f"{self.server} {self.row.setting or 'as it is'}{broker}, TLS {' and '.join(self.spoken)}"


@contextlib.contextmanager
def running(server: str, folder: Path) -> Iterator[list[Cell]]:
    """Start every cell of a server."""
    pairs = [(row, spoken) for row in ROWS[server] for spoken in SPOKEN]
    with ExitStack() as stack:
        if server in _FRONTS:
            ports = _front(_FRONTS[server], pairs, stack)
        else:
            ports = [stack.enter_context(_start(server, _made(folder), *pair)) for pair in pairs]
        yield [Cell(server, *pair, port) for pair, port in zip(pairs, ports, strict=True)]


def _made(folder: Path) -> Path:
    made = folder / str(len(list(folder.iterdir())))
    made.mkdir()
    return made


def _front(
    front: Callable[[Sequence[Service]], Front], pairs: Sequence[tuple[Row, Spoken]], stack: ExitStack
) -> Sequence[int]:
    brokers = {kind: stack.enter_context(serving_plain(converse)) for kind, converse in _BROKERS.items()}
    brokers[Broker.DEAD] = stack.enter_context(dead_port())
    services = []
    for row, spoken in pairs:
        verify, _, more = row.setting.partition(" ")
        services.append(Terminating(brokers[row.broker], verify, spoken, more))
    return stack.enter_context(front(services)).ports


@contextlib.contextmanager
def _mosquitto(_folder: Path, row: Row, spoken: Spoken) -> Iterator[int]:
    with contextlib.closing(MosquittoListener(lowest=spoken[0], highest=spoken[-1])) as mosquitto:
        mosquitto.start(
            mutual=row.setting.endswith("true"),
            chain_pem=tls.CERTIFICATES.server.chain_pem,
            key_pem=tls.CERTIFICATES.server.private_key_pem,
            device_cas_pem=[tls.CERTIFICATES.device_ca_pem],
        )
        yield mosquitto.port


def _gnutls(folder: Path, row: Row, spoken: Spoken) -> contextlib.AbstractContextManager[int]:
    priority = ONLY[spoken[0]] if len(spoken) == 1 else "NORMAL"
    return serving_gnutls(folder, *row.setting.split(), priority=priority)


def _openssl(folder: Path, row: Row, spoken: Spoken) -> contextlib.AbstractContextManager[int]:
    only = [f"-tls{spoken[0].replace('.', '_')}"] if len(spoken) == 1 else []
    return tls.serving_openssl(folder, *only, *row.setting.split())


def _threads(folder: Path, row: Row, spoken: Spoken) -> contextlib.AbstractContextManager[int]:
    return tls.serving(tls.over_tls(_context(folder, row, spoken)))


def _asyncio(folder: Path, row: Row, spoken: Spoken) -> contextlib.AbstractContextManager[int]:
    return tls.serving_asyncio(_context(folder, row, spoken))


def _context(folder: Path, row: Row, spoken: Spoken) -> ssl.SSLContext:
    only = _VERSIONS[spoken[0]] if len(spoken) == 1 else None
    return tls.context(folder, demand=ssl.VerifyMode[row.setting], version=only)


_FRONTS: dict[str, Callable[[Sequence[Service]], Front]] = {"nginx": Nginx, "haproxy": HAProxy}
_STARTS = {
    "mosquitto": _mosquitto,
    "gnutls": _gnutls,
    "openssl": _openssl,
    "threads": _threads,
    "asyncio": _asyncio,
}


def _start(server: str, folder: Path, row: Row, spoken: Spoken) -> contextlib.AbstractContextManager[int]:
    return _STARTS[server](folder, row, spoken)
