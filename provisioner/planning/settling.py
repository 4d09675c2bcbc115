"""When an endpoint has settled, and what the end of a wait means.

Belongs here: counting connections and telling how a wait ended. Does not: making them, sleeping, acting on the end.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum

from provisioner.model.desired import WaitingPolicy
from provisioner.model.instance import EndpointState, Status
from provisioner.planning.departure import Departure
from provisioner.planning.samples import Samples, Streak
from provisioner.planning.stale_share import connections_needed, share_ruled_out
from provisioner.planning.wire_state import Gap, Look, View, WireState


class Ending(Enum):
    """How a wait ended.

    A rollback answers ``wrong`` and ``down_in_service``; nothing more is requested after ``reverted`` and
    ``down_out_of_service``; after ``unseen`` the next run looks first; ``unchanged`` waits for the operator;
    ``unproven`` asks for a canary.
    """

    SETTLED = "settled as wanted"
    UNPROVEN = "as wanted for all that was seen, but not proven"
    WRONG = "settled in a state neither wanted nor the one before"
    REVERTED = "back in the state before the request"
    UNSEEN = "no effect was seen"
    UNCHANGED = "nothing was changed yet"
    DOWN_IN_SERVICE = "down or mixed at the deadline, instance in service"
    DOWN_OUT_OF_SERVICE = "not as wanted at the extended deadline, instance not seen in service"


@dataclass(slots=True)
class Settling:
    """Takes readings one by one and tells when a wait has ended, and how.

    ===================================================  ==================================================
    what the readings show                               then
    ===================================================  ==================================================
    the wanted state, and a stale share is ruled out     ``settled``; ``unproven`` where a control is missing
    another clear state than the two, likewise           ``wrong``, once status is 5
    the state before, through ``effect_within``          ``reverted`` if it was left, else ``unseen``; status 5
    anything else until the deadline                     a count in progress may finish; then, with status 5,
                                                         ``down_in_service``; else extended once, then
                                                         ``down_out_of_service``
    the state before, and an operator is to act          ``unchanged`` at the deadline
    ===================================================  ==================================================

    *Ruled out*: consecutive connections to every address, over the configured span and number of readings, as many as
    ``planning.stale_share`` asks for. Only clear states end a wait early. A close, a reset, a time-out, a broker that
    is not there are what a restart looks like: they wait for the deadline.

    A wanted state that the endpoint was already in before the request counts only after a change was seen and with the
    instance no longer busy, since the restart may not have begun. A wrong state waits for status 5: nothing can be
    requested before, and an instance that is still at work may yet become right. Where the state before is not known,
    it waits through ``effect_within`` too: what comes up first may be that state. A time-out pauses a count, and none
    ends by it; after a second one in a row the state before counts as left, since what came of it is hidden. With an
    attended driver ``effect_within`` does not apply, and the deadline starts at the first change.

    Args:
        wanted: the state that was asked for.
        previous: the state before the request, None when it was down or mixed.
        policy: durations and counts.
        started: the monotonic time of the request, or of this run when an earlier one sent it.
        attended: an operator does the work.
        interrupted: an earlier run saw the endpoint leave ``previous``.
        patient: wait for an operator who has not begun yet.

    Attributes:
        extended: the deadline was extended.
        streak: the readings that agree now, None when the last one was unclear.
        last_other: what the last reading showed that was not the wanted state, in words.
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
    last_other: str = ""
    samples: Samples = field(init=False)
    departure: Departure = field(init=False)

    def __post_init__(self) -> None:
        self.samples = Samples(self.policy.smallest_share)
        self.departure = Departure(self.attended)

    def take(self, view: View, status: int | None, at: float) -> Ending | None:
        """Take one reading and return the ending, None while the wait goes on.

        Args:
            view: what the reading shows.
            status: the instance's status, None when it could not be read.
            at: the monotonic time of the reading.
        """
        self.samples.take(view)
        self._count(view, at)
        before = self._is_before(view.state)
        wanted = view.state is not None and view.state.matches(self.wanted)
        if not wanted and view.look is not Look.SILENT:
            self.last_other = view.words
        self.departure.take(view, at, before=before, wanted=wanted, busy=_busy(status), changed=self.changed)
        if self.departure.silent > 1 and self._steady_before():
            self.streak = None
        in_service = status == Status.IN_SERVICE
        return (
            self._settled(status)
            or self._as_before(at, in_service=in_service)
            or self._past_deadline(at, in_service=in_service)
        )

    @property
    def failed_at(self) -> float | None:
        """The monotonic time of the first reading that was neither the state before nor the wanted one."""
        return self.departure.failed_at

    @property
    def good_at(self) -> float | None:
        """The monotonic time of the first of the readings that agree now, None when the last ones don't."""
        return None if self.streak is None else self.streak.first

    @property
    def changed(self) -> bool:
        """Whether the endpoint was seen to leave the state before the request."""
        return self.interrupted or self.departure.changed_at is not None

    @property
    def idle(self) -> bool:
        """Whether nothing but the state before has been seen, so that few connections tell as much as many."""
        return not self.changed and self._steady_before()

    def budget(self) -> float | None:
        """Return the monotonic time at which the wait's budget ends, None while it has not begun."""
        begin = self._begin()
        return None if begin is None else begin + self._deadline()

    def connections(self) -> tuple[int, int]:
        """Return how many connections in a row met the present state, and how many are needed."""
        if self.streak is None:
            return 0, connections_needed(self.policy.smallest_share)
        return self.samples.in_a_row(self.streak.state), self.samples.needed(self.streak.state)

    def connections_to(self, address: str) -> int:
        """Return how many connections in a row to one address met the present state."""
        return self.samples.in_a_row_at(self.streak.state, address) if self.streak else 0

    def ruled_out(self) -> float:
        """Return the smallest share of backends in another state that the present count rules out, 1 for none."""
        return share_ruled_out(self.connections()[0])

    def wanted_and_others(self) -> tuple[int, int]:
        """Return how many connections met another state since the wanted one was met first, and how many there were."""
        without_domains = replace(self.wanted, domains=())
        states = [state for state in self.samples.states() if state.matches(without_domains)]
        return max((self.samples.others(state) for state in states), key=lambda pair: pair[1], default=(0, 0))

    def _count(self, view: View, at: float) -> None:
        if view.look is Look.SILENT:
            self._count_silence()
        elif view.state is None:
            self.streak = None
        elif self.streak is None or self.streak.state != view.state:
            self.streak = Streak(view.state, at, at, gaps=view.gaps)
        else:
            self.streak.add(view.gaps, at)

    def _count_silence(self) -> None:
        """Let one time-out pass; a second one in a count is a backend that does not answer."""
        if self.streak is None or self._steady_before():
            return
        self.streak.silences += 1
        if self.streak.silences > 1:
            self.samples.contradict()
            self.streak = None

    def _settled(self, status: int | None) -> Ending | None:
        streak = None if self.departure.silent else self.streak
        if streak is None or not self._counted(streak):
            return None
        before = self._is_before(streak.state)
        if streak.state.matches(self.wanted) and (not before or (self.changed and not _busy(status))):
            return Ending.UNPROVEN if streak.gaps else Ending.SETTLED
        if before or streak.state.matches(self.wanted) or status != Status.IN_SERVICE:
            return None
        known = {self.wanted.leaf, self.previous.leaf if self.previous else None}
        if Gap.DEMAND in streak.gaps and streak.state.leaf in known:
            return None  # a restart closes connections just so
        return Ending.WRONG if self.previous is not None or streak.last - self.started >= self._patience() else None

    def _counted(self, streak: Streak) -> bool:
        long_enough = streak.count >= self.policy.readings and streak.span >= self.policy.over.total_seconds()
        return long_enough and self.samples.enough(streak.state)

    def _as_before(self, at: float, *, in_service: bool) -> Ending | None:
        if self.attended or not in_service or not self._steady_before():
            return None
        quiet_since = max(self.started, self.departure.disturbed_at or self.started)
        return self._reverted_or_unseen() if at - quiet_since >= self._patience() else None

    def _steady_before(self) -> bool:
        return self.streak is not None and self._is_before(self.streak.state)

    def _is_before(self, state: WireState | None) -> bool:
        return state is not None and state.same_as(self.previous, self.wanted)

    def _reverted_or_unseen(self) -> Ending:
        return Ending.REVERTED if self.changed else Ending.UNSEEN

    def _past_deadline(self, at: float, *, in_service: bool) -> Ending | None:
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
        return self.started if self.interrupted else self.departure.changed_at

    def _deadline(self) -> float:
        return self.policy.deadline.total_seconds() * (2 if self.extended else 1)

    def _grace(self) -> float:
        """Return how long a count in progress may go on past the deadline, in seconds."""
        if self.streak is None:
            return 0.0
        if self._steady_before():
            return 0.0 if self.attended else self.policy.effect_within.total_seconds()
        readings = max(self.policy.readings, self.connections()[1] / self.policy.connections)
        return (max(self.policy.poll * readings, self.policy.over) + timedelta(seconds=1)).total_seconds() * 2


def _busy(status: int | None) -> bool:
    return status is not None and status != Status.IN_SERVICE
