"""Undoing: what the end of a wait leads to, and rolling back."""

from provisioner.errors import ServiceError, UnusableError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import EndpointState
from provisioner.model.intent import Action, Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.planning.digest import specification_digest
from provisioner.planning.planner import restorable, rollback_target
from provisioner.planning.settling import Ending
from provisioner.runs import results
from provisioner.runs.changing import Changer, describe_target
from provisioner.runs.journal import Journal
from provisioner.runs.pinning import pinned_by_files
from provisioner.runs.seams import Seams
from provisioner.runs.watching import Watched, Watcher, outage
from provisioner.waiting import Repeater

MOST_ATTEMPTS = 2


class Undoer:
    """Rolls back, and ends runs whose rollback did or did not succeed.

    A rollback is settled and verified like the way there; no further rollback is started from it. Whatever its end, the
    instance is on hold afterwards.
    """

    def __init__(self, desired: Desired, seams: Seams, journal: Journal, changer: Changer, watcher: Watcher) -> None:
        self._desired = desired
        self._seams = seams
        self._journal = journal
        self._changer = changer
        self._watcher = watcher

    def undo(self, intent: Intent, watched: Watched, why: str = "") -> InstanceResult:
        """Roll a failed switch back and return how that ended; ``why`` is told by the wire when not given."""
        why = why or f"{watched.ending.value}: {watched.words or watched.view.words}"
        self._journal.distrust_change(intent)
        target = rollback_target(self._desired, intent.previous, previous_valid=self.still_valid(intent.previous))
        if target is None:
            return self.broken(watched, f"the switch failed ({why}) and on_failure leaves it as it is")
        self._journal.tell(EventKind.ROLLING_BACK, f"rolling back to {describe_target(target)}, because {why}")
        return self.roll_back(target, why, seen=watched, left_out=intent.left_out)

    def roll_back(
        self,
        target: EndpointState,
        why: str,
        *,
        seen: Watched | None = None,
        left_out: tuple[str, ...] = (),
        commanded: bool = False,
    ) -> InstanceResult:
        """Ask for a state to go back to once the instance is in service, wait and verify; return how that ended.

        Args:
            target: where to go back to.
            why: the reason, in words.
            seen: the wait that led here, None when there was none.
            left_out: addresses that are not judged.
            commanded: a person asked for it.
        """
        try:
            if not self._watcher.await_in_service():
                return self.not_sent(seen, f"{why}; the instance did not come back into service")
            now = self._watcher.now(left_out)
            intent, watched = self._changer.request(
                Action.ROLLBACK, target, now, left_out=left_out, commanded=commanded
            )
        except ServiceError as error:
            return self.not_sent(seen, f"{why}; the rollback's request failed: {error.message}")
        first = intent.attempts == 1 and not commanded
        return self.finish(intent, watched, self._outage(seen, watched), why=why if first else "")

    def finish(
        self,
        intent: Intent,
        watched: Watched,
        cut_off: float | None = None,
        *,
        why: str = "",
        taken_up: bool = False,
    ) -> InstanceResult:
        """Return how a rollback ended, repeating a request without effect once.

        The hold comes before the record of the request is closed: killed in between, nothing is tried again. The
        history has the state gone back to as the one before, so that a further rollback finds itself there.

        Args:
            intent: of the rollback.
            watched: the wait for its effect.
            cut_off: seconds that clients were cut off, when more than the wait knows.
            why: what led to the rollback, where this run knows.
            taken_up: an earlier run was to send the request, and nobody knows whether it did. An endpoint that was down
                before, and is down still, then counts as without effect.
        """
        still_down = taken_up and intent.previous is None and watched.ending is Ending.DOWN_IN_SERVICE
        if still_down or watched.ending is Ending.UNSEEN:
            self._journal.mark_looked_through(intent)
            if intent.attempts < MOST_ATTEMPTS:
                return self.repeat(intent, "the rollback's request had no effect", seen=watched)
        if watched.ending not in {Ending.SETTLED, Ending.UNPROVEN}:
            return self.broken(watched, f"the rollback to {describe_target(intent.target)} did not succeed", cut_off)
        because = f", because {why}" if why else ""
        self.hold(f"rolled back to {describe_target(intent.target)}{', as asked' if intent.commanded else because}")
        self._journal.verified(intent.target, intent.target)
        outcome = Outcome.CONVERGED if intent.commanded else Outcome.ROLLED_BACK
        proven = watched.ending is Ending.SETTLED
        gaps = () if proven else (results.not_proven(self._desired, watched, Severity.ALARM),)
        return results.ended(
            self._desired,
            outcome,
            watched,
            f"rolled back, {'verified' if proven else 'but not proven'}; {results.now_words(watched.view)}; "
            f"on hold{because}",
            hint=f"find out why, then: provisioner apply {self._desired.name} --release",
            identifier=intent.target.identifier,
            outage=cut_off,
            findings=gaps,
        )

    def repeat(self, intent: Intent, why: str, *, seen: Watched | None = None) -> InstanceResult:
        """Ask once more for a rollback whose request was not seen to act, and return how that ended."""
        return self.roll_back(intent.target, why, seen=seen, left_out=intent.left_out, commanded=intent.commanded)

    def reverted(self, intent: Intent, watched: Watched) -> InstanceResult:
        """Return the result of a change that the cloud took back by itself: nothing more is requested."""
        self._journal.distrust_change(intent)
        self.hold("the endpoint went back by itself to the state before the request")
        self._journal.close_intent()
        return results.ended(
            self._desired,
            Outcome.ROLLED_BACK,
            watched,
            f"the switch went back by itself; {results.now_words(watched.view)}, as before; on hold",
            hint=f"find out why, then: provisioner apply {self._desired.name} --release",
            identifier=intent.previous.identifier if intent.previous else None,
        )

    def broken(self, watched: Watched, why: str, cut_off: float | None = None) -> InstanceResult:
        """Return the result that needs a person; the intent stays open, so that ``resume`` can judge anew."""
        self.hold(why)
        return results.ended(
            self._desired,
            Outcome.BROKEN,
            watched,
            f"a person is needed: {why}; {results.now_words(watched.view)}; on hold",
            hint=f"look at the instance in the console; if it came back: provisioner resume {self._desired.name}; "
            f"else: provisioner rollback {self._desired.name} --to one-way",
            outage=cut_off,
        )

    def not_sent(self, seen: Watched | None, why: str) -> InstanceResult:
        """Return the result of a rollback that could not be asked for; a person is needed."""
        if seen is not None:
            return self.broken(seen, why)
        self.hold(why)
        message = f"{self._desired.name}: a person is needed: {why}; nothing was requested; on hold"
        return InstanceResult(
            name=self._desired.name,
            id=self._desired.id,
            outcome=Outcome.BROKEN,
            message=message,
            hint=f"look at the instance in the console, then: provisioner rollback {self._desired.name}",
        )

    def hold(self, why: str) -> None:
        """Put the instance on hold."""
        self._journal.hold(why, self.specification_digest())

    def specification_digest(self) -> str:
        """Return the digest of the specification in force, empty when it can't be told."""
        issuer = self._seams.reads.issuer
        try:
            authority, pinned = issuer.authority(), pinned_by_files(issuer, self._seams.reads.reader)
        except UnusableError:
            return ""
        return specification_digest(self._desired, authority, pinned.sha256 if pinned else None)

    def still_valid(self, previous: EndpointState | None) -> bool:
        """Tell whether a state can be gone back to: its certificate is hosted and in date.

        A service that can't be asked does not speak against a certificate that was served until now.
        """
        if previous is None or not restorable(previous) or previous.identifier is None:
            return False
        identifier, hosted, clock = previous.identifier, self._seams.reads.hosted, self._seams.reads.clock
        try:
            found = Repeater(clock).read(lambda: hosted.by_identifier(identifier))
        except ServiceError:
            return True
        return found is not None and (found.not_after is None or found.not_after > clock.now())

    @staticmethod
    def _outage(seen: Watched | None, watched: Watched) -> float | None:
        begun = seen.failed_at if seen is not None and seen.failed_at is not None else watched.failed_at
        return outage(begun, watched.good_at)
