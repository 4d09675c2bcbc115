"""Watching: reading the wire and the status until a wait ends."""

from dataclasses import dataclass, replace

from provisioner.errors import InterruptedRunError, ServiceError, StateError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.instance import EndpointState, MappedState, Status, status_label
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import Evidence
from provisioner.model.reading import Reading
from provisioner.planning.endpoint_view import view
from provisioner.planning.settling import Ending, Settling
from provisioner.planning.wire_state import Look, View
from provisioner.planning.wire_words import kinds
from provisioner.runs.evidence import evidence
from provisioner.runs.journal import Journal
from provisioner.runs.looking import Looker
from provisioner.runs.observing import Observer
from provisioner.runs.seams import Reads
from provisioner.waiting import poll_until


@dataclass(frozen=True, slots=True)
class Watched:
    """How a wait ended, what was seen last, and the evidence.

    ``failed_at`` is the monotonic time of the first failed reading, ``good_at`` that of the first of the last agreeing
    ones; either may be None. ``words`` tells what kept the wanted state from settling, over the whole wait.
    ``partly``: while clients were cut off, some connections worked all the time.
    """

    ending: Ending
    view: View
    failed_at: float | None
    good_at: float | None
    evidence: Evidence
    words: str = ""
    partly: bool = False

    @property
    def state(self) -> EndpointState | None:
        """The state seen last, without the identifier of a hosted copy."""
        state = self.view.state
        return None if state is None else EndpointState(state.mode, state.leaf)

    def without(self, clients: tuple[str, ...]) -> "Watched":
        """Return the same with device clients that did not come back in its evidence."""
        return replace(self, evidence=replace(self.evidence, missing_clients=clients)) if clients else self

    @property
    def outage(self) -> float | None:
        """Seconds that clients were cut off, 0 when no reading failed, None when they still are."""
        return outage(self.failed_at, self.good_at)


def _alternation(watch: Settling, seen: View) -> str:
    """Return how often something else than the wanted state was met since that was met first, in words."""
    others, connections = watch.wanted_and_others()
    if not others:
        return seen.words
    last = watch.last_other or seen.words
    return (
        f"{others} of {connections} connections met something else since the wanted state was met first; at last {last}"
    )


def outage(failed_at: float | None, good_at: float | None) -> float | None:
    """Return the seconds from the first failed reading to the first good one; the poll interval is the resolution."""
    if failed_at is None:
        return 0.0
    return None if good_at is None else round(max(0.0, good_at - failed_at), 1)


