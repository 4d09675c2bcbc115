"""Preparing: observing, planning, and making the certificate ready, with nobody cut off."""

from contextlib import AbstractContextManager

from provisioner.errors import ProvisionerError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.instance import EndpointState
from provisioner.model.plan import Plan, Step, StepKind
from provisioner.planning.case import Permissions
from provisioner.planning.observed import Observed, Part
from provisioner.planning.parts import own_part
from provisioner.planning.planner import plan, way_back
from provisioner.runs.hosting import Host
from provisioner.runs.journal import Journal
from provisioner.runs.observing import Observer
from provisioner.runs.seams import Seams
from provisioner.runs.watching import Watcher

_MOST_STEPS = 12
_MAKING_SECONDS = 120.0


class Preparation:
    """Observes and plans, anew after each step; what would be switched to is rehearsed before it is hosted.

    Args:
        desired: what is wanted.
        seams: the ports.
        journal: of this run.
        watcher: tells when another run takes over.
        observer: observes.
        permissions: what the command line allows.
    """

    def __init__(
        self,
        desired: Desired,
        seams: Seams,
        journal: Journal,
        watcher: Watcher,
        observer: Observer,
        permissions: Permissions,
    ) -> None:
        self._desired = desired
        self._seams = seams
        self._journal = journal
        self._watcher = watcher
        self._observer = observer
        self._permissions = permissions
        self._observed: Observed | None = None

    @property
    def observed(self) -> Observed:
        """What was observed last."""
        assert self._observed is not None
        return self._observed

    def plan(self) -> Plan:
        """Observe and return the plan; nothing is changed."""
        self._observed = self._observer.observe()
        return self._planned()

    def make(self) -> Plan:
        """Make and host what the plan needs; return the plan in which only the switch is left, or what refuses.

        The certificate is held meanwhile, so that runs on instances that share it make it once.
        """
        with self._certificate_lock():
            self._observed = self._observer.with_kept(self.observed)
            made = self._planned()
            for _ in range(_MOST_STEPS):
                if made.refusals or not made.making:
                    return made
                self._watcher.heed_stop()
                self._observed = self._step(made, made.making[0])
                made = self._planned()
        raise ProvisionerError(f"{self._desired.name}: the plan does not come to an end; the endpoint was not touched")

    def _planned(self) -> Plan:
        """Plan, rehearsing first what would be switched to."""
        made = self._plan(self.observed)
        if not made.leaves:
            return made
        self._observed = self._observer.rehearsed(self.observed)
        return self._plan(self.observed)

    def _plan(self, observed: Observed) -> Plan:
        target = EndpointState(self._desired.mode)
        back = way_back(self._desired, observed)
        return plan(
            self._desired,
            observed,
            self._permissions,
            attended=self._seams.driver(target, observed.state).attended,
            undo_attended=back is not None and self._seams.driver(back, target).attended,
        )

    def _step(self, made: Plan, step: Step) -> Observed:
        return self._host(made, step) if step.kind is StepKind.HOST else self._issue(step)

    def _issue(self, step: Step) -> Observed:
        wanted = self._part(step).wanted
        leaf = self._seams.reads.source(wanted.name).issuer.issue(wanted)
        self._journal.meet(leaf.sha256)
        verb = "issued" if step.kind is StepKind.ISSUE else "took in"
        self._journal.tell(EventKind.ISSUED, f"{verb} leaf {leaf.sha256[:16]} ({leaf.key})", sha256=leaf.sha256)
        return self._observer.with_kept(self.observed)

    def _host(self, made: Plan, step: Step) -> Observed:
        leaf = made.leaf(step.certificate)
        assert leaf is not None
        self._journal.meet(leaf.sha256)  # it is not hosted yet, and the upload may land although its answer is lost
        hosted, uploaded = Host(self._desired.name, self._part(step), self._seams.reads).ensure(leaf)
        message = f"{'uploaded' if uploaded else 'found'} {hosted.name} as {hosted.identifier}"
        self._journal.tell(EventKind.HOSTED, message, identifier=hosted.identifier)
        return self._observer.plus_hosted(self.observed, hosted)

    def _part(self, step: Step) -> Part:
        parts = (own_part(self._desired, self.observed), *self.observed.domains)
        return next(part for part in parts if part.wanted.name == step.certificate)

    def _certificate_lock(self) -> AbstractContextManager[None]:
        name = f"certificate {self._desired.specification.name}"
        return self._seams.records.locks.hold(name, self._journal.run, wait=_MAKING_SECONDS)
