"""The planner: a pure function of what is desired, what is observed, and what is allowed."""

from provisioner.model.certificate import AuthorityFacts, FilesSpecification, HostedSpecification, Specification
from provisioner.model.desired import Desired, RollbackTarget
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.plan import Plan, Step, StepKind
from provisioner.planning.case import Case, Permissions
from provisioner.planning.checks import findings, shown_leaf
from provisioner.planning.digest import plan_digest, specification_digest
from provisioner.planning.observed import Kept, Observed, Served, hosted_copy
from provisioner.planning.wanted import renewal_reason, shortcomings
from provisioner.planning.wire import mode_words

_RESTART = "one restart of 5 to 10 minutes (documented), in which every client is disconnected"


def plan(
    desired: Desired, observed: Observed, permissions: Permissions, *, attended: bool, undo_attended: bool | None = None
) -> Plan:
    """Return what the instance needs, and what the checks say about it.

    Args:
        desired: what the configuration wants.
        observed: what was seen.
        permissions: what the command line allows.
        attended: whether the driver needs a person.
        undo_attended: whether the way back needs one; as the way there when not given.
    """
    reasons = unconverged(desired, observed)
    candidate = candidate_of(desired, observed) if reasons and desired.mode is Mode.MUTUAL else None
    target = _target(desired, observed, candidate) if reasons else None
    steps = _steps(desired, observed, candidate, reasons)
    previous = observed.state
    case = Case(
        desired=desired,
        observed=observed,
        candidate=candidate,
        switching=bool(reasons),
        attended=attended,
        undo_attended=attended if undo_attended is None else undo_attended,
        permissions=permissions,
        specification_digest=_specification_digest(desired, observed),
        previous=previous,
    )
    state = observed.view.state
    return Plan(
        instance=desired.name,
        steps=steps,
        mode=desired.mode,
        served_mode=state.mode if state else None,
        served=state.leaf if state else None,
        leaf=candidate.material.leaf if candidate else None,
        target=target,
        previous=previous,
        undo=_undo(desired, previous) if reasons else "nothing to undo",
        outage=_RESTART if reasons else "none",
        trust=_trust(desired, observed.authority, observed.served) if reasons else "",
        findings=findings(case),
        digest=plan_digest(desired, observed.authority, steps, state, target.leaf if target else None),
    )


