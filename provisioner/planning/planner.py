"""The planner: a pure function of what is desired, what is observed, and what is allowed."""

from provisioner.model.certificate import AuthorityFacts
from provisioner.model.desired import Desired, RollbackTarget
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.plan import Plan, Step, StepKind
from provisioner.planning.checks import Case, Permissions, findings, shown_leaf
from provisioner.planning.digest import plan_digest, specification_digest
from provisioner.planning.observed import Kept, Observed, Served, hosted_copy
from provisioner.planning.satisfies import differences, due
from provisioner.planning.wire import mode_words

ALIBABAS_ROOT = "every client must trust the root of Alibaba's own certificate"
_RESTART = "one restart of 5 to 10 minutes (documented), in which every client is disconnected"


def plan(desired: Desired, observed: Observed, permissions: Permissions, *, attended: bool) -> Plan:
    """Return what the instance needs, and what the checks say about it.

    Args:
        desired: what the configuration wants.
        observed: what was seen.
        permissions: what the command line allows.
        attended: whether the driver needs a person.
    """
    reasons = unconverged(desired, observed)
    candidate = _candidate(desired, observed) if reasons and desired.mode is Mode.MUTUAL else None
    steps = _steps(desired, observed, candidate, reasons)
    previous = observed.state
    case = Case(
        desired=desired,
        observed=observed,
        candidate=candidate,
        switching=bool(reasons),
        attended=attended,
        permissions=permissions,
        specification_digest=specification_digest(desired.specification, observed.authority, desired.mode),
        previous=previous,
    )
    leaf = candidate.material.leaf if candidate else None
    hosted = hosted_copy(observed.hosted, leaf) if leaf else None
    state = observed.view.state
    return Plan(
        instance=desired.name,
        steps=steps,
        mode=desired.mode,
        served_mode=state.mode if state else None,
        served=state.leaf if state else None,
        leaf=leaf,
        identifier=hosted.identifier if hosted else None,
        previous=previous,
        undo=_undo(desired, previous) if reasons else "nothing to undo",
        outage=_RESTART if reasons else "none",
        trust=_trust(desired, observed.authority, observed.served) if reasons else "",
        findings=findings(case),
        digest=plan_digest(desired, observed.authority, steps, state, leaf.sha256 if leaf else None),
    )


def unconverged(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """Return why the instance is not as wanted, nothing when it is."""
    state, served = observed.view.state, observed.served
    if state is None or served is None:
        return (f"the endpoint shows no clear state: {observed.view.words}",)
    if state.mode is not desired.mode:
        return (f"the endpoint is {mode_words(state.mode)}, wanted is {mode_words(desired.mode)}",)
    if desired.mode is Mode.ONE_WAY:
        return ()
    reasons = differences(served.leaf, desired.specification, signed=served.signed)
    late = due(served.leaf, desired.specification, observed.at)
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


def _candidate(desired: Desired, observed: Observed) -> Kept | None:
    for item in observed.kept:
        leaf = item.material.leaf
        fits = not differences(leaf, desired.specification, signed=item.signed)
        if fits and not due(leaf, desired.specification, observed.at):
            return item
    return None


def _steps(desired: Desired, observed: Observed, candidate: Kept | None, reasons: tuple[str, ...]) -> tuple[Step, ...]:
    if not reasons:
        return ()
    why = "; ".join(reasons)
    if desired.mode is Mode.ONE_WAY:
        return (Step(StepKind.SWITCH, f"{desired.endpoint} to one-way", why),)
    steps = []
    name = desired.specification.name
    if candidate is None:
        what = f"certificate {name} ({desired.specification.key.value})"
        steps.append(Step(StepKind.ISSUE, what, "no kept certificate satisfies the specification"))
    if candidate is None or hosted_copy(observed.hosted, candidate.material.leaf) is None:
        steps.append(Step(StepKind.HOST, f"certificate {name}", "it is not hosted yet"))
    shown = shown_leaf(candidate.material.leaf) if candidate else "the new certificate"
    steps.append(Step(StepKind.SWITCH, f"{desired.endpoint} to mutual with {shown}", why))
    return tuple(steps)


def _undo(desired: Desired, previous: EndpointState | None) -> str:
    target = rollback_target(desired, previous, previous_valid=True)
    if target is None:
        return "none: on_failure leaves a failed switch as it is"
    if target.mode is Mode.ONE_WAY:
        return "back to one-way with Alibaba's certificate (another restart)"
    return f"back to leaf {(target.leaf or '')[:16]} (another restart)"


def _trust(desired: Desired, authority: AuthorityFacts, served: Served | None) -> str:
    if desired.mode is Mode.ONE_WAY:
        return ALIBABAS_ROOT
    certificate = authority.certificate
    known = served is not None and served.signed
    tail = "; the served certificate is signed by it already" if known else ""
    return f"every client must already trust the CA {certificate.subject_words} (SHA-256 {certificate.sha256}){tail}"
