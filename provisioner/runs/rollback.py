"""The command ``rollback``: back to a named state, taking over a run that holds the instance."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from provisioner.errors import BusyError, RefusedError, ServiceError
from provisioner.model.event import EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import EndpointState, MappedState, Mode, Status
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.planning.endpoint_view import view
from provisioner.planning.observed import hosted_copy
from provisioner.planning.planner import ALIBABAS_ROOT, restorable
from provisioner.planning.wire_words import asks_only
from provisioner.ports import Locks
from provisioner.runs.attempt import Attempt
from provisioner.runs.changing import describe_target
from provisioner.runs.looking import Looker
from provisioner.runs.results import not_proven
from provisioner.runs.seams import Seams
from provisioner.runs.watching import Watched
from provisioner.waiting import Repeater, poll_until

PREVIOUS = "previous-certificate"
ONE_WAY = "one-way"
TAKE_OVER_SECONDS = 90.0  # a look at many silent addresses, with a canary and a silent service, takes a while


@contextmanager
def taking_over(locks: Locks, instance: str, run: str) -> Iterator[None]:
    """Ask the run that holds an instance to stop, and hold it for a ``with`` block.

    Raises ``BusyError`` where that run does not come to a look: it waits for a person, or is at work on another one.
    """
    locks.ask_to_stop(instance, run)
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(instance, run, wait=TAKE_OVER_SECONDS))
        except BusyError as error:
            error.hint = f"end that process with Ctrl-C, then: provisioner rollback {instance}"
            raise
        yield


class Rollback:
    """Takes one instance back; the caller has asked a running run to stop and holds the lock.

    Args:
        attempt: the instance's parts; its plan is not used.
        seams: the ports.
        to: ``one-way``, ``previous-certificate``, the identifier of a hosted certificate, or None for the first of
            previous certificate and one-way that applies.
    """

    def __init__(self, attempt: Attempt, seams: Seams, to: str | None) -> None:
        self._attempt = attempt
        self._desired = attempt.desired
        self._seams = seams
        self._to = to
        domains = [item.domain for item in self._desired.domains]
        self._looker = Looker(attempt.desired.endpoint, seams.reads, domains, self._desired.waiting.connections)
        self._repeater = Repeater(seams.reads.clock)

    def target(self) -> EndpointState:
        """Return where the rollback goes. Raises ``RefusedError`` when that can't be told or asked for."""
        self._require_known()
        if self._to == ONE_WAY:
            return EndpointState(Mode.ONE_WAY)
        if self._to in {None, PREVIOUS}:
            return self._previous()
        assert self._to is not None
        return self._hosted(self._to)

    def trust(self, target: EndpointState) -> str:
        """Return what every client must trust once the endpoint is back there, in words."""
        if target.mode is Mode.ONE_WAY:
            return ALIBABAS_ROOT
        identifier, hosted = target.identifier or "", self._seams.reads.hosted
        try:
            found = self._repeater.read(lambda: hosted.by_identifier(identifier))
        except ServiceError:
            found = None
        issuer = f" ({found.issuer})" if found is not None and found.issuer else ""
        return f"every client must already trust the CA that issued certificate {identifier}{issuer}"

    def carry_out(self, target: EndpointState) -> InstanceResult:
        """Go back, wait, verify; the instance is on hold afterwards.

        A request that goes there already is followed and not repeated, unless it was judged to have failed. An endpoint
        that is there, and stays there once every other request has acted, is left alone.
        """
        journal, undoer, watcher = self._attempt.journal, self._attempt.undoer, self._attempt.watcher
        journal.tell(EventKind.ROLLING_BACK, f"rolling back to {describe_target(target)}, as asked")
        intent = journal.open_intent()
        if intent is not None and _goes_to(intent, target) and self._may_act(intent):
            return undoer.finish(journal.take_over(intent), self._attempt.changer.follow(intent), taken_up=True)
        left_out = intent.left_out if intent else ()
        if intent is not None:
            self._let_act(intent)
        if not watcher.await_in_service():
            return undoer.not_sent(None, "as asked; the instance did not come back into service")
        found = watcher.confirm(target, left_out)
        if found is None or (found.view.state is not None and asks_only(found.view.state)):
            self._distrust(target, intent)
            return undoer.roll_back(target, "as asked", left_out=left_out, commanded=True)
        undoer.hold(f"rolled back to {describe_target(target)}, as asked")
        journal.close_intent()
        return self._there_already(target, found)

    def _may_act(self, intent: Intent) -> bool:
        """Tell whether a request may still bring the endpoint where it goes.

        Not when a run has waited for it to the end, and put the instance on hold: a person who then asks for the same
        wants it to be asked for anew. An instance that is not in service is at work still.
        """
        hold = self._seams.records.holds.get(self._desired.name)
        judged = hold is not None and hold.since >= intent.requested_at
        if judged and self._attempt.watcher.status() == Status.IN_SERVICE:
            return False
        return not self._attempt.watcher.came_to_nothing(intent)

    def _distrust(self, target: EndpointState, intent: Intent | None) -> None:
        """Record what a person takes the endpoint back from, so that unattended runs leave that certificate alone."""
        state = view(self._looker.look()).state
        served = state.leaf if state is not None and state.mode is Mode.MUTUAL else None
        for leaf in {served, intent.target.leaf if intent else None} - {None, target.leaf}:
            self._attempt.journal.distrust(leaf)

    def _let_act(self, intent: Intent) -> None:
        """Wait until an open request has begun to act, or was looked for long enough.

        The endpoint may be where it should go back to only because the request has not begun to act. A person who was
        to act knows.
        """
        attended = self._seams.driver(intent.target, intent.previous).attended
        if attended or (intent.looked_through and not intent.interrupted):
            return
        clock, policy, watcher = self._seams.reads.clock, self._desired.waiting, self._attempt.watcher
        end = clock.monotonic() + policy.effect_within.total_seconds()

        def tick() -> bool | None:
            watcher.heed_stop()
            seen = view(self._looker.look(), intent.left_out)
            before = seen.state is not None and seen.state.same_as(intent.previous, intent.target)
            if not before or watcher.status() != Status.IN_SERVICE:
                return True
            message = f"{seen.words}; the request of run {intent.run} may still act"
            self._attempt.journal.tell(EventKind.WAITING, message, wire=seen.words)
            return False if clock.monotonic() >= end else None

        poll_until(tick, clock, policy.poll.total_seconds())

    def _there_already(self, target: EndpointState, found: Watched) -> InstanceResult:
        return InstanceResult(
            name=self._desired.name,
            id=self._desired.id,
            outcome=Outcome.CONVERGED,
            message=f"{self._desired.name}: the endpoint is there already ({found.view.words}), "
            "so nothing was requested; on hold",
            hint=f"provisioner apply {self._desired.name} --release",
            mode=target.mode,
            fingerprint_sha256=found.view.state.leaf if found.view.state else None,
            hosted_identifier=target.identifier,
            evidence=found.evidence,
            findings=(not_proven(self._desired, found, Severity.ALARM),) if found.evidence.not_shown else (),
        )

    def _require_known(self) -> None:
        desired, listed = self._desired, self._seams.reads.instances.list
        found = self._repeater.read(lambda: listed(desired.region))
        if desired.id not in {item.id for item in found}:
            raise RefusedError(
                f"{desired.name}: instance {desired.id} is not in region {desired.region}; nothing was changed",
                hint=f"correct id or region of [instances.{desired.name}]",
            )

    def _previous(self) -> EndpointState:
        recorded = self._recorded()
        if recorded is not None and self._attempt.undoer.still_valid(recorded):
            return recorded
        if self._to is None:
            return EndpointState(Mode.ONE_WAY)
        gone = recorded is not None and restorable(recorded)
        why = (
            "the previous certificate expired or is no longer hosted" if gone else "no previous certificate is recorded"
        )
        raise RefusedError(
            f"{self._desired.name}: {why}; nothing was changed",
            hint=f"provisioner rollback {self._desired.name} --to IDENTIFIER, or --to one-way",
        )

    def _recorded(self) -> EndpointState | None:
        """Return the state before the open request, or where an unfinished rollback was going; else the history's."""
        intent = self._attempt.journal.open_intent()
        if intent is None:
            return self._seams.records.history.previous(self._desired.name)
        return intent.target if intent.action is Action.ROLLBACK else intent.previous

    def _hosted(self, identifier: str) -> EndpointState:
        found = self._repeater.read(lambda: self._seams.reads.hosted.by_identifier(identifier))
        if found is None:
            raise RefusedError(
                f"{self._desired.name}: no hosted certificate has the identifier {identifier}; nothing was changed",
                hint="look its CertIdentifier up in the console of Certificate Management Service",
            )
        now = self._seams.reads.clock.now()
        if found.not_after is not None and found.not_after <= now:
            raise RefusedError(
                f"{self._desired.name}: certificate {identifier} expired on {found.not_after:%Y-%m-%d}; "
                "nothing was changed",
                hint="name a valid one, or --to one-way",
            )
        leaf = found.sha256 or self._kept_leaf(found.id)
        if leaf is None:
            raise RefusedError(
                f"{self._desired.name}: the service does not tell the SHA-256 of {identifier}, so the wire could not "
                "be judged; nothing was changed",
                hint="name a certificate that this tool hosted, or --to one-way",
            )
        return EndpointState(Mode.MUTUAL, leaf, found.identifier, self._mapped_domains())

    def _mapped_domains(self) -> tuple[MappedState, ...]:
        """Return what the mapping serves: it is asked for as a whole, so what is left out would be lost."""
        configured = {item.domain for item in self._desired.domains}
        latest = self._seams.records.history.latest(self._desired.name)[:1]
        return tuple(item for state in latest for item in state.domains if item.domain in configured)

    def _kept_leaf(self, number: int) -> str | None:
        hosted = self._repeater.read(lambda: self._seams.reads.hosted.read_back(number))
        leaves = self._seams.reads.key_store.leaves(self._desired.specification.name)
        return next((leaf.sha256 for leaf in leaves if hosted_copy((hosted,), leaf)), None)


def _goes_to(intent: Intent, target: EndpointState) -> bool:
    return _what(intent.target) == _what(target)


def _what(state: EndpointState) -> tuple[Mode, str | None, dict[str, str | None]]:
    """Return what the wire shows of a state."""
    return state.mode, state.leaf, {item.domain: item.leaf for item in state.domains}
