"""One attempt on one instance: observe, plan, act, verify, until it converges, refuses, or has rolled back.

Level-triggered: an attempt never replays a script. Started again after a kill, it observes, goes on with what the open
intent says was asked for, and plans anew.
"""

from provisioner.errors import ProvisionerError, ServiceError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.finding import Finding
from provisioner.model.instance import EndpointState, Mode, Status
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan, StepKind
from provisioner.planning.checks import Permissions
from provisioner.planning.observed import Observed
from provisioner.planning.planner import plan
from provisioner.planning.settle import Ending
from provisioner.runs import results
from provisioner.runs.changing import Changer, describe_target
from provisioner.runs.hosting import Host
from provisioner.runs.journal import Journal
from provisioner.runs.looking import Looker
from provisioner.runs.observing import Observer
from provisioner.runs.seams import Seams
from provisioner.runs.undoing import MOST_ATTEMPTS, Undoer
from provisioner.runs.watching import Watched, Watcher

_MOST_STEPS = 6


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
        self._looker = Looker(desired.endpoint, seams.reads)
        self._observer = Observer(desired, seams, self._looker)
        self.watcher = Watcher(desired, seams.reads, self.journal, self._looker, self._observer)
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
        return None if intent.action is Action.SWITCH and self._is_free(intent) else intent

    def _is_free(self, intent: Intent) -> bool:
        """Tell whether a switch can be planned anew: it had no effect, or the person who was to do it has not begun."""
        if self._seams.switch.attended:
            return self.watcher.not_begun(intent) and self.watcher.status() == Status.IN_SERVICE
        return self.watcher.came_to_nothing(intent)

    @property
    def taken_up(self) -> InstanceResult | None:
        """The converged result of an intent that was taken up, None when there was none."""
        return self._taken_up

    def prepare(self) -> Plan:
        """Observe and return the plan; nothing is changed."""
        self._observed = self._observer.observe()
        made = self._plan(self._observed)
        self.journal.tell(
            EventKind.PLANNED,
            "; ".join(f"{step.kind.value} {step.subject}" for step in made.steps) or "nothing to do",
            digest=made.digest,
            steps=[step.kind.value for step in made.steps],
        )
        return made

    def carry_out(self, made: Plan) -> InstanceResult:
        """Do what the plan says, planning anew after each step, and return how it ended."""
        if made.refusals:
            return results.refused(self.desired, made)
        if self.journal.on_hold():  # lifted by a person or by a changed specification, else a check had refused
            self.journal.close_intent()
            self.journal.release()
        for _ in range(_MOST_STEPS):
            if not made.steps:
                self.journal.close_intent()
                return self._taken_up or results.unchanged(self.desired, made)
            if made.refusals:
                return results.refused(self.desired, made)
            assert self._observed is not None
            if made.steps[0].kind is StepKind.SWITCH:
                return self._switch(made, self._observed)
            self._observed = self._step(made, self._observed)
            made = self._plan(self._observed)
        raise ProvisionerError(f"{self.desired.name}: the plan does not come to an end; the endpoint was not touched")

    def _plan(self, observed: Observed) -> Plan:
        return plan(self.desired, observed, self._permissions, attended=self._seams.switch.attended)

    def _step(self, made: Plan, observed: Observed) -> Observed:
        self.watcher.heed_stop()
        if made.steps[0].kind is StepKind.ISSUE:
            leaf = self._seams.reads.issuer.issue(self.desired.specification)
            self.journal.tell(EventKind.ISSUED, f"issued leaf {leaf.sha256[:16]} ({leaf.key})", sha256=leaf.sha256)
            return self._observer.with_kept(observed)
        assert made.leaf is not None
        hosted, uploaded = Host(self.desired, self._seams.reads).ensure(made.leaf, observed.hosted)
        verb = "uploaded" if uploaded else "found"
        self.journal.tell(
            EventKind.HOSTED, f"{verb} {hosted.name} as {hosted.identifier}", identifier=hosted.identifier
        )
        return self._observer.plus_hosted(observed, hosted)

    def _switch(self, made: Plan, observed: Observed) -> InstanceResult:
        if not self.watcher.await_in_service():
            raise ServiceError(
                f"{self.desired.name}: the instance is not in service; the endpoint was not touched",
                hint=f"provisioner status {self.desired.name}",
            )
        self._require_unchanged(observed)
        leaf = made.leaf.sha256 if made.leaf and made.mode is Mode.MUTUAL else None
        target = EndpointState(made.mode, leaf, made.identifier if leaf else None)
        intent, watched = self.changer.request(Action.SWITCH, target, observed.state, left_out=observed.left_out)
        return self._end_of_switch(intent, watched, made.findings)

    def _require_unchanged(self, observed: Observed) -> None:
        """Raise ``RefusedError`` when the wire shows another state than the plan was made for.

        Between the two lie a question to a person, the making of a certificate, and a wait for the service.
        """
        seen = self.watcher.look(observed.left_out)
        then, now = observed.view.state, seen.state
        if then is None or now is None or (now.mode, now.leaf) != (then.mode, then.leaf):
            raise results.changed_meanwhile(self.desired, seen.words)

    def _end_of_switch(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        name = self.desired.name
        if watched.ending is Ending.SETTLED:
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
        if watched.ending is Ending.UNSEEN:
            self.journal.mark_looked_through(intent)
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

    def _take_up_rollback(self, intent: Intent) -> InstanceResult:
        if intent.attempts < MOST_ATTEMPTS and self.watcher.came_to_nothing(intent):
            return self.undoer.repeat(intent, "the request of an earlier rollback was not seen to act")
        return self.undoer.finish(intent, self.changer.follow(intent))
