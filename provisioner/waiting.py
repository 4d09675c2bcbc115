"""Waiting and repeating: the only user of tenacity.

Belongs here: repeating a call by the class of its error, and polling until something is known, on our clock. Does not:
deciding what a wait's end means (``planning.settling``).

tenacity measures time with ``time.monotonic`` whatever ``sleep`` it is given, so budgets stop on our own clock here.
"""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result, stop_never
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

from provisioner.errors import StateError, ThrottledError, UnansweredError
from provisioner.ports import Clock

T = TypeVar("T")


class _StopAfter(stop_base):
    """Stops once a budget on our clock is used up; at least one attempt is made."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._clock.monotonic() + (retry_state.upcoming_sleep or 0.0) >= self._end


class _Cadence(wait_base):
    """Waits so that looks begin at a steady interval, however long each takes."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._began = clock.monotonic()

    def __call__(self, retry_state: RetryCallState) -> float:  # noqa: ARG002  tenacity's signature
        now = self._clock.monotonic()
        self._began = max(self._began + self._interval, now)
        return self._began - now


class Repeater:
    """Repeats calls that fail in passing.

    A read is repeated whenever it may help. A write is repeated only when it certainly did not land; a write without an
    answer is the caller's to look after. A record is kept in the state, which may be locked, or its disk full, for a
    while.

    Args:
        clock: time and interruptible sleep.
        budget: seconds after which the last error is raised.
    """

    def __init__(self, clock: Clock, budget: float = 40.0) -> None:
        self._clock = clock
        self._budget = budget

    def read(self, call: Callable[[], T]) -> T:
        """Return what a read returns, repeated on ``ThrottledError`` and ``UnansweredError``."""
        return self._repeat(call, (ThrottledError, UnansweredError))

    def write(self, call: Callable[[], T]) -> T:
        """Return what a write returns, repeated on ``ThrottledError`` alone."""
        return self._repeat(call, (ThrottledError,))

    def record(self, call: Callable[[], T]) -> T:
        """Return what a read or a write of the state returns, repeated on ``StateError``."""
        return self._repeat(call, (StateError,))

    def _repeat(self, call: Callable[[], T], errors: tuple[type[Exception], ...]) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type(errors),
            wait=wait_random_exponential(multiplier=0.5, max=8),
            stop=_StopAfter(self._clock, self._budget),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(call)


def poll_until(look: Callable[[], T | None], clock: Clock, interval: float) -> T:
    """Look again and again, ``interval`` seconds apart, until a look returns something; return that.

    The look itself knows its deadline. An interruption of the clock's sleep passes through.
    """
    retrying = Retrying(
        retry=retry_if_result(lambda found: found is None),
        wait=_Cadence(clock, interval),
        stop=stop_never,
        sleep=clock.sleep,
    )
    found: T | None = retrying(look)
    assert found is not None
    return found
