"""A balancer with real listeners behind it, as clients see it: who answers, what passes, and what is left behind."""

import contextlib
import hashlib
import select
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.sandbox.balance import Balance, chooser
from provisioner.sandbox.balancer import BalancedListener
from provisioner.sandbox.broker import AmqttBroker
from provisioner.sandbox.certificates import KeyPair, SandboxAuthority
from provisioner.sandbox.endpoint import Listener
from provisioner.sandbox.listener import ThreadedListener
from tests.sandbox.tls_client import (
    CERTIFICATES,
    CONNECT,
    CUT_OFF,
    NO_CERTIFICATE,
    PATIENCE,
    REFUSED_LOGIN,
    STRANGERS,
    TURNED_AWAY,
    UNKNOWN_CA,
    V12,
    V13,
    Client,
    answer,
    listener_threads,
    login,
    start,
)

PAIRS = [SandboxAuthority(f"CA {number}").issue_server([f"{number}.example.com"]) for number in range(3)]


@pytest.fixture(scope="module")
def broker() -> Iterator[AmqttBroker]:
    """Run one plain broker for all tests of this file."""
    broker = AmqttBroker(login)
    broker.start()
    yield broker
    broker.stop()


class Balanced:
    """Three listeners, each with a certificate of its own, behind a balancer."""

    def __init__(self, broker: AmqttBroker, balance: Balance = "round_robin", *, health_checks: bool = True) -> None:
        parts = [ThreadedListener(broker.address) for _ in PAIRS]
        self.front = BalancedListener(parts, chooser(balance, len(parts)), health_checks=health_checks)
        self.parts = parts

    def start(self, *, mutual: bool = False) -> None:
        """Start each listener with its own certificate, and open the port in front."""
        for part, pair in zip(self.parts, PAIRS, strict=True):
            start(part, mutual=mutual, pair=pair)
        self.front.open()

    @contextlib.contextmanager
    def met(self, source: str = "127.0.0.1") -> Iterator[int]:
        """Connect from an address, and tell which backend answers; the connection lasts for the block."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = (self.front.host, self.front.port)
        with (
            socket.create_connection(address, PATIENCE, source_address=(source, 0)) as plain,
            context.wrap_socket(plain) as secured,
        ):
            leaf = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
            yield [_sha256(pair) for pair in PAIRS].index(leaf)

    def meet(self, times: int, source: str = "127.0.0.1") -> list[int]:
        """Return which backends answer so many connections in a row."""
        found = []
        for _ in range(times):
            with self.met(source) as number:
                found.append(number)
        return found


def _sha256(pair: KeyPair) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.certificate_pem)).hexdigest()


@pytest.fixture
def balanced(broker: AmqttBroker) -> Iterator[Balanced]:
    """Lend a balancer that takes turns and isn't started."""
    made = Balanced(broker)
    with contextlib.closing(made.front):
        yield made


@pytest.fixture
def front(broker: AmqttBroker) -> Iterator[BalancedListener]:
    """Lend a balancer with two listeners that are started as one."""
    parts = [ThreadedListener(broker.address) for _ in range(2)]
    with contextlib.closing(BalancedListener(parts, chooser("round_robin", 2))) as front:
        yield front


def test_connections_take_turns(balanced: Balanced) -> None:
    """Two connections in a row never meet the same backend, and the fourth meets the first one again."""
    balanced.start()
    assert balanced.meet(7) == [0, 1, 2, 0, 1, 2, 0]


def test_a_dead_backend_is_passed_over(balanced: Balanced) -> None:
    """Its turns go to the next one, until it is back."""
    balanced.start()
    balanced.parts[1].stop()
    without = balanced.meet(4)
    start(balanced.parts[1], pair=PAIRS[1])
    assert (without, balanced.meet(3)) == ([0, 2, 0, 2], [0, 1, 2])


def test_without_health_checks_a_dead_backend_costs_its_clients(broker: AmqttBroker, tmp_path: Path) -> None:
    """They are accepted and then closed, every time it is their turn."""
    made = Balanced(broker, health_checks=False)
    with contextlib.closing(made.front):
        made.start()
        made.parts[1].stop()
        first = made.meet(1)
        dropped = Client(tmp_path).outcome(made.front)
        assert (first, made.meet(2)) == ([0], [2, 0])
        assert dropped in TURNED_AWAY


def test_with_no_backend_left_clients_are_accepted_and_closed(balanced: Balanced, tmp_path: Path) -> None:
    """The port itself stays open."""
    balanced.start()
    for part in balanced.parts:
        part.stop()
    assert Client(tmp_path).outcome(balanced.front) in TURNED_AWAY


def test_least_connections_counts_who_is_there(broker: AmqttBroker) -> None:
    """A client that stays weighs, one that has left no longer does."""
    made = Balanced(broker, "least_connections")
    with contextlib.closing(made.front):
        made.start()
        with made.met() as first, made.met() as second, made.met() as third:
            assert [first, second, third] == [0, 1, 2]
            with made.met() as fourth:
                assert fourth == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
def test_affinity_goes_by_the_address_of_the_client(broker: AmqttBroker) -> None:
    """One address meets one backend, another address may meet another."""
    made = Balanced(broker, "affinity")
    with contextlib.closing(made.front):
        made.start()
        met = [set(made.meet(3, f"127.0.0.{number}")) for number in range(1, 9)]
    assert {len(one) for one in met} == {1}
    assert len(set().union(*met)) > 1


