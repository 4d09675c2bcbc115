"""Rotation: renewing what is due on instances that nobody watches, and nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from provisioner.errors import BusyError, ServiceError
from provisioner.model.finding import Finding, Severity
from provisioner.model.intent import Backoff
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning.timing import begins_at, last_chance_now
from provisioner.ports import Backoffs, Clock, Locks
from provisioner.runs import results
from provisioner.runs.attempt import Attempt
from provisioner.runs.guarding import guarded

_FIRST_BACKOFF = timedelta(hours=1)
_LONGEST_BACKOFF = timedelta(hours=32)
# An hourly job does not come at the same second each hour; without slack it would find the back-off not quite over.
_SLACK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An instance whose certificate is hosted and whose switch may begin now."""

    attempt: Attempt
    plan: Plan


class Rotation:
    """Rotates instances, each on its own: one that fails or refuses does not keep the others from being served.

    Two stages, so that a certificate that several instances share is made and hosted once, before any is touched: first
    every instance's open request is followed and its certificate made ready, then those whose window is open are
    switched, one after the other.

    Args:
        attempts: one per instance, made for a run that nobody watches.
        locks: one run per instance at a time.
        backoffs: instances that are left alone for a while after failures of the service.
        clock: the time of day.
        run: the run's id.
    """

    def __init__(self, attempts: Sequence[Attempt], locks: Locks, backoffs: Backoffs, clock: Clock, run: str) -> None:
        self._attempts = attempts
        self._locks = locks
        self._backoffs = backoffs
        self._clock = clock
        self._run = run

    def run(self) -> tuple[InstanceResult, ...]:
        """Rotate every instance and return how it ended, in the order given."""
        found: dict[str, InstanceResult] = {}
        with ExitStack() as stack:
            ready = list(self._make_ready(stack, found))
            acted = False
            for item in ready:
                result = guarded(item.attempt.desired, partial(self._switch, item, anew=acted))
                found[item.attempt.desired.name] = self._ended(item.attempt, result)
                acted = True
                if result.outcome is Outcome.INTERRUPTED:
                    break
            for item in ready:
                name = item.attempt.desired.name
                found.setdefault(name, item.attempt.journal.end(results.not_started(item.attempt.desired, "a stop")))
        return tuple(found[attempt.desired.name] for attempt in self._attempts)

    def _make_ready(self, stack: ExitStack, found: dict[str, InstanceResult]) -> Iterator[_Ready]:
        for attempt in sorted(self._attempts, key=lambda item: item.desired.name):
            name = attempt.desired.name
            try:
                stack.enter_context(self._locks.hold(name, self._run))
            except BusyError as error:
                found[name] = results.failed(attempt.desired, error)
                continue
            attempt.journal.begin()
            made = guarded(attempt.desired, partial(self._one, attempt))
            if isinstance(made, _Ready):
                yield made
            else:
                found[name] = self._ended(attempt, made)

    def _one(self, attempt: Attempt) -> InstanceResult | _Ready:
        refused = self._left_alone(attempt)
        if refused is not None:
            return refused
        taken_up = attempt.take_up()
        if taken_up is not None:
            return taken_up
        made = attempt.prepare()
        ready = attempt.make_ready(made)
        if isinstance(ready, InstanceResult):
            return ready
        waiting = self._waits_for_window(attempt, ready)
        return _Ready(attempt, ready) if waiting is None else waiting

    def _switch(self, item: _Ready, *, anew: bool) -> InstanceResult:
        """Switch; what was observed before another instance's restart is looked at again."""
        if not anew:
            return item.attempt.switch(item.plan)
        ready = item.attempt.make_ready(item.attempt.prepare())
        return ready if isinstance(ready, InstanceResult) else item.attempt.switch(ready)

    def _left_alone(self, attempt: Attempt) -> InstanceResult | None:
        desired, backoff = attempt.desired, self._backoffs.get(attempt.desired.name)
        now = self._clock.now()
        if not desired.rotation.unattended:
            return results.refused_because(
                desired,
                "not-unattended",
                "unattended = true is not set for it, so nothing is done without a person",
                f"provisioner apply {desired.name}, or unattended = true in [instances.{desired.name}]",
            )
        if backoff is None or now >= backoff.until or attempt.journal.open_intent() is not None:
            return None
        if backoff.specification != attempt.undoer.specification_digest() or self._last_chance(attempt, now):
            return None
        error = ServiceError(
            f"{desired.name}: left alone until {backoff.until:%Y-%m-%d %H:%M} UTC after {backoff.failures} "
            f"failure{'s' if backoff.failures != 1 else ''} of the service: {backoff.reason}; nothing was changed",
            hint=f"provisioner apply {desired.name}",
        )
        return results.failed(desired, error)

    @staticmethod
    def _last_chance(attempt: Attempt, now: datetime) -> bool:
        if attempt.desired.rotation.window is None:
            return False
        expiry = attempt.served_expiry()
        return expiry is not None and last_chance_now(attempt.desired, expiry, now)

    def _waits_for_window(self, attempt: Attempt, ready: Plan) -> InstanceResult | None:
        served = attempt.observed.served
        assert served is not None
        now = self._clock.now()
        begins = begins_at(attempt.desired, served.leaf.not_after, now)
        if begins is not None and begins <= now:
            return None
        when = f"{begins:%Y-%m-%d %H:%M} UTC" if begins else "a window opens"
        finding = Finding("waits-for-window", "; ".join(step.reason for step in ready.steps), Severity.INFO)
        return results.waits(attempt.desired, ready, when, finding)

    def _ended(self, attempt: Attempt, result: InstanceResult) -> InstanceResult:
        self._note_failure(attempt, result)
        return attempt.journal.end(_alarmed(result))

    def _note_failure(self, attempt: Attempt, result: InstanceResult) -> None:
        name, now = attempt.desired.name, self._clock.now()
        before = self._backoffs.get(name)
        if result.outcome is not Outcome.FAILED:
            if before is not None and result.outcome is not Outcome.REFUSED:
                self._backoffs.clear(name)
            return
        if attempt.journal.open_intent() is not None or (before is not None and now < before.until):
            return
        failures = before.failures + 1 if before is not None else 1
        pause = min(_FIRST_BACKOFF * 2 ** min(failures - 1, 5), _LONGEST_BACKOFF)
        digest = attempt.undoer.specification_digest()
        self._backoffs.put(Backoff(name, failures, now + pause - _SLACK, result.message, digest))


def _alarmed(result: InstanceResult) -> InstanceResult:
    """Return the result with its refusals as alarms: with nobody watching, each of them needs a person."""
    findings = tuple(
        replace(item, severity=Severity.ALARM) if item.severity is Severity.REFUSAL else item
        for item in result.findings
    )
    return replace(result, findings=findings)
