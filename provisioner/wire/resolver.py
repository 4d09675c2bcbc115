"""Name resolution with the system's resolver."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from threading import Thread

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint

Answer = set[str] | OSError | UnicodeError


class SystemResolver:
    """Implements ``ports.Resolver``; nothing is remembered, since the addresses may change at any time (documented).

    The system's resolver can't be interrupted and may take long over a name server that is silent, so it is asked in a
    thread that nobody waits for longer than ``timeout`` seconds.
    """

    def __init__(self, timeout: float = 12.0, ask: Callable[[str, int], Answer] | None = None) -> None:
        self._timeout = timeout
        self._ask = ask or _ask

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses of the endpoint, sorted, asked anew each time. Raises ``UnresolvedError``."""
        name = endpoint.connect_to or endpoint.host
        answers: list[Answer] = []
        asking = Thread(target=lambda: answers.append(self._ask(name, endpoint.port)), name="resolver", daemon=True)
        asking.start()
        asking.join(self._timeout)
        found = answers[0] if answers else TimeoutError()
        if not isinstance(found, set):
            raise UnresolvedError(f"{name}: no address: {_reason(found)}; nothing was changed") from found
        return tuple(sorted(found, key=lambda item: (ip_address(item.partition("%")[0]).version, item)))


def _ask(name: str, port: int) -> Answer:
    try:
        return {str(item[4][0]) for item in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        return error


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else "the name is malformed"
