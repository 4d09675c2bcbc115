"""The journal of one run on one instance: its events, intents, holds and history, in one hand."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from provisioner.errors import RefusedError, StateError, UnrecordedError
from provisioner.model.desired import Desired
from provisioner.model.event import Event, EventKind
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import EndpointState
from provisioner.model.intent import Action, Hold, Intent
from provisioner.model.outcome import InstanceResult
from provisioner.ports import Clock
from provisioner.runs.seams import Records
from provisioner.waiting import Repeater

T = TypeVar("T")

_PATIENCE_SECONDS = 120.0


class Journal:
    """Writes down what a run does to one instance; every record is durable when the call returns.

    Legal lives of an intent: saved before a request is sent; marked ``interrupted`` once the wire left the state before
    it; marked ``looked_through`` once its effect was looked for and not seen; replaced by the intent of a rollback;
    closed.

    While a request is under way, trouble with the state is outlasted for a while, and then ends the run as one that
    needs a person. Events and ends of runs are for information, and no run ends for want of them.
    """

    def __init__(self, run: str, command: str, desired: Desired, records: Records, clock: Clock) -> None:
        self.run = run
        self._command = command
        self._desired = desired
        self._records = records
        self._clock = clock
        self._repeater = Repeater(clock, _PATIENCE_SECONDS)
        self._under_way = False

    def begin(self) -> None:
        """Record that the run began."""
        self._records.history.begin(self.run, self._desired.name, self._command, self._clock.now())

    def end(self, result: InstanceResult) -> InstanceResult:
        """Record how the run ended, tell it, and return the result."""
        try:
            self._records.history.end(self.run, result, self._clock.now())
        except StateError as error:
            missing = Finding("end-not-recorded", f"{error.message}; the history lacks this end", Severity.WARNING)
            result = replace(result, findings=(*result.findings, missing))
        self.tell(EventKind.FINISHED, result.message, outcome=result.outcome.label)
        return result

    def tell(self, kind: EventKind, message: str, **data: object) -> None:
        """Tell everybody that something happened."""
        event = Event(kind, self.run, self._desired.name, self._clock.now(), message, data)
        if kind is not EventKind.WAITING:
            with suppress(StateError):
                self._records.history.record(event)
        self._records.events(event)

    def open_intent(self) -> Intent | None:
        """Return the open intent of the instance.

        Raises:
            RefusedError: it speaks of another instance that had this name in the configuration.
        """
        intent = self._kept(lambda: self._records.intents.open(self._desired.name))
        if intent is not None and intent.instance_id not in {"", self._desired.id}:
            raise RefusedError(
                f"{self._desired.name}: run {intent.run} asked instance {intent.instance_id} to change, and the "
                f"configuration names {self._desired.id}; nothing was changed",
                hint=f"give {self._desired.id} another name in the configuration, or put {intent.instance_id} back and "
                f"run: provisioner resume {self._desired.name}",
            )
        return intent

    def intend(
        self,
        action: Action,
        target: EndpointState,
        previous: EndpointState | None,
        *,
        left_out: tuple[str, ...],
        commanded: bool = False,
        clients: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
    ) -> Intent:
        """Record an intent before its request is sent; a repeated one counts its requests on."""
        before = self.open_intent()
        again = before is not None and before.action is action and before.target == target
        now = self._clock.now()
        intent = Intent(
            instance=self._desired.name,
            run=self.run,
            action=action,
            target=target,
            previous=previous,
            requested_at=now,
            deadline=now + self._desired.waiting.deadline,
            attempts=before.attempts + 1 if again and before else 1,
            commanded=commanded,
            left_out=left_out,
            clients=clients,
            instance_id=self._desired.id,
            addresses=addresses,
        )
        for leaf in sorted(_leaves(target)):
            self.meet(leaf)
        self._mark(intent)
        self.pursue()
        return intent

    def pursue(self) -> None:
        """Note that the request of the open intent is under way."""
        self._under_way = True

    def take_over(self, intent: Intent) -> Intent:
        """Record that a person's rollback goes where an open request goes already."""
        return self._mark(replace(intent, action=Action.ROLLBACK, commanded=True))

    def meet(self, sha256: str) -> None:
        """Record that this state works with a leaf."""
        self._kept(lambda: self._records.leaves.meet(sha256, self._clock.now()))

    def distrust_change(self, intent: Intent) -> None:
        """Record that the endpoint was taken back from, or did not come back with, the leaves of a request."""
        previous = intent.previous
        before = _leaves(previous) if previous is not None and previous.mode is intent.target.mode else set()
        for leaf in sorted(_leaves(intent.target) - before):
            self.distrust(leaf)

    def distrust(self, sha256: str | None) -> None:
        """Record that the endpoint was taken back from a leaf; unattended runs leave it alone from then on."""
        if sha256 is not None:
            self._kept(lambda: self._records.leaves.distrust(sha256, self._clock.now()))

    def mark_interrupted(self, intent: Intent) -> Intent:
        """Record that the wire left the state before the request; a wait that can't does so at its next look."""
        marked = replace(intent, interrupted=True)
        self._records.intents.save(marked)
        return marked

    def mark_looked_through(self, intent: Intent) -> Intent:
        """Record that the request's effect was looked for through ``effect_within`` and not seen."""
        return self._mark(replace(intent, looked_through=True))

    def close_intent(self) -> None:
        """Close the open intent."""
        self._kept(lambda: self._records.intents.close(self._desired.name))
        self._under_way = False

    def verified(self, state: EndpointState, previous: EndpointState | None) -> None:
        """Record that the endpoint was verified in a state, and close the intent."""
        name, now = self._desired.name, self._clock.now()
        self._kept(lambda: self._records.history.switched(name, state, previous, now))
        for leaf in sorted(_leaves(state)):
            self._trust(leaf)
        self.close_intent()

    def hold(self, reason: str, specification: str) -> None:
        """Put the instance on hold."""
        hold = Hold(self._desired.name, self.run, self._clock.now(), reason, specification)
        self._kept(lambda: self._records.holds.put(hold))
        self.tell(EventKind.HELD, f"on hold: {reason}")

    def on_hold(self) -> bool:
        """Tell whether the instance is on hold."""
        return self._kept(lambda: self._records.holds.get(self._desired.name)) is not None

    def release(self) -> None:
        """Lift the hold, if there is one."""
        if self.on_hold():
            self._kept(lambda: self._records.holds.release(self._desired.name))
            self.tell(EventKind.RELEASED, "the hold was lifted")

    def stop_asked(self) -> str | None:
        """Return the run that asks this one to stop."""
        return self._records.locks.stop_asked(self._desired.name, self.run)

    def _mark(self, intent: Intent) -> Intent:
        self._kept(lambda: self._records.intents.save(intent))
        return intent

    def _trust(self, leaf: str) -> None:
        self._kept(lambda: self._records.leaves.trust(leaf))

    def _kept(self, call: Callable[[], T]) -> T:
        """Return what a call of the state returns. Raises ``UnrecordedError`` while a request is under way."""
        if not self._under_way:
            return call()

        def told() -> T:
            try:
                return call()
            except StateError as error:
                self.tell(EventKind.WAITING, f"{error.message}; trying again")
                raise

        try:
            return self._repeater.record(told)
        except StateError as error:
            name = self._desired.name
            raise UnrecordedError(
                f"{name}: a person is needed: {error.message}; what became of the request is not recorded, and nothing "
                "more was requested",
                hint=f"look at the instance in the console; mend the state, then: provisioner resume {name}",
            ) from error


def _leaves(state: EndpointState) -> set[str]:
    """Return the leaves of a state that are known, those of its domains among them."""
    return {leaf for leaf in (state.leaf, *(item.leaf for item in state.domains)) if leaf}
