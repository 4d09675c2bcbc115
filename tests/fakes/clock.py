"""A clock that tests move: sleeping takes no time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


class FakeClock:
    """Implements ``ports.Clock``; ``sleep`` moves the time on and calls whoever wants to know."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self.sleepers: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the pretended time of day."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the pretended seconds since the start."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move the time on by so many seconds."""
        self._elapsed += max(seconds, 0.001)
        for sleeper in self.sleepers:
            sleeper()
