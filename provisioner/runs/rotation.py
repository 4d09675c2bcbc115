"""Rotation: renewing what is due on instances that nobody watches, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from provisioner.errors import BusyError, ServiceError
from provisioner.model.finding import Finding, Severity
from provisioner.model.intent import Backoff
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning import parts
from provisioner.planning.timing import begins_at, last_chance_now
from provisioner.ports import Backoffs, Clock, Locks
from provisioner.runs import results
from provisioner.runs.attempt import Attempt
from provisioner.runs.guarding import guarded

T = TypeVar("T")

_FIRST_BACKOFF = timedelta(hours=1)
_LONGEST_BACKOFF = timedelta(hours=32)
# An hourly job does not come at the same second each hour; without slack it would find the back-off not quite over.
_SLACK = timedelta(minutes=5)


class Rotation:
    """Rotates instances, each on its own: one that fails or refuses does not keep the others from being served.

    Two stages, so that a certificate that several instances share is made and hosted once, before any is touched: first
    every instance's open request is followed and its certificate made ready, then those whose window is open are
    switched, one after the other. Each is looked at anew right before its switch: the others' restarts take their time,
    in which its window may close, and another machine may have got ahead. An instance is held only while it is worked
    on, so that a person can take one back while others restart.

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
        ready: list[Attempt] = []
        for attempt in sorted(self._attempts, key=lambda item: item.desired.name):
            if _stopped(found):
                break
            made = self._held(attempt, self._prepare)
            if made is None:
                ready.append(attempt)
            else:
                found[attempt.desired.name] = made
        for attempt in ready:
            if _stopped(found):
                break
            switched = self._held(attempt, self._switch)
            found[attempt.desired.name] = attempt.journal.end(switched) if _is_busy(switched) else switched
        return tuple(found.get(attempt.desired.name) or self._not_started(attempt) for attempt in self._attempts)

    def _held(self, attempt: Attempt, work: Callable[[Attempt], T]) -> T | InstanceResult:
        """Work on an instance while holding it; return what that gives, or that another run has it."""
        try:
            with self._locks.hold(attempt.desired.name, self._run):
                return work(attempt)
        except BusyError as error:
            return results.failed(attempt.desired, error)

    def _prepare(self, attempt: Attempt) -> InstanceResult | None:
        """Make an instance ready; return the result when that ends the run on it, None when it may be switched."""
        attempt.journal.begin()
        made = guarded(attempt.desired, partial(self._ready, attempt))
        return self._ended(attempt, made) if isinstance(made, InstanceResult) else None

    def _switch(self, attempt: Attempt) -> InstanceResult:
        """Look anew, switch where that still holds, and return how it ended."""
        return self._ended(attempt, guarded(attempt.desired, partial(self._switched, attempt)))

    def _switched(self, attempt: Attempt) -> InstanceResult:
        ready = self._ready(attempt)
        if isinstance(ready, InstanceResult):
            return ready
        result = attempt.switch(ready)
        return replace(result, findings=(*result.findings, _why("due", ready)))

    def _ready(self, attempt: Attempt) -> Plan | InstanceResult:
        """Follow an open request and make the certificate ready; return the plan of a switch that may begin now."""
        refused = self._left_alone(attempt)
        if refused is not None:
            return refused
        taken_up = attempt.take_up()
        if taken_up is not None:
            return taken_up
        ready = attempt.make_ready(attempt.prepare())
        if isinstance(ready, InstanceResult):
            return ready
        return self._waits_for_window(attempt, ready) or ready

    def _not_started(self, attempt: Attempt) -> InstanceResult:
        return attempt.journal.end(results.not_started(attempt.desired, "a stop"))

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
        if backoff is None or attempt.journal.open_intent() is not None or not self._in_force(backoff, attempt, now):
            return None
        if self._last_chance(attempt, now):
            return None
        what = "a failure" if backoff.failures == 1 else f"{backoff.failures} failures"
        fact = backoff.reason.removeprefix(f"{desired.name}: ").removesuffix("; the endpoint was not touched")
        error = ServiceError(
            f"{desired.name}: left alone until {backoff.until:%Y-%m-%d %H:%M} UTC after {what} of the service "
            f"({fact}); nothing was changed",
            hint=f"wait, or: provisioner apply {desired.name}",
        )
        return results.failed(desired, error)

    @staticmethod
    def _in_force(backoff: Backoff, attempt: Attempt, now: datetime) -> bool:
        """Tell whether a back-off still counts: not over, for this specification, and not of a clock that ran ahead."""
        ahead = now < backoff.until <= now + _LONGEST_BACKOFF
        return ahead and backoff.specification == attempt.undoer.specification_digest()

    @staticmethod
    def _last_chance(attempt: Attempt, now: datetime) -> bool:
        if attempt.desired.rotation.window is None:
            return False
        return last_chance_now(attempt.desired, attempt.served_expiry(), now)

    def _waits_for_window(self, attempt: Attempt, ready: Plan) -> InstanceResult | None:
        now, expiry = self._clock.now(), parts.expiry(attempt.desired, attempt.observed)
        begins = begins_at(attempt.desired, expiry, now)
        if begins is not None and begins <= now:
            return None
        when = f"{begins:%Y-%m-%d %H:%M} UTC" if begins else "a window opens"
        return results.waits(attempt.desired, ready, when, _why("waits-for-window", ready))

    def _ended(self, attempt: Attempt, result: InstanceResult) -> InstanceResult:
        backoff = self._note_failure(attempt, result)
        if backoff is not None:
            message = f"rotate leaves it alone until {backoff.until:%Y-%m-%d %H:%M} UTC, and then tries again"
            result = replace(result, findings=(*result.findings, Finding("backs-off", message, Severity.INFO)))
        return attempt.journal.end(_alarmed(result))

    def _note_failure(self, attempt: Attempt, result: InstanceResult) -> Backoff | None:
        """Record a failure of the service, or the end of failures; return the back-off that a failure begins."""
        name, now = attempt.desired.name, self._clock.now()
        before = self._backoffs.get(name)
        if result.outcome is not Outcome.FAILED:
            if before is not None and result.outcome is not Outcome.REFUSED:
                self._backoffs.clear(name)
            return None
        if attempt.journal.open_intent() is not None or (before and self._in_force(before, attempt, now)):
            return None
        digest = attempt.undoer.specification_digest()
        failures = before.failures + 1 if before is not None and before.specification == digest else 1
        pause = min(_FIRST_BACKOFF * 2 ** min(failures - 1, 5), _LONGEST_BACKOFF)
        backoff = Backoff(name, failures, now + pause - _SLACK, result.message, digest)
        self._backoffs.put(backoff)
        return backoff


def _stopped(found: Mapping[str, InstanceResult]) -> bool:
    """Tell whether the run was asked to stop."""
    return any(result.outcome is Outcome.INTERRUPTED for result in found.values())


def _is_busy(result: InstanceResult) -> bool:
    return result.outcome is Outcome.BUSY


def _why(reason: str, ready: Plan) -> Finding:
    """Return the finding that tells why a plan switches."""
    return Finding(reason, f"why: {'; '.join(step.reason for step in ready.steps)}", Severity.INFO)


def _alarmed(result: InstanceResult) -> InstanceResult:
    """Return the result with its refusals as alarms: with nobody watching, each of them needs a person.

    An alarm where there was nothing to do is not "unchanged" either: nobody would hear of it.
    """
    findings = tuple(
        replace(item, severity=Severity.ALARM) if item.severity is Severity.REFUSAL else item
        for item in result.findings
    )
    alarm = next((item for item in findings if item.severity is Severity.ALARM), None)
    if alarm is None or result.outcome is not Outcome.UNCHANGED:
        return replace(result, findings=findings)
    message = f"{result.name}: a person is needed: {alarm.message}; nothing was changed"
    return replace(result, outcome=Outcome.REFUSED, message=message, hint=alarm.hint, findings=findings)