def unconverged(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """Return why the instance is not as wanted, nothing when it is.

    A leaf of files or of an identifier that is due is no reason: there is nothing newer to switch to, and a check says
    so.
    """
    state, served, wanted = observed.view.state, observed.served, desired.specification
    if state is None or served is None:
        return (f"the endpoint shows no clear state: {observed.view.words}",)
    if state.mode is not desired.mode:
        return (f"the endpoint is {mode_words(state.mode)}, wanted is {mode_words(desired.mode)}",)
    if desired.mode is Mode.ONE_WAY:
        return ()
    reasons = shortcomings(served.leaf, wanted, observed.pinned, signed=served.signed)
    late = renewal_reason(served.leaf, wanted, observed.at) if isinstance(wanted, Specification) else ""
    return tuple(f"served leaf {served.leaf.sha256[:16]}: {item}" for item in (*reasons, *([late] if late else [])))


def rollback_target(desired: Desired, previous: EndpointState | None, *, previous_valid: bool) -> EndpointState | None:
    """Return where a failed change goes back to, None when it is to be left as it is.

    Args:
        desired: its ``on_failure`` gives the order; the first that applies is taken.
        previous: the state before the request.
        previous_valid: whether the previous certificate is still within its dates.
    """
    for target in desired.on_failure:
        if target is RollbackTarget.NONE:
            return None
        if target is RollbackTarget.ONE_WAY:
            return EndpointState(Mode.ONE_WAY)
        if restorable(previous) and previous_valid:
            return previous
    return None


def restorable(previous: EndpointState | None) -> bool:
    """Tell whether a state can be asked for again: mutual, with a known hosted copy."""
    return previous is not None and previous.mode is Mode.MUTUAL and bool(previous.identifier and previous.leaf)


def candidate_of(desired: Desired, observed: Observed) -> Kept | None:
    """Return the kept certificate that would be switched to, None while there is none."""
    wanted = desired.specification
    for item in observed.kept:
        leaf = item.material.leaf
        if shortcomings(leaf, wanted, observed.pinned, signed=item.signed):
            continue
        if isinstance(wanted, FilesSpecification) or not renewal_reason(leaf, wanted, observed.at):
            return item
    return None


def _target(desired: Desired, observed: Observed, candidate: Kept | None) -> EndpointState | None:
    """Return the state to ask for, None while its certificate has to be made."""
    if desired.mode is Mode.ONE_WAY:
        return EndpointState(Mode.ONE_WAY)
    if isinstance(desired.specification, HostedSpecification):
        pinned = observed.pinned
        return EndpointState(Mode.MUTUAL, pinned.sha256, pinned.identifier) if pinned else None
    if candidate is None:
        return None
    hosted = hosted_copy(observed.hosted, candidate.material.leaf)
    return EndpointState(Mode.MUTUAL, candidate.material.leaf.sha256, hosted.identifier if hosted else None)


def _steps(desired: Desired, observed: Observed, candidate: Kept | None, reasons: tuple[str, ...]) -> tuple[Step, ...]:
    if not reasons:
        return ()
    why = "; ".join(reasons)
    if desired.mode is Mode.ONE_WAY:
        return (Step(StepKind.SWITCH, f"{desired.endpoint} to one-way", why),)
    wanted = desired.specification
    shown = shown_leaf(candidate.material.leaf) if candidate else "the new certificate"
    if isinstance(wanted, HostedSpecification):
        shown = f"hosted certificate {wanted.identifier}"
    switch = Step(StepKind.SWITCH, f"{desired.endpoint} to mutual with {shown}", why)
    return (*_making(desired, observed, candidate), switch)


def _making(desired: Desired, observed: Observed, candidate: Kept | None) -> tuple[Step, ...]:
    wanted, steps = desired.specification, []
    if isinstance(wanted, HostedSpecification):
        return ()
    if candidate is None and isinstance(wanted, Specification):
        what = f"certificate {wanted.name} ({wanted.key.value})"
        steps.append(Step(StepKind.ISSUE, what, "no kept certificate satisfies the specification"))
    elif candidate is None:
        steps.append(Step(StepKind.IMPORT, f"certificate {wanted.name}", "the key store does not have it yet"))
    if candidate is None or hosted_copy(observed.hosted, candidate.material.leaf) is None:
        steps.append(Step(StepKind.HOST, f"certificate {wanted.name}", "it is not hosted yet"))
    return tuple(steps)


def _specification_digest(desired: Desired, observed: Observed) -> str:
    pinned = observed.pinned.sha256 if observed.pinned else None
    return specification_digest(desired.specification, observed.authority, desired.mode, pinned)


def _undo(desired: Desired, previous: EndpointState | None) -> str:
    target = rollback_target(desired, previous, previous_valid=True)
    if target is None:
        return "none: on_failure leaves a failed switch as it is"
    if target.mode is Mode.ONE_WAY:
        return "back to one-way with Alibaba's certificate (another restart)"
    return f"back to leaf {(target.leaf or '')[:16]} (another restart)"


def _trust(desired: Desired, authority: AuthorityFacts | None, served: Served | None) -> str:
    if desired.mode is Mode.ONE_WAY:
        return "every client must trust the root of Alibaba's own certificate"
    if not isinstance(desired.specification, Specification) or authority is None:
        return "every client must already trust the root that the certificate leads to"
    certificate = authority.certificate
    known = served is not None and served.signed
    tail = "; the served certificate is signed by it already" if known else ""
    return f"every client must already trust the CA {certificate.subject_words} (SHA-256 {certificate.sha256}){tail}"
