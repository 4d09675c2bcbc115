"""Results: how each end of a run is put into words, with the state the endpoint is in now and the next command."""

from dataclasses import replace

from provisioner.errors import InterruptedRunError, ProvisionerError, RefusedError, ServiceError
from provisioner.model.desired import Desired
from provisioner.model.finding import Finding, Severity
from provisioner.model.outcome import InstanceResult, Outcome, outcome_of
from provisioner.model.plan import Plan
from provisioner.planning.wire_state import View
from provisioner.planning.wire_words import describe, mode_words
from provisioner.runs.watching import Watched


def unchanged(desired: Desired, plan: Plan) -> InstanceResult:
    """Return the result of a run that found nothing to do."""
    leaf = f" with leaf {plan.served[:16]}" if plan.served else ""
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=Outcome.UNCHANGED,
        message=f"{desired.name}: nothing to do; {desired.endpoint} is {mode_words(desired.mode)}{leaf}",
        mode=plan.served_mode,
        fingerprint_sha256=plan.served,
        hosted_identifier=plan.previous.identifier if plan.previous else None,
        findings=plan.findings,
    )


def clients_missing(missing: tuple[str, ...], awaited: tuple[str, ...]) -> Finding:
    """Return the finding that device clients did not come back in time."""
    return Finding(
        "clients-missing",
        f"{len(missing)} of {len(awaited)} clients that were online before the switch are missing: {_named(missing)}",
        Severity.WARNING,
        "look at these devices; provisioner rollback takes the endpoint back",
    )


def not_proven(desired: Desired, watched: Watched, severity: Severity) -> Finding:
    """Return the finding that an endpoint is as wanted for all that was seen, and that something was not shown."""
    return Finding(
        "not-proven",
        f"not shown: {'; '.join(watched.evidence.not_shown)}",
        severity,
        _to_prove(desired),
    )


def unproven(desired: Desired, watched: Watched, target: str, findings: tuple[Finding, ...]) -> InstanceResult:
    """Return the result of a switch after which a negative control, or the canary to compare it with, is missing."""
    return ended(
        desired,
        Outcome.WAITING,
        watched,
        f"{desired.endpoint} is {target} for all that was seen, but that is not proven",
        hint=f"{_to_prove(desired)}, then: provisioner resume {desired.name}",
        findings=(*findings, not_proven(desired, watched, Severity.ALARM)),
    )


def _to_prove(desired: Desired) -> str:
    if not desired.canary.configured:
        return f"add canary to [instances.{desired.name}]"
    return f"look at provisioner probe {desired.endpoint}"


def clients_unknown(unseen: tuple[str, ...], awaited: tuple[str, ...], why: str) -> Finding:
    """Return the finding that nobody could tell whether device clients came back; that is no reason to go back."""
    return Finding(
        "clients-unknown",
        f"whether {len(unseen)} of {len(awaited)} clients that were online before the switch are back could not be "
        f"known ({why}): {_named(unseen)}",
        Severity.WARNING,
        "look at these devices; provisioner rollback takes the endpoint back",
    )


def _named(clients: tuple[str, ...]) -> str:
    return ", ".join(clients[:5]) + (f" and {len(clients) - 5} more" if len(clients) > 5 else "")  # noqa: PLR2004


def waits(desired: Desired, plan: Plan, when: str, finding: Finding) -> InstanceResult:
    """Return the result of an unattended run that has made everything ready and waits for its window."""
    result = unchanged(desired, plan)
    message = f"{desired.name}: everything is ready, the switch waits until {when}; the endpoint is as before"
    return replace(result, message=message, findings=(*plan.findings, finding))


def refused_because(desired: Desired, reason: str, message: str, hint: str) -> InstanceResult:
    """Return the result of a run that was refused before anything was looked at."""
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=Outcome.REFUSED,
        message=f"{desired.name}: {message}; nothing was changed",
        hint=hint,
        findings=(Finding(reason, message, Severity.REFUSAL, hint),),
    )