class Watcher:
    """Waits on the wire; tolerant of every failure that a restart causes, of the service's included.

    Every tick looks whether another run asks this one to stop.

    Args:
        desired: what is wanted.
        reads: the ports.
        journal: of this run.
        looker: takes readings.
        observer: reads the status.
        patient: wait for a person who has not begun yet; otherwise one look tells that nothing was changed.
    """

    def __init__(
        self,
        desired: Desired,
        reads: Reads,
        journal: Journal,
        looker: Looker,
        observer: Observer,
        *,
        patient: bool = True,
    ) -> None:
        self._desired = desired
        self._clock = reads.clock
        self._journal = journal
        self._looker = looker
        self._observer = observer
        self._status: int | None = None
        self._status_at: float | None = None
        self._canary = reads.canary is not None
        self._patient = patient

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that belonged to the endpoint's name so far."""
        return self._looker.addresses

    def follow(self, intent: Intent, *, attended: bool) -> Watched:
        """Wait until the intent's request has had its effect, or the wait ends otherwise."""
        watch = Settling(
            wanted=intent.target,
            previous=intent.previous,
            policy=self._desired.waiting,
            started=self._clock.monotonic(),
            attended=attended,
            interrupted=intent.interrupted,
            patient=self._patient or intent.action is Action.ROLLBACK,
        )
        self._status_at = None
        self._looker.remember(intent.addresses)
        marked = intent.interrupted
        last: tuple[Reading, View] | None = None

        def tick() -> Ending | None:
            nonlocal last, marked
            self.heed_stop()
            last = self._looker.look_for(intent.target, intent.previous, intent.left_out, few=watch.idle)
            extended = watch.extended
            ending = watch.take(last[1], self.status(), self._clock.monotonic())
            if watch.changed and not marked:
                marked = self._mark_interrupted(intent)
            self._tell(watch, last[1], newly_extended=watch.extended and not extended)
            return ending

        ending = poll_until(tick, self._clock, self._desired.waiting.poll.total_seconds())
        assert last is not None
        return self._watched(ending, watch, *last, intent.left_out)

    def confirm(self, state: EndpointState, left_out: tuple[str, ...]) -> Watched | None:
        """Return the evidence that the endpoint is in a state and stays there, None once it shows anything else.

        One silent reading pauses the count; a second one in a row is something else.
        """
        watch = Settling(state, None, self._desired.waiting, self._clock.monotonic())
        last: tuple[Reading, View] | None = None

        def tick() -> Ending | None:
            nonlocal last
            self.heed_stop()
            pause = last is not None and last[1].look is Look.UP
            last = self._looker.look_for(state, None, left_out)
            seen = last[1]
            ending = watch.take(seen, Status.IN_SERVICE, self._clock.monotonic())
            self._tell(watch, seen, newly_extended=False)
            there = seen.state is not None and seen.state.matches(state)
            return ending if there or (pause and seen.look is Look.SILENT) else Ending.WRONG

        ending = poll_until(tick, self._clock, self._desired.waiting.poll.total_seconds())
        assert last is not None
        there = ending in {Ending.SETTLED, Ending.UNPROVEN}
        return self._watched(ending, watch, *last, left_out) if there else None

    def now(self, left_out: tuple[str, ...]) -> EndpointState | None:
        """Return the state that the endpoint is in now, None when it is down or mixed."""
        state = self.look(left_out).state
        if state is None:
            return None
        domains = tuple(MappedState(domain, leaf, None) for domain, leaf in state.domains)
        return EndpointState(state.mode, state.leaf, domains=domains)

    def look(self, left_out: tuple[str, ...]) -> View:
        """Return what the wire shows now."""
        return view(self._looker.look_well(left_out), left_out)

    def came_to_nothing(self, intent: Intent) -> bool:
        """Tell whether an effect that was looked for long enough, and not seen, has not come since."""
        return intent.looked_through and self.not_begun(intent)

    def not_begun(self, intent: Intent) -> bool:
        """Tell whether nothing speaks for a request having begun to act."""
        state = self.look(intent.left_out).state
        if intent.previous is None:
            return state is None or not state.matches(intent.target)
        return not intent.interrupted and state is not None and state.same_as(intent.previous, intent.target)

    def _watched(
        self, ending: Ending, watch: Settling, reading: Reading, seen: View, left_out: tuple[str, ...]
    ) -> Watched:
        proof = evidence(reading, watch, left_out, canary=self._canary)
        partly = watch.failed_at is not None and not watch.departure.blackout
        words = _alternation(watch, seen)
        return Watched(ending, seen, watch.failed_at, watch.good_at, proof, words=words, partly=partly)

    def await_in_service(self) -> bool:
        """Wait until the status is 5, twice the deadline at most; return whether it is."""
        limit = self._clock.monotonic() + 2 * self._desired.waiting.deadline.total_seconds()
        self._status_at = None

        def tick() -> bool | None:
            self.heed_stop()
            if self.status() == Status.IN_SERVICE:
                return True
            self._journal.tell(
                EventKind.WAITING,
                f"waiting for the instance to be in service: {status_label(self._status)}",
                status=status_label(self._status),
            )
            return False if self._clock.monotonic() >= limit else None

        return poll_until(tick, self._clock, self._desired.waiting.poll.total_seconds())

    def heed_stop(self) -> None:
        """Raise ``InterruptedRunError`` when another run asks this one to stop.

        A wait outlives passing trouble with the state, such as a lock or a full disk.
        """
        try:
            by = self._journal.stop_asked()
        except StateError:
            return
        if by is not None:
            raise InterruptedRunError(
                f"{self._desired.name}: stopped because run {by} takes over; what was requested stays recorded",
                hint=f"provisioner status {self._desired.name}",
            )

    def status(self) -> int | None:
        """Return the status, asked for at most once per ``status_poll``; None when it can't be read.

        Where readings settle sooner than that, it is asked for as often as they may: none is older than what it judges.
        """
        now, policy = self._clock.monotonic(), self._desired.waiting
        pause = min(policy.status_poll, policy.over).total_seconds()
        if self._status_at is None or now - self._status_at >= pause:
            self._status_at = now
            try:
                self._status = self._observer.status()
            except ServiceError:
                self._status = None
        return self._status

    def _mark_interrupted(self, intent: Intent) -> bool:
        try:
            self._journal.mark_interrupted(intent)
        except StateError:
            return False
        return True

    def _tell(self, watch: Settling, seen: View, *, newly_extended: bool) -> None:
        now, policy = self._clock.monotonic(), self._desired.waiting
        budget = watch.budget()
        if newly_extended:
            self._journal.tell(
                EventKind.EXTENDED, f"the deadline has passed with status {status_label(self._status)}; extended once"
            )
        self._journal.tell(
            EventKind.WAITING,
            seen.words,
            status=status_label(self._status),
            wire=seen.words,
            picture=kinds(seen.met) if seen.look is Look.MIXED else (),
            elapsed=round(now - watch.started, 1),
            budget=None if budget is None else round(budget - watch.started, 1),
            agreeing=watch.connections()[0],
            needed=watch.connections()[1],
            poll=policy.poll.total_seconds(),
        )
