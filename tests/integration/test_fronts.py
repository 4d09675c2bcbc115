"""Nginx and haproxy as the tests start them: which backend gets a connection, and what their ports do."""

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.servers import tls
from tests.servers.front import Backend, Balancing, Front, Method, Service, Terminating
from tests.servers.haproxy import HAProxy
from tests.servers.nginx import Nginx
from tests.servers.ports import HOST, accepts, dead_port

MakeFront = Callable[[Sequence[Service]], Front]
FRONTS = [pytest.param(Nginx, marks=pytest.mark.nginx), pytest.param(HAProxy, marks=pytest.mark.haproxy)]


@pytest.fixture(scope="module")
def named() -> Iterator[tuple[int, ...]]:
    """Serve three backends, each of which says its number."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(tls.serving(naming(number))) for number in range(3))


def naming(number: int) -> tls.Conversation:
    """Return the conversation of a server that says its number and is left."""

    def converse(connection: socket.socket) -> None:
        connection.sendall(str(number).encode())
        tls.drain(connection)

    return converse


def reached(port: int, n: int) -> list[str]:
    """Return which backend each of ``n`` connections reached."""
    numbers = []
    for _ in range(n):
        with socket.create_connection((HOST, port), tls.PATIENCE) as connection:
            numbers.append(connection.recv(1).decode())
    return numbers


def balancing(ports: Sequence[int], method: Method = Method.ROUND_ROBIN, weights: Sequence[int] = (1, 1, 1)) -> Service:
    """Return the service that balances over these ports."""
    return Balancing(tuple(Backend(*pair) for pair in zip(ports, weights, strict=True)), method)


@pytest.mark.parametrize("front", FRONTS)
def test_each_method_chooses_as_it_says(front: MakeFront, named: tuple[int, ...]) -> None:
    """Round robin goes round exactly, weights are kept exactly, the source decides for ever, random reaches all."""
    services = [
        balancing(named),
        balancing(named, weights=(3, 2, 1)),
        balancing(named, Method.SOURCE),
        balancing(named, Method.RANDOM),
        balancing(named, Method.LEAST_CONNECTIONS),
    ]
    with front(services) as started:
        round_robin, weighted, source, random, least = (reached(port, 24) for port in started.ports)

    assert round_robin == ["0", "1", "2"] * 8
    assert Counter(weighted) == {"0": 12, "1": 8, "2": 4}
    assert len(set(source)) == 1
    assert (set(random), random == round_robin) == ({"0", "1", "2"}, False)
    assert set(least) <= {"0", "1", "2"}


@pytest.mark.parametrize("front", FRONTS)
def test_least_connections_avoids_the_busy(front: MakeFront, named: tuple[int, ...]) -> None:
    """While two connections are held, the next one reaches the backend that has none."""
    with front([balancing(named, Method.LEAST_CONNECTIONS)]) as started, contextlib.ExitStack() as held:
        numbers = set()
        for _ in range(3):
            connection = held.enter_context(socket.create_connection((HOST, started.port), tls.PATIENCE))
            numbers.add(connection.recv(1).decode())

    assert numbers == {"0", "1", "2"}


@pytest.mark.parametrize("front", FRONTS)
def test_a_dead_backend_is_passed_over(front: MakeFront, named: tuple[int, ...]) -> None:
    """No client notices that one backend is down."""
    with dead_port() as dead, front([balancing((named[0], dead, named[2]))]) as started:
        numbers = set(reached(started.port, 12))

    assert numbers == {"0", "2"}


@pytest.mark.parametrize("front", FRONTS)
def test_other_backends_are_served_on_the_same_port(front: MakeFront, named: tuple[int, ...]) -> None:
    """A change keeps the port; a stop closes it; a start opens it again."""
    with front([balancing(named)]) as started:
        port, seen = started.port, []
        started.change([balancing(named[:1], weights=(1,))])
        seen.append(reached(port, 3))
        started.stop()
        opened = accepts(port)
        started.start()
        seen.append(reached(port, 3))

    assert (started.port, opened, seen) == (port, False, [["0"] * 3] * 2)


@pytest.mark.parametrize("front", FRONTS)
def test_what_it_cannot_do_is_an_error_in_its_own_words(front: MakeFront, named: tuple[int, ...]) -> None:
    """A word that the program does not know is named, and no process is left."""
    with pytest.raises(ValueError, match="perhaps"), front([Terminating(named[0], "perhaps")]):
        pass
