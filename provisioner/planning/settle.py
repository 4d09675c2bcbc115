"""When an endpoint has settled, and what the end of a wait means.

Belongs here: counting readings and telling how a wait ended. Does not: taking readings, sleeping, acting on the end.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from provisioner.model.desired import WaitingPolicy
from provisioner.model.instance import EndpointState, Status
from provisioner.planning.wire import Look, View, WireState


class Ending(Enum):
    """How a wait ended.

    Rolling back answers ``wrong`` and ``down_in_service``; nothing more is requested after ``reverted`` and
    ``down_out_of_service``; after ``unseen`` the next run looks first; ``unchanged`` waits for a person.
    """

    SETTLED = "settled as wanted"
    WRONG = "settled in a state neither wanted nor the one before"
    REVERTED = "back in the state before the request"
    UNSEEN = "no effect was seen"
    UNCHANGED = "nothing was changed yet"
    DOWN_IN_SERVICE = "down or mixed at the deadline, instance in service"
    DOWN_OUT_OF_SERVICE = "not as wanted at the extended deadline, instance not seen in service"


@dataclass(slots=True)
class Streak:
    """Consecutive readings of one state; times are seconds of the run's monotonic clock."""

    state: WireState
    first: float
    last: float
    count: int = 1

    @property
    def span(self) -> float:
        """Seconds from the first to the last reading."""
        return self.last - self.first


