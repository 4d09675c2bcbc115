"""Devices coming back after a switch: who was online before, and who is missing afterwards."""

from collections.abc import Callable, Sequence

from provisioner.errors import ServiceError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.ports import Clock, Sessions
from provisioner.runs.journal import Journal
from provisioner.waiting import Repeater, poll_until


class Returning:
    """Watches a configured list of device clients.

    Only those that were online before the switch count afterwards: a device that sleeps most of the day proves nothing.

    Args:
        desired: its policy names the clients and the share that has to come back.
        sessions: tells who is online; each client asked for is billed as a message.
        journal: of this run.
        clock: time.
        heed_stop: raises when another run takes over.
    """

    def __init__(
        self, desired: Desired, sessions: Sessions, journal: Journal, clock: Clock, heed_stop: Callable[[], None]
    ) -> None:
        self._desired = desired
        self._policy = desired.clients
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._heed_stop = heed_stop
        self._repeater = Repeater(clock)

    def online_now(self) -> tuple[str, ...]:
        """Return which of the configured clients are online. Raises ``ServiceError``."""
        if not self._policy.ids:
            return ()
        online = self._repeater.read(lambda: self._online(self._policy.ids))
        message = f"{len(online)} of {len(self._policy.ids)} listed clients are online before the switch"
        self._journal.tell(EventKind.OBSERVED, message, online=len(online))
        return tuple(item for item in self._policy.ids if item in online)

    def missing(self, awaited: Sequence[str]) -> tuple[str, ...]:
        """Wait until the wanted share is back or the deadline passes; return who is missing then."""
        if not awaited:
            return ()
        end = self._clock.monotonic() + self._desired.waiting.deadline.total_seconds()
        absent = list(awaited)

        def tick() -> tuple[str, ...] | None:
            self._heed_stop()
            absent[:] = self._still_absent(absent)
            back = len(awaited) - len(absent)
            self._journal.tell(EventKind.WAITING, f"{back} of {len(awaited)} clients that were online are back")
            enough = self.enough(awaited, absent)
            return tuple(absent) if enough or self._clock.monotonic() >= end else None

        return poll_until(tick, self._clock, self._desired.waiting.status_poll.total_seconds())

    def enough(self, awaited: Sequence[str], missing: Sequence[str]) -> bool:
        """Tell whether the wanted share of those awaited is back."""
        return len(awaited) - len(missing) >= self._policy.share * len(awaited)

    def _still_absent(self, absent: Sequence[str]) -> list[str]:
        """Return who is absent still; who was seen back is not asked for again."""
        try:
            online = self._online(absent)
        except ServiceError:
            return list(absent)
        return [item for item in absent if item not in online]

    def _online(self, clients: Sequence[str]) -> frozenset[str]:
        return self._sessions.online(self._desired.region, self._desired.id, tuple(clients))
