"""One attempt on one instance: observe, plan, act, verify, until it converges, refuses, or has rolled back.

Level-triggered: an attempt never replays a script. Started again after a kill, it observes, goes on with what the open
intent says was asked for, and plans anew.
"""

from contextlib import AbstractContextManager
from datetime import datetime

from provisioner.errors import ProvisionerError, ServiceError
from provisioner.model.desired import Desired, Wanted
from provisioner.model.event import EventKind
from provisioner.model.finding import Finding
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan, StepKind
from provisioner.planning.checks import Permissions
from provisioner.planning.observed import Observed, Part
from provisioner.planning.parts import own_part
from provisioner.planning.planner import plan, rollback_target
from provisioner.planning.settle import Ending
from provisioner.runs import results
from provisioner.runs.changing import Changer, describe_target
from provisioner.runs.hosting import Host
from provisioner.runs.journal import Journal
from provisioner.runs.looking import Looker
from provisioner.runs.observing import Observer
from provisioner.runs.returning import Returning
from provisioner.runs.seams import Seams
from provisioner.runs.undoing import MOST_ATTEMPTS, Undoer
from provisioner.runs.watching import Watched, Watcher

_MOST_STEPS = 6
_MOST_REQUESTS = 2
_MAKING_SECONDS = 120.0


