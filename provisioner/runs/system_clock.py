"""The real clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements ``ports.Clock``.

    Ctrl-C, and SIGTERM which the command line treats alike, interrupt a sleep at once: the handler raises in the
    main thread, where runs sleep.
    """

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        time.sleep(max(0.0, seconds))