@pytest.mark.parametrize("version", [V12, V13])
def test_alerts_pass_the_balancer(front: BalancedListener, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Each refusal is the alert that it is without a balancer, on every backend."""
    start(front, mutual=True)
    pairs = [None, None, STRANGERS.device, STRANGERS.device, CERTIFICATES.device, CERTIFICATES.device]
    outcomes = [Client(tmp_path, version, pair).outcome(front) for pair in pairs]
    assert outcomes == [NO_CERTIFICATE[version]] * 2 + [UNKNOWN_CA] * 2 + [REFUSED_LOGIN] * 2


def test_an_alert_reaches_a_client_that_keeps_writing(front: BalancedListener, tmp_path: Path) -> None:
    """No reset overtakes it, neither the backend's nor the balancer's."""
    start(front, mutual=True)
    for _ in range(4):
        with Client(tmp_path, V13).connected(front) as secured:
            secured.sendall(CONNECT)
            select.select([secured], [], [], PATIENCE)
            for _ in range(3):
                secured.sendall(CONNECT)

            assert answer(secured) == NO_CERTIFICATE[V13]


class Plain:
    """A backend without TLS, whose connections a test holds."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(PATIENCE)
        self.host, self.port = self.server.getsockname()

    def start(self, **_: object) -> None:
        """Do nothing: it listens from the beginning."""

    def stop(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Give the port back."""
        self.server.close()


@pytest.fixture
def plain() -> Iterator[tuple[Plain, BalancedListener]]:
    """Lend a backend without TLS, and the balancer in front of it."""
    backend = Plain()
    with contextlib.closing(BalancedListener([backend], chooser("round_robin", 1))) as front:
        front.start(mutual=False, chain_pem="", key_pem="", device_cas_pem=())
        yield backend, front


def test_a_client_that_ends_its_own_direction_still_gets_its_answer(plain: tuple[Plain, BalancedListener]) -> None:
    """The end is passed on, and what the backend says then is passed back."""
    backend, front = plain
    with socket.create_connection((front.host, front.port), PATIENCE) as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        with backend.server.accept()[0] as behind:
            behind.settimeout(PATIENCE)
            asked = answer(behind)
            behind.sendall(b"answer")
        assert (asked, answer(client)) == (b"question", b"answer")


def test_a_client_that_never_goes_is_dropped(plain: tuple[Plain, BalancedListener]) -> None:
    """A moment after its backend has ended: until then it may read, and what it writes is forgotten."""
    backend, front = plain
    with socket.create_connection((front.host, front.port), PATIENCE) as client:
        backend.server.accept()[0].close()
        assert answer(client) == b""
        ended = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < ended + PATIENCE:
                client.sendall(b"more")
                time.sleep(0.05)
        assert 0.5 < time.monotonic() - ended < PATIENCE


def test_a_client_that_resets_ends_at_the_backend_too(plain: tuple[Plain, BalancedListener]) -> None:
    """Nothing is left of it, on either side."""
    backend, front = plain
    client = socket.create_connection((front.host, front.port), PATIENCE)
    with client, backend.server.accept()[0] as behind:
        behind.settimeout(PATIENCE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert answer(behind) == b""
    end = time.monotonic() + PATIENCE
    while front._clients[0]:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_backend_that_stops_drops_its_clients_alone(balanced: Balanced, tmp_path: Path) -> None:
    """Those of the others stay, and the port stays open."""
    balanced.start()
    with balanced.met() as first, balanced.met() as second:
        assert (first, second) == (0, 1)
    for part in balanced.parts[1:]:
        part.stop()
    pair = CERTIFICATES.server
    balanced.parts[0].stop()
    start(balanced.parts[0], pair=pair)
    with Client(tmp_path).logged_in(balanced.front) as stays:
        start(balanced.parts[1], pair=pair)
        with Client(tmp_path).connected(balanced.front) as goes:
            balanced.parts[1].stop()
            assert answer(goes) == CUT_OFF
        stays.sendall(bytes.fromhex("c000"))
        assert stays.recv(2) == bytes.fromhex("d000")


def test_stop_and_start_keep_the_port(front: BalancedListener, tmp_path: Path) -> None:
    """While stopped the port refuses, and every client has been dropped."""
    port = front.port
    start(front)
    with Client(tmp_path).logged_in(front) as established:
        front.stop()
        assert answer(established) == CUT_OFF
    stopped = Client(tmp_path).outcome(front)
    start(front)
    assert (stopped, Client(tmp_path).outcome(front), front.port) == ("ConnectionRefusedError", REFUSED_LOGIN, port)


def test_nothing_outlives_a_close(broker: AmqttBroker, tmp_path: Path) -> None:
    """Neither a thread nor a socket, clients in the middle of something included; closed is for good."""
    parts = [ThreadedListener(broker.address) for _ in range(2)]
    front = BalancedListener(parts, chooser("round_robin", 2))
    everything: list[Listener] = [front, *parts]
    ports = [(one.host, one.port) for one in everything]
    start(front)
    with socket.create_connection(ports[0], PATIENCE), Client(tmp_path).logged_in(front) as established:
        front.close()
        assert answer(established) == CUT_OFF
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("sandbox-balancer-")]
    assert (listener_threads(), names) == (0, [])
    for address in ports:
        with socket.socket() as taken:  # no socket holds the port any more
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(address)
    front.close()
    with pytest.raises(RuntimeError, match="closed"):
        front.open()


def test_a_crowd_is_turned_away_by_the_balancer(broker: AmqttBroker, tmp_path: Path) -> None:
    """Beyond its limit clients are accepted and closed."""
    part = ThreadedListener(broker.address)
    with contextlib.closing(BalancedListener([part], chooser("round_robin", 1), max_clients=1)) as front:
        start(front)
        with Client(tmp_path).connected(front):
            assert Client(tmp_path).outcome(front) in TURNED_AWAY