def refused(desired: Desired, plan: Plan) -> InstanceResult:
    """Return the result of a run that a check refused."""
    count = len(plan.refusals)
    hint = next((item.hint for item in plan.refusals if item.hint), "")
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=Outcome.REFUSED,
        message=f"{desired.name}: refused by {count} check{'s' if count != 1 else ''}; nothing was changed",
        hint=hint or f"provisioner check {desired.name}",
        mode=plan.served_mode,
        fingerprint_sha256=plan.served,
        hosted_identifier=plan.previous.identifier if plan.previous else None,
        findings=plan.findings,
    )


def not_started(desired: Desired, because: str) -> InstanceResult:
    """Return the result of an instance that was not begun because another one did not end well."""
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=Outcome.REFUSED,
        message=f"{desired.name}: not started because of {because}; nothing was changed",
        hint=f"provisioner apply {desired.name}",
    )


def not_mapped(desired: Desired, switched: InstanceResult, then: InstanceResult) -> InstanceResult:
    """Return the result of a run whose switch was verified, and whose domains could not be mapped afterwards.

    Args:
        desired: what is wanted.
        switched: how the switch ended.
        then: how the mapping ended.
    """
    why = then.message.removeprefix(f"{desired.name}: ")
    for left in ("; nothing was changed", "; the endpoint was not touched"):
        why = why.removesuffix(left)
    message = f"{desired.name}: the switch is verified on the wire, and the domains are not mapped: {why}"
    return replace(switched, outcome=then.outcome, message=message, hint=then.hint, findings=then.findings)


def ended(
    desired: Desired,
    outcome: Outcome,
    watched: Watched,
    message: str,
    *,
    hint: str = "",
    identifier: str | None = None,
    outage: float | None = None,
    findings: tuple[Finding, ...] = (),
) -> InstanceResult:
    """Return the result of a run that changed, or tried to change, the endpoint."""
    state = watched.state
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=outcome,
        message=f"{desired.name}: {message}",
        hint=hint,
        mode=state.mode if state else None,
        fingerprint_sha256=state.leaf if state else None,
        hosted_identifier=identifier,
        outage_seconds=watched.outage if outage is None else outage,
        outage_partly=watched.partly,
        evidence=watched.evidence,
        findings=findings,
    )


def failed(desired: Desired, error: ProvisionerError, findings: tuple[Finding, ...] = ()) -> InstanceResult:
    """Return the result of a run that an error ended."""
    message = named(desired, error.message)
    if isinstance(error, ServiceError) and not any(word in message for word in ("touched", "changed")):
        # A request that was sent is followed on the wire, so an error of the service that ends a run came before it.
        message += "; the endpoint was not touched"
    return InstanceResult(
        name=desired.name,
        id=desired.id,
        outcome=outcome_of(error.exit_code),
        message=message,
        hint=error.hint,
        findings=findings,
    )


def named(desired: Desired, message: str) -> str:
    """Return a message that begins with the instance's name."""
    return message if message.startswith(f"{desired.name}:") else f"{desired.name}: {message}"


def changed_meanwhile(desired: Desired, seen: str) -> RefusedError:
    """Return the error of a run that finds the endpoint in another state than the approved plan speaks of."""
    return RefusedError(
        f"{desired.name}: the endpoint changed since the plan was made, and is now {seen}; nothing was requested",
        hint=f"provisioner plan {desired.name}",
    )


def interrupted(desired: Desired) -> InstanceResult:
    """Return the result of a run that was stopped from the keyboard or by a signal."""
    error = InterruptedRunError(
        f"{desired.name}: interrupted; what was requested stays recorded and goes on by itself in the cloud",
        hint=f"provisioner resume {desired.name}",
    )
    return failed(desired, error)


def now_words(view: View) -> str:
    """Return what the endpoint is now, in words."""
    return f"the endpoint is now {describe(view.state)}" if view.state else f"the endpoint is now {view.words}"
