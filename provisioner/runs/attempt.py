"""One attempt on one instance: observe, plan, act, verify, until it converges, refuses, or has rolled back.

Level-triggered: an attempt never replays a script. Started again after a kill, it observes, goes on with what the open
intent says was asked for, and plans anew.
"""

from datetime import datetime

from provisioner.errors import ServiceError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.instance import Mode, Status
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning.checks import Permissions
from provisioner.planning.observed import Observed
from provisioner.planning.settling import Ending
from provisioner.runs import results
from provisioner.runs.changing import Changer
from provisioner.runs.concluding import Conclusion
from provisioner.runs.guarding import guarded
from provisioner.runs.journal import Journal
from provisioner.runs.looking import Looker
from provisioner.runs.observing import Observer
from provisioner.runs.preparing import Preparation
from provisioner.runs.returning import Returning
from provisioner.runs.seams import Seams
from provisioner.runs.undoing import MOST_ATTEMPTS, Undoer
from provisioner.runs.watching import Watcher

_BEFORE_A_REQUEST = {Outcome.REFUSED, Outcome.UNUSABLE, Outcome.FAILED}


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
        reads, journal = seams.reads, Journal(run, command, desired, seams.records, seams.reads.clock)
        domains = [item.domain for item in desired.domains]
        looker = Looker(desired.endpoint, reads, domains, desired.waiting.connections)
        self._observer = Observer(desired, seams, looker)
        unattended = permissions.unattended
        self.watcher = Watcher(desired, reads, journal, looker, self._observer, patient=not unattended)
        self._preparation = Preparation(desired, seams, journal, self.watcher, self._observer, permissions)
        self._returning = Returning(desired, reads.sessions, journal, reads.clock, self.watcher.heed_stop)
        self.changer = Changer(desired, seams, journal, self.watcher)
        self.undoer = Undoer(desired, seams, journal, self.changer, self.watcher)
        self._conclusion = Conclusion(desired, journal, self.undoer, self._returning, unattended=unattended)
        self.journal = journal
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
        result = self._conclusion.of(intent, watched, ())
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
        if self._seams.driver(intent.target, intent.previous).attended:
            return self.watcher.not_begun(intent) and self.watcher.status() == Status.IN_SERVICE
        return self.watcher.came_to_nothing(intent)

    @property
    def taken_up(self) -> InstanceResult | None:
        """The converged result of an intent that was taken up, None when there was none."""
        return self._taken_up

    @property
    def observed(self) -> Observed:
        """What was observed last."""
        return self._preparation.observed

    def prepare(self) -> Plan:
        """Observe and return the plan; nothing is changed."""
        made = self._preparation.plan()
        steps = "; ".join(f"{step.kind.value} {step.subject}" for step in made.steps)
        self.journal.tell(
            EventKind.PLANNED,
            f"{steps}, because {made.steps[-1].reason}" if steps else "nothing to do",
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
            made = self._preparation.make()
        if not made.steps:
            self.journal.close_intent()
            return self._taken_up or results.unchanged(self.desired, made)
        return results.refused(self.desired, made) if made.refusals else made

    def served_expiry(self) -> datetime | None:
        """Return when the first certificate on the wire expires, None when that can't be seen; asks the wire alone."""
        return self._observer.served_expiry()

    def switch(self, made: Plan) -> InstanceResult:
        """Ask for what a plan wants that has nothing left but the switch, wait, verify, and return how it ended."""
        assert made.target is not None
        if not self.watcher.await_in_service():
            raise ServiceError(
                f"{self.desired.name}: the instance is not in service; the endpoint was not touched",
                hint=f"provisioner status {self.desired.name}",
            )
        observed, clients = self.observed, self._returning.online_now()
        self._require_unchanged(observed)
        intent, watched = self.changer.request(
            Action.SWITCH, made.target, observed.state, left_out=observed.left_out, clients=clients
        )
        result = self._conclusion.of(intent, watched, made.findings)
        if result.outcome is Outcome.CONVERGED and made.target.mode is Mode.MUTUAL and self.desired.domains:
            return self._map_domains(made, result)
        return result

    def _map_domains(self, made: Plan, result: InstanceResult) -> InstanceResult:
        """Go on with the mapping once the endpoint is in mutual mode, where it has not been set with the switch."""
        assert made.target is not None
        if len(made.target.domains) == len(self.desired.domains):
            return result
        self._taken_up = result
        then = guarded(self.desired, lambda: self.carry_out(self.prepare()))
        return results.not_mapped(self.desired, result, then) if then.outcome in _BEFORE_A_REQUEST else then

    def _require_unchanged(self, observed: Observed) -> None:
        """Raise ``RefusedError`` when the wire shows another state than the plan was made for.

        Between the two lie a question to a person, the making of a certificate, and a wait for the service.
        """
        seen = self.watcher.look(observed.left_out)
        then, now = observed.view.state, seen.state
        if then is None or now is None or (now.mode, now.leaf) != (then.mode, then.leaf):
            raise results.changed_meanwhile(self.desired, seen.words)

    def _take_up_rollback(self, intent: Intent) -> InstanceResult:
        if intent.attempts < MOST_ATTEMPTS and self.watcher.came_to_nothing(intent):
            return self.undoer.repeat(intent, "the request of an earlier rollback was not seen to act")
        return self.undoer.finish(intent, self.changer.follow(intent), taken_up=True)
