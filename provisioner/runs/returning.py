"""Devices coming back after a switch: who was online before, and who is missing afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioner.errors import ServiceError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.ports import Clock, Sessions
from provisioner.runs.journal import Journal
from provisioner.waiting import Repeater, poll_until


@dataclass(frozen=True, slots=True)
class Absence:
    """Who was not seen back when the wait ended.

    ``enough`` tells whether the wanted share is back; ``unknown`` is why the service could not say who is, empty where
    it could: then nobody knows that those not seen are missing.
    """

    missing: tuple[str, ...] = ()
    enough: bool = True
    unknown: str = ""


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

    def missing(self, awaited: Sequence[str]) -> Absence:
        """Wait until the wanted share is back or the deadline passes; return who is missing then."""
        if not awaited:
            return Absence()
        end = self._clock.monotonic() + self._desired.waiting.deadline.total_seconds()
        absent = tuple(awaited)

        def tick() -> Absence | None:
            nonlocal absent
            self._heed_stop()
            late = self._clock.monotonic() >= end
            unknown = ""
            try:
                absent = self._still_absent(absent, persistently=late)
            except ServiceError as error:
                unknown = error.message
            back = len(awaited) - len(absent)
            told = f"{back} of {len(awaited)} clients that were online are back"
            self._journal.tell(EventKind.WAITING, f"{told}; who else is could not be asked" if unknown else told)
            enough = back / len(awaited) >= self._policy.share
            return Absence(absent, enough=enough, unknown=unknown) if enough or late else None

        return poll_until(tick, self._clock, self._desired.waiting.status_poll.total_seconds())

    def _still_absent(self, absent: Sequence[str], *, persistently: bool) -> tuple[str, ...]:
        """Return who is absent still; who was seen back is not asked for again. Raises ``ServiceError``."""
        online = self._repeater.read(lambda: self._online(absent)) if persistently else self._online(absent)
        return tuple(item for item in absent if item not in online)

    def _online(self, clients: Sequence[str]) -> frozenset[str]:
        return self._sessions.online(self._desired.region, self._desired.id, tuple(clients))
