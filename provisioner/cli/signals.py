"""Ctrl-C and SIGTERM: each ends a run by ``KeyboardInterrupt``."""

import signal

from provisioner.ports import Clock

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_REPEATED_SECONDS = 2.0


class Interruptions:
    """Interrupts the process, but not again while it is ending because of that.

    A key that is pressed over and over would tear the end of a run, and what it says, apart. A later signal interrupts
    anew, should the first have been lost.

    Args:
        clock: tells how long ago the last one was.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: float | None = None

    def begin(self) -> None:
        """Heed signals from now on."""
        for number in _NUMBERS:
            signal.signal(number, self.interrupt)

    @staticmethod
    def end() -> None:
        """Heed none any more: the process ends, and its exit code stands."""
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def interrupt(self, _number: int, _frame: object) -> None:
        """Raise ``KeyboardInterrupt``, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if self._last is None or now - self._last >= _REPEATED_SECONDS:
            self._last = now
            raise KeyboardInterrupt
