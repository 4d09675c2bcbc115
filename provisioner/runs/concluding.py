"""Concluding: what the end of a switch's wait leads to."""

from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.finding import Finding
from provisioner.model.intent import Intent
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.planning.settling import Ending
from provisioner.runs import results
from provisioner.runs.changing import describe_target
from provisioner.runs.journal import Journal
from provisioner.runs.returning import Returning
from provisioner.runs.undoing import Undoer
from provisioner.runs.watching import Watched

_MOST_REQUESTS = 2


class Conclusion:
    """Ends a switch: verified, waiting for a person, without effect, or on to the rollback.

    Args:
        desired: what is wanted.
        journal: of this run.
        undoer: rolls back.
        returning: awaits device clients.
        unattended: nobody is watching, so a request that had no effect twice puts the instance on hold.
    """

    def __init__(
        self, desired: Desired, journal: Journal, undoer: Undoer, returning: Returning, *, unattended: bool
    ) -> None:
        self._desired = desired
        self._journal = journal
        self._undoer = undoer
        self._returning = returning
        self._unattended = unattended

    def of(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        """Return how the run ends on this instance."""
        ends = {
            Ending.SETTLED: self._settled,
            Ending.UNPROVEN: self._unproven,
            Ending.UNSEEN: self._unseen,
            Ending.UNCHANGED: self._unchanged,
        }
        if watched.ending in ends:
            return ends[watched.ending](intent, watched, findings)
        if watched.ending is Ending.REVERTED:
            return self._undoer.reverted(intent, watched)
        if watched.ending is Ending.DOWN_OUT_OF_SERVICE:
            self._journal.distrust_change(intent)  # until it is verified here, it is tried nowhere else unattended
            return self._undoer.broken(watched, watched.ending.value)
        return self._undoer.undo(intent, watched)

    def _unproven(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        return results.unproven(self._desired, watched, describe_target(intent.target), findings)

    def _unchanged(self, _intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        return results.ended(
            self._desired,
            Outcome.WAITING,
            watched,
            f"waiting for the steps in the console; {results.now_words(watched.view)}, as before",
            hint=f"do the steps, then: provisioner resume {self._desired.name}",
            findings=findings,
        )

    def _settled(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        absence = self._returning.missing(intent.clients)
        missing, awaited = absence.missing, intent.clients
        watched = watched.without(missing)
        if not absence.enough and absence.unknown:
            findings = (*findings, results.clients_unknown(missing, awaited, absence.unknown))
        elif not absence.enough and self._desired.clients.rollback:
            return self._undoer.undo(intent, watched, f"{len(missing)} of {len(awaited)} clients are missing")
        elif not absence.enough:
            findings = (*findings, results.clients_missing(missing, awaited))
        self._journal.verified(intent.target, intent.previous)
        self._journal.tell(EventKind.SETTLED, f"verified: {watched.view.words}")
        return results.ended(
            self._desired,
            Outcome.CONVERGED,
            watched,
            f"verified on the wire: {self._desired.endpoint} is {describe_target(intent.target)}",
            identifier=intent.target.identifier,
            findings=findings,
        )

    def _unseen(self, intent: Intent, watched: Watched, findings: tuple[Finding, ...]) -> InstanceResult:
        self._journal.mark_looked_through(intent)
        name = self._desired.name
        if self._unattended and intent.attempts >= _MOST_REQUESTS:
            self._undoer.hold(f"{intent.attempts} requests had no effect")
        return results.ended(
            self._desired,
            Outcome.FAILED,
            watched,
            f"the request had no effect within {self._desired.waiting.effect_within}; "
            f"{results.now_words(watched.view)}, as before",
            hint=f"look at the instance in the console, then: provisioner apply {name} (it looks before it asks)",
            findings=findings,
        )
