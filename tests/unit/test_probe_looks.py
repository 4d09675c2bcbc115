"""Many looks at once: all addresses at the same time, a few threads, and word of how far it is."""

import threading
from collections import Counter

import pytest

from provisioner.cli.looks import look_often
from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Stage
from tests.fakes.clock import FakeClock

TARGET = Endpoint("mqtt.example.com")
ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")


class Probe:
    """Implements ``WireProbe``: a look takes until as many are under way, and the time of a clock."""

    def __init__(self, together: int = 1, clock: FakeClock | None = None, seconds: float = 0.0) -> None:
        self._barrier = threading.Barrier(together)
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._under_way = 0
        self.most = 0

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Look."""
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        self._barrier.wait(20)
        if self._clock is not None:
            self._clock.sleep(self._seconds)
        with self._lock:
            self._under_way -= 1
        return AddressReading(address, Stage.CONNECT)


def say_nothing(_over: int, _total: int) -> None:
    """Tell nobody."""


def test_all_addresses_are_looked_at_at_the_same_time() -> None:
    """Filtered ones take as long as one of them."""
    found = look_often(Probe(len(ADDRESSES)), TARGET, ADDRESSES, 1, clock=FakeClock(), tell=say_nothing)

    assert found == {address: [AddressReading(address, Stage.CONNECT)] for address in ADDRESSES}


def test_each_address_is_looked_at_so_often_and_a_few_at_once() -> None:
    """However many looks there are, no more than eight are under way."""
    probe = Probe(4)
    found = look_often(probe, TARGET, ADDRESSES, 25, clock=FakeClock(), tell=say_nothing)

    assert {address: len(readings) for address, readings in found.items()} == dict.fromkeys(ADDRESSES, 25)
    assert 4 <= probe.most <= 8


def test_how_far_it_is_is_told_every_three_seconds() -> None:
    """And not at all before."""
    clock, told = FakeClock(), Counter[tuple[int, int]]()

    def tell(over: int, total: int) -> None:
        told[over, total] += 1

    look_often(Probe(1, clock, 0.5), TARGET, ADDRESSES[:1], 5, clock=clock, tell=tell)
    before = dict(told)
    look_often(Probe(1, clock, 0.5), TARGET, ADDRESSES[:1], 100, clock=clock, tell=tell)

    assert before == {}
    assert 1 <= told.total() <= 50 / 3 + 1
    assert {total for _, total in told} == {100}


def test_a_bug_in_a_thread_is_one_of_the_command() -> None:
    """It is raised where the readings are waited for, and no wait goes on for ever."""

    class Broken:
        def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look_often(Broken(), TARGET, ADDRESSES, 1, clock=FakeClock(), tell=say_nothing)


def test_no_thread_keeps_the_process() -> None:
    """They are daemons: Ctrl-C waits for none of them."""
    seen: list[bool] = []

    class Asked:
        def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
            seen.append(threading.current_thread().daemon)
            return AddressReading(address, Stage.CONNECT)

    look_often(Asked(), TARGET, ADDRESSES, 1, clock=FakeClock(), tell=say_nothing)

    assert seen == [True] * 4
