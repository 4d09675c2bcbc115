"""What becomes of the clients of an endpoint: many, slow, mad, or more talkative than the other side likes."""

import contextlib
import hashlib
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.sandbox.broker import AmqttBroker
from provisioner.sandbox.listener import ThreadedListener
from provisioner.sandbox.pipe import Pipe
from tests.sandbox.tls_client import (
    CONNECT,
    CUT_OFF,
    NO_CERTIFICATE,
    PATIENCE,
    REFUSED_LOGIN,
    TURNED_AWAY,
    V13,
    Client,
    answer,
    listener_threads,
    login,
    start,
)


@pytest.fixture(scope="module")
def broker() -> Iterator[AmqttBroker]:
    """Run one plain broker for all tests of this file."""
    broker = AmqttBroker(login)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker: AmqttBroker) -> Iterator[ThreadedListener]:
    """Lend a listener that isn't started."""
    with contextlib.closing(ThreadedListener(broker.address)) as listener:
        yield listener


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lend a folder for the certificates of clients, which ssl reads from files."""
    return tmp_path


def test_fifty_clients_at_once_are_all_served_by_one_thread(listener: ThreadedListener, folder: Path) -> None:
    """Fifty clients that connect at the same moment all get their answer, and cost one thread together."""
    start(listener)
    together = threading.Barrier(50, timeout=PATIENCE)

    def visit(_: int) -> tuple[int, bytes | str]:
        with Client(folder).connected(listener) as secured:
            together.wait()
            threads = listener_threads()
            secured.sendall(CONNECT)
            return threads, answer(secured)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(visit, range(50)))

    assert answers == [(1, REFUSED_LOGIN)] * 50


def test_idle_and_garbage_clients_hurt_nobody_and_are_dropped(broker: AmqttBroker, folder: Path) -> None:
    """Clients that say nothing, half a greeting or nonsense don't delay others, and don't stay."""
    greeting = bytes.fromhex("160301020001")
    nonsense = [b"", greeting, b"GET / HTTP/1.1\r\n\r\n", CONNECT, bytes(range(256)) * 64]
    impatient = ThreadedListener(broker.address, handshake_within=timedelta(seconds=1))
    with contextlib.closing(impatient) as listener, contextlib.ExitStack() as crowd:
        start(listener)
        intruders = []
        for said in nonsense:
            sock = crowd.enter_context(socket.create_connection((listener.host, listener.port), PATIENCE))
            sock.sendall(said)
            intruders.append(sock)
        served = Client(folder).outcome(listener)
        ends = [_ends(sock) for sock in intruders]

        assert (served, ends) == (REFUSED_LOGIN, [True] * len(nonsense))
        assert Client(folder).outcome(listener) == REFUSED_LOGIN


def _ends(sock: socket.socket) -> bool:
    """Tell whether the server ends the connection before patience does."""
    return answer(sock) != "TimeoutError"


def test_a_full_listener_turns_clients_away_until_one_leaves(broker: AmqttBroker, folder: Path) -> None:
    """At most so many clients are served as are allowed; a further one is closed before its handshake."""
    with contextlib.closing(ThreadedListener(broker.address, max_clients=1)) as listener:
        start(listener)
        with Client(folder).connected(listener):
            crowded = Client(folder).outcome(listener)
        outcomes = iter(lambda: Client(folder).outcome(listener), REFUSED_LOGIN)
        turned_away = {crowded, *outcomes}

        assert turned_away <= TURNED_AWAY


SENT = b"".join(number.to_bytes(4, "big") for number in range(1_000_000))


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """Run a broker's stand-in that takes little at a time, and sends back what it got once it has everything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def serve() -> None:
            with server.accept()[0] as sock:
                got = bytearray()
                while len(got) < len(SENT):
                    got += sock.recv(65536)
                sock.sendall(got)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()
        thread.join()


def test_bytes_arrive_whole_and_in_order_through_full_buffers(echo: tuple[str, int], folder: Path) -> None:
    """Megabytes come back unchanged, though no side takes them as fast as they come: what can't be passed on waits."""
    with contextlib.closing(ThreadedListener(echo)) as listener:
        start(listener)
        with Client(folder).connected(listener) as secured:
            secured.sendall(SENT)
            received = answer(secured)

    assert isinstance(received, bytes)
    assert hashlib.sha256(received).hexdigest() == hashlib.sha256(SENT).hexdigest()


def test_a_pipe_holds_little_while_its_sink_is_full() -> None:
    """A source that never stops is read no further once the sink takes nothing, and again when it does."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(sock) for pair in (socket.socketpair(), socket.socketpair()) for sock in pair]
        for sock in sockets:
            sock.settimeout(0)
        writer, source, sink, reader = sockets
        pipe = Pipe(source, sink)

        def fill() -> bool:
            with contextlib.suppress(BlockingIOError):
                writer.send(bytes(65536))
            return pipe.move()

        while fill() or pipe.wants_read:
            pass
        full = (pipe.wants_read, pipe.wants_write)
        while len(reader.recv(1 << 20)) == 1 << 20:
            pass
        pipe.move()

        assert (full, pipe.wants_read) == ((False, True), True)


def test_the_broker_hears_of_a_client_that_leaves(folder: Path) -> None:
    """When a client goes, its connection to the broker ends too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        with contextlib.closing(ThreadedListener(server.getsockname())) as listener:
            start(listener)
            with Client(folder).connected(listener) as secured:
                secured.sendall(b"last words")
                behind, _ = server.accept()
            with behind:
                behind.settimeout(PATIENCE)

                assert answer(behind) == b"last words"


def test_a_broker_that_is_gone_ends_the_session_after_the_handshake(folder: Path) -> None:
    """Without a broker TLS still stands, and the client reads the end of the session."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with contextlib.closing(ThreadedListener(address)) as listener:
        start(listener)

        assert Client(folder).outcome(listener) == b""


def test_no_thread_and_no_client_outlives_a_close(listener: ThreadedListener, folder: Path) -> None:
    """A close ends the thread, clients in the middle of their handshake included."""
    start(listener)
    address = (listener.host, listener.port)
    with socket.create_connection(address, PATIENCE) as idle, Client(folder).logged_in(listener) as established:
        listener.close()

        assert (_ends(idle), answer(established), listener_threads()) == (True, CUT_OFF, 0)


def test_an_alert_reaches_a_client_that_keeps_writing(listener: ThreadedListener, folder: Path) -> None:
    """A refused client that writes on after the refusal still finds the alert: the connection isn't reset under it."""
    start(listener, mutual=True)
    with Client(folder, V13).connected(listener) as secured:
        secured.sendall(CONNECT)
        select.select([secured], [], [], PATIENCE)
        for _ in range(3):
            secured.sendall(CONNECT)

        assert answer(secured) == NO_CERTIFICATE[V13]