class Attempt:
    """Brings one instance to what is desired; the caller holds the instance's lock.

    The order of use: ``take_up`` (an open intent is followed to its end), ``prepare`` (observe and plan), then, when
    the plan has been approved, ``carry_out``.

    Args:
        desired: what the configuration wants.
        seams: the ports.
        run: the run's id.
        command: the verb, for the history.
        permissions: what the command line allows.
        resuming: follow an open intent although the instance is on hold.
    """

    def __init__(
        self,
        desired: Desired,
        seams: Seams,
        run: str,
        command: str,
        permissions: Permissions,
        *,
        resuming: bool = False,
    ) -> None:
        self.desired = desired
        self._resuming = resuming
        self._seams = seams
        self._permissions = permissions
        self.journal = Journal(run, command, desired, seams.records, seams.reads.clock)
        self._looker = Looker(desired.endpoint, seams.reads, [item.domain for item in desired.domains])
        self._observer = Observer(desired, seams, self._looker)
        self.watcher = Watcher(
            desired, seams.reads, self.journal, self._looker, self._observer, patient=not permissions.unattended
        )
        self._returning = Returning(
            desired, seams.reads.sessions, self.journal, seams.reads.clock, self.watcher.heed_stop
        )
        self.changer = Changer(desired, seams, self.journal, self.watcher)
        self.undoer = Undoer(desired, seams, self.journal, self.changer, self.watcher)
        self._observed: Observed | None = None
        self._taken_up: InstanceResult | None = None

    def take_up(self) -> InstanceResult | None:
        """Follow an open intent to its end; return the result when that ends the run, None to go on planning.

        On hold, only ``resume`` follows; releasing the hold means that a person has judged what became of the request.
        """
        intent = self._to_follow()
        if intent is None:
            return None
        if intent.action is Action.ROLLBACK:
            return self._take_up_rollback(intent)
        watched = self.changer.follow(intent)
        if watched.ending is Ending.UNSEEN:
            self.journal.mark_looked_through(intent)
            return None
        result = self._end_of_switch(intent, watched, ())
        if result.outcome is not Outcome.CONVERGED:
            return result
        self.journal.release()
        self._taken_up = result
        return None

    def _to_follow(self) -> Intent | None:
        intent = self.journal.open_intent()
        if intent is None:
            return None
        if self.journal.on_hold() and not self._resuming:
            return None
        without_effect = intent.action is Action.SWITCH and self.watcher.came_to_nothing(intent)
        return None if without_effect else intent

    @property
    def taken_up(self) -> InstanceResult | None:
        """The converged result of an intent that was taken up, None when there was none."""
        return self._taken_up

    @property
    def observed(self) -> Observed:
        """What was observed last."""
        assert self._observed is not None
        return self._observed

    def prepare(self) -> Plan:
        """Observe and return the plan; nothing is changed."""
        self._observed = self._observer.observe()
        made = self._plan_rehearsed()
        self.journal.tell(
            EventKind.PLANNED,
            "; ".join(f"{step.kind.value} {step.subject}" for step in made.steps) or "nothing to do",
            digest=made.digest,
            steps=[step.kind.value for step in made.steps],
        )
        return made

    def carry_out(self, made: Plan) -> InstanceResult:
        """Make ready, then switch: do what the plan says and return how it ended."""
        ready = self.make_ready(made)
        return ready if isinstance(ready, InstanceResult) else self.switch(ready)

    def make_ready(self, made: Plan) -> Plan | InstanceResult:
        """Make and host the certificate, planning anew after each step; nobody is disconnected.

        Returns:
            The plan in which only the switch is left, or the result when that ends the run.
        """
        if made.refusals:
            return results.refused(self.desired, made)
        if self.journal.on_hold():  # lifted by a person or by a changed specification, else a check had refused
            self.journal.close_intent()
            self.journal.release()
        if made.making:
            with self._certificate_lock():
                self._observed = self._observer.with_kept(self.observed)
                made = self._make(self._plan_rehearsed())
        if not made.steps:
            self.journal.close_intent()
            return self._taken_up or results.unchanged(self.desired, made)
        return results.refused(self.desired, made) if made.refusals else made

    def served_expiry(self) -> datetime | None:
        """Return when the certificate on the wire expires, None when that can't be seen; asks the wire alone."""
        return self._observer.served_expiry()

    def _certificate_lock(self) -> AbstractContextManager[None]:
        """Hold the certificate, so that runs on instances that share it make it once."""
        name = f"certificate {self.desired.specification.name}"
        return self._seams.records.locks.hold(name, self.journal.run, wait=_MAKING_SECONDS)

    def _make(self, made: Plan) -> Plan:
        for _ in range(_MOST_STEPS):
            if made.refusals or not made.making:
                return made
            self._observed = self._step(made, self.observed)
            made = self._plan_rehearsed()
        raise ProvisionerError(f"{self.desired.name}: the plan does not come to an end; the endpoint was not touched")

    def _plan_rehearsed(self) -> Plan:
        """Plan, rehearsing first what would be switched to."""
        made = self._plan(self.observed)
        if not made.leaves:
            return made
        self._observed = self._observer.rehearsed(self.observed)
        return self._plan(self.observed)

    def _plan(self, observed: Observed) -> Plan:
        target = EndpointState(self.desired.mode)
        back = rollback_target(self.desired, observed.state, previous_valid=True)
        return plan(
            self.desired,
            observed,
            self._permissions,
            attended=self._seams.driver(target, observed.state).attended,
            undo_attended=back is not None and self._seams.driver(back, target).attended,
        )

    def _step(self, made: Plan, observed: Observed) -> Observed:
        self.watcher.heed_stop()
        if made.steps[0].kind in {StepKind.ISSUE, StepKind.IMPORT}:
            wanted = self._wanted(made.steps[0].certificate)
            new = self._seams.reads.source(wanted.name).issuer.issue(wanted)
            self.journal.meet(new.sha256)
            verb = "issued" if made.steps[0].kind is StepKind.ISSUE else "took in"
            self.journal.tell(EventKind.ISSUED, f"{verb} leaf {new.sha256[:16]} ({new.key})", sha256=new.sha256)
            return self._observer.with_kept(observed)
        leaf, part = made.leaf(made.steps[0].certificate), self._part(made.steps[0].certificate, observed)
        assert leaf is not None
        hosted, uploaded = Host(self.desired.name, part, self._seams.reads).ensure(leaf)
        verb = "uploaded" if uploaded else "found"
        self.journal.tell(
            EventKind.HOSTED, f"{verb} {hosted.name} as {hosted.identifier}", identifier=hosted.identifier
        )
        return self._observer.plus_hosted(observed, hosted)

    def _part(self, certificate: str, observed: Observed) -> Part:
        return next(
            part for part in (own_part(self.desired, observed), *observed.domains) if part.wanted.name == certificate
        )

    def _wanted(self, certificate: str) -> Wanted:
        return self._part(certificate, self.observed).wanted

    def switch(self, made: Plan) -> InstanceResult:
        """Ask for what a plan wants that has nothing left but the switch, wait, verify, and return how it ended."""
        assert made.target is not None
        if not self.watcher.await_in_service():
            raise ServiceError(
                f"{self.desired.name}: the instance is not in service; the endpoint was not touched",
                hint=f"provisioner status {self.desired.name}",
            )
        observed, clients = self.observed, self._returning.online_now()
        intent, watched = self.changer.request(
            Action.SWITCH, made.target, observed.state, left_out=observed.left_out, clients=clients
        )
        result = self._end_of_switch(intent, watched, made.findings)
        if result.outcome is Outcome.CONVERGED and made.target.mode is Mode.MUTUAL and self.desired.domains:
            return self._map_domains(made, result)
        return result

    def _map_domains(self, made: Plan, result: InstanceResult) -> InstanceResult:
        """Go on with the mapping once the endpoint is in mutual mode, where it has not been set with the switch."""
        assert made.target is not None
        if len(made.target.domains) == len(self.desired.domains):
            return result
        self._taken_up = result
        return self.carry_out(self.prepare())

    def _end_of_switch(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        name = self.desired.name
        if watched.ending is Ending.SETTLED:
            return self._settled(intent, watched, findings)
        if watched.ending is Ending.UNSEEN:
            self.journal.mark_looked_through(intent)
            self._hold_after_repeat(intent)
            return results.ended(
                self.desired,
                Outcome.FAILED,
                watched,
                f"the request had no effect within {self.desired.waiting.effect_within}; "
                f"{results.now_words(watched.view)}, as before",
                hint=f"look at the instance in the console, then: provisioner apply {name} (it looks before it asks)",
                findings=findings,
            )
        if watched.ending is Ending.UNCHANGED:
            return results.ended(
                self.desired,
                Outcome.WAITING,
                watched,
                f"waiting for the steps in the console; {results.now_words(watched.view)}, as before",
                hint=f"do the steps, then: provisioner resume {name}",
                findings=findings,
            )
        if watched.ending is Ending.REVERTED:
            return self.undoer.reverted(intent, watched)
        if watched.ending is Ending.DOWN_OUT_OF_SERVICE:
            return self.undoer.broken(watched, watched.ending.value)
        return self.undoer.undo(intent, watched)

    def _settled(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        missing = self._returning.missing(intent.clients)
        enough = self._returning.enough(intent.clients, missing)
        watched = watched.without(missing)
        if not enough and self.desired.clients.rollback:
            return self.undoer.undo(intent, watched, f"{len(missing)} of {len(intent.clients)} clients are missing")
        if not enough:
            findings = (*findings, results.clients_missing(missing, intent.clients))
        self.journal.verified(intent.target, intent.previous)
        self.journal.tell(EventKind.SETTLED, f"verified: {watched.view.words}")
        return results.ended(
            self.desired,
            Outcome.CONVERGED,
            watched,
            f"verified on the wire: {self.desired.endpoint} is {describe_target(intent.target)}",
            identifier=intent.target.identifier,
            findings=findings,
        )

    def _hold_after_repeat(self, intent: Intent) -> None:
        """Put an unattended instance on hold whose request was repeated and again not seen to act."""
        if self._permissions.unattended and intent.attempts >= _MOST_REQUESTS:
            self.undoer.hold(f"{intent.attempts} requests had no effect")

    def _take_up_rollback(self, intent: Intent) -> InstanceResult:
        if intent.attempts < MOST_ATTEMPTS and self.watcher.came_to_nothing(intent):
            return self.undoer.repeat(intent, "the request of an earlier rollback was not seen to act")
        return self.undoer.finish(intent, self.changer.follow(intent))
