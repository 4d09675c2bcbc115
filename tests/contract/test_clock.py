"""Time: one suite for the pretended clock and for the machine's."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import FrameType

import pytest

from provisioner.ports import Clock
from provisioner.runs.system_clock import SystemClock
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class Timed:
    """A clock, and a way to stop the process while it sleeps."""

    clock: Clock
    interrupt: Callable[[], None]


def stop(*_: int | FrameType | None) -> None:
    """Do what the command line does when it is asked to stop."""
    raise KeyboardInterrupt


@pytest.fixture(params=["fake", "system"])
def timed(request: pytest.FixtureRequest) -> Iterator[Timed]:
    """Return each clock."""
    if request.param == "fake":
        fake = FakeClock()
        yield Timed(fake, lambda: fake.sleepers.append(stop))
        return
    before = signal.signal(signal.SIGALRM, stop)

    def interrupt() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    yield Timed(SystemClock(), interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_the_time_of_day_is_aware_and_in_utc(timed: Timed) -> None:
    """Times of this clock can be compared with those of certificates."""
    now = timed.clock.now()
    assert (now.tzinfo, now.utcoffset()) == (UTC, timedelta(0))
    assert now > datetime(2026, 1, 1, tzinfo=UTC)


def test_a_sleep_takes_at_least_so_long_on_both_counts(timed: Timed) -> None:
    """What is slept through is used up from budgets too."""
    clock = timed.clock
    began = clock.monotonic(), clock.now()
    clock.sleep(0.05)
    assert clock.monotonic() - began[0] >= 0.05
    assert clock.now() - began[1] >= timedelta(seconds=0.045)  # the time of day is not counted by the same clock


def test_seconds_only_grow(timed: Timed) -> None:
    """No sleep goes back, however short, not even one that is long over."""
    clock, seen = timed.clock, []
    for seconds in (0.0, 0.001, -1.0, 0.0):
        seen.append(clock.monotonic())
        clock.sleep(seconds)
    seen.append(clock.monotonic())
    assert seen == sorted(seen)


def test_a_request_to_stop_ends_a_sleep(timed: Timed) -> None:
    """Nobody who presses Ctrl-C waits for the end of a sleep."""
    began = timed.clock.monotonic()
    timed.interrupt()
    with pytest.raises(KeyboardInterrupt):
        timed.clock.sleep(50)
    assert timed.clock.monotonic() - began <= 50