@dataclass(slots=True)
class Watch:
    """Takes readings one by one and tells when a wait has ended, and how.

    States of a wait, in the order they are looked for at each reading::

        settled as wanted            K equal readings over the span, of the wanted state
        settled otherwise            likewise, of a state neither wanted nor the one before; status 5
        the state before, steady     through effect_within, status 5: reverted (left before) or unseen (never left)
        past the deadline            still counting: a little grace; status 5: roll back;
                                     else extended once, then broken

    One lost reading is no restart to a wait for a person, who may not have begun. A time-out pauses a count, and none
    ends by it. A second one in a row means that the state before was left: what has come of it is hidden.

    A wanted state that the endpoint was already in before the request counts only after a change was seen and with the
    instance no longer busy, since the restart may not have begun. A wrong state waits for status 5: nothing can be
    asked for before, and an instance that is still at work may yet become right. Where the state before is not known,
    it waits through ``effect_within`` too: what comes up first may be that state. With an attended driver
    ``effect_within`` does not apply and the deadline starts at the first change.

    Args:
        wanted: the state that was asked for.
        previous: the state before the request, None when it was down or mixed.
        policy: durations and counts.
        started: the monotonic time of the request, or of this run when an earlier one sent it.
        attended: a person does the work.
        interrupted: an earlier run saw the endpoint leave ``previous``.
        patient: wait for a person who has not begun yet.
    """

    wanted: EndpointState
    previous: EndpointState | None
    policy: WaitingPolicy
    started: float
    attended: bool = False
    interrupted: bool = False
    patient: bool = True
    extended: bool = False
    streak: Streak | None = None
    _changed_at: float | None = None
    _disturbed_at: float | None = None
    _failed_at: float | None = None
    _silent_in_a_row: int = field(default=0)
    _unclear_in_a_row: int = field(default=0)
    _unclear_since: float = field(default=0.0)

    def take(self, view: View, status: int | None, at: float) -> Ending | None:
        """Take one reading and return the ending, None while the wait goes on.

        Args:
            view: what the reading shows.
            status: the instance's status, None when it could not be read.
            at: the monotonic time of the reading.
        """
        self._count(view, at)
        self._notice_disturbance(view, status, at)
        in_service = status == Status.IN_SERVICE
        settled = self._settled(status)
        return settled or self._as_before(at, in_service=in_service) or self._late(at, in_service=in_service)

    @property
    def failed_at(self) -> float | None:
        """The monotonic time of the first reading that was neither the state before nor the wanted one."""
        return self._failed_at

    @property
    def good_at(self) -> float | None:
        """The monotonic time of the first of the readings that agree now, None when the last ones don't."""
        return None if self.streak is None else self.streak.first

    @property
    def changed(self) -> bool:
        """Whether the endpoint was seen to leave the state before the request."""
        return self.interrupted or self._changed_at is not None

    def budget(self) -> float | None:
        """Return the monotonic time at which the wait's budget ends, None while it has not begun."""
        begin = self._begin()
        return None if begin is None else begin + self._deadline()

    def _count(self, view: View, at: float) -> None:
        if view.look is Look.SILENT:
            return
        if view.state is None:
            self.streak = None
        elif self.streak is None or self.streak.state != view.state:
            self.streak = Streak(view.state, at, at)
        else:
            self.streak.last = at
            self.streak.count += 1

    def _notice_disturbance(self, view: View, status: int | None, at: float) -> None:
        self._silent_in_a_row = self._silent_in_a_row + 1 if view.look is Look.SILENT else 0
        self._unclear_in_a_row = self._unclear_in_a_row + 1 if view.state is None else 0
        self._unclear_since = at if self._unclear_in_a_row == 1 else self._unclear_since
        if self._silent_in_a_row > 1 and self._steady_before():
            self.streak = None
        before = self._as_it_was(view.state)
        if before and not self.changed:
            self._failed_at = None
        elif self._failed_at is None and not (before or (view.state and view.state.matches(self.wanted))):
            self._failed_at = at
        single_silence = view.look is Look.SILENT and self._silent_in_a_row == 1
        single_blip = self.attended and view.state is None and self._unclear_in_a_row == 1
        if _busy(status) or not (before or single_silence or single_blip):
            self._disturbed_at = at
            began = self._unclear_since if view.state is None else at
            self._changed_at = began if self._changed_at is None else self._changed_at

    def _settled(self, status: int | None) -> Ending | None:
        streak = None if self._silent_in_a_row else self.streak
        enough = streak is not None and streak.count >= self.policy.readings
        if streak is None or not enough or streak.span < self.policy.over.total_seconds():
            return None
        before = self._as_it_was(streak.state)
        if streak.state.matches(self.wanted) and (not before or (self.changed and not _busy(status))):
            return Ending.SETTLED
        if before or streak.state.matches(self.wanted) or status != Status.IN_SERVICE:
            return None
        return Ending.WRONG if self.previous is not None or streak.last - self.started >= self._patience() else None

    def _as_before(self, at: float, *, in_service: bool) -> Ending | None:
        if self.attended or not in_service or not self._steady_before():
            return None
        quiet_since = max(self.started, self._disturbed_at or self.started)
        if at - quiet_since < self._patience():
            return None
        return self._reverted_or_unseen()

    def _steady_before(self) -> bool:
        return self.streak is not None and self._as_it_was(self.streak.state)

    def _as_it_was(self, state: WireState | None) -> bool:
        return state is not None and state.same_as(self.previous, self.wanted)

    def _reverted_or_unseen(self) -> Ending:
        return Ending.REVERTED if self.changed else Ending.UNSEEN

    def _late(self, at: float, *, in_service: bool) -> Ending | None:
        begin = self._begin()
        if begin is None:
            patience = self.policy.deadline.total_seconds() if self.patient else 0.0
            return Ending.UNCHANGED if at - self.started >= patience else None
        over = at - begin - self._deadline()
        if over < 0 or over < self._grace():
            return None
        if not in_service and not self.extended:
            self.extended = True
            return None
        if self._steady_before() and (in_service or not self.changed):
            return self._reverted_or_unseen()
        return Ending.DOWN_IN_SERVICE if in_service else Ending.DOWN_OUT_OF_SERVICE

    def _patience(self) -> float:
        return (self.policy.deadline if self.attended else self.policy.effect_within).total_seconds()

    def _begin(self) -> float | None:
        if not self.attended:
            return self.started
        return self.started if self.interrupted else self._changed_at

    def _deadline(self) -> float:
        return self.policy.deadline.total_seconds() * (2 if self.extended else 1)

    def _grace(self) -> float:
        """Return how long a count in progress may go on past the deadline, in seconds."""
        if self.streak is None:
            return 0.0
        if self._steady_before():
            return 0.0 if self.attended else self.policy.effect_within.total_seconds()
        counting = self.policy.poll * self.policy.readings
        return (max(counting, self.policy.over) + timedelta(seconds=1)).total_seconds() * 2


def _busy(status: int | None) -> bool:
    return status is not None and status != Status.IN_SERVICE
