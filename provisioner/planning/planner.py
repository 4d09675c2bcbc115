"""The planner: a pure function of what is desired, what is observed, and what is allowed."""

from provisioner.model.certificate import AuthorityFacts, HostedSpecification, Leaf, Specification
from provisioner.model.desired import Desired, RollbackTarget
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.plan import Plan, Step, StepKind
from provisioner.planning import parts
from provisioner.planning.case import Case, Permissions
from provisioner.planning.checks import findings, shown_leaf
from provisioner.planning.digest import plan_digest, specification_digest
from provisioner.planning.observed import Observed, Served
from provisioner.planning.parts import PartPlan
from provisioner.planning.wire_words import mode_words

ALIBABAS_ROOT = "every client must trust the root of Alibaba's own certificate"
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
    own, domains = planned_parts(desired, observed, changing=bool(reasons))
    target = _target(desired, own, domains) if reasons else None
    steps = _steps(desired, own, domains, reasons)
    previous = observed.state
    case = Case(
        desired=desired,
        observed=observed,
        candidate=own.candidate,
        domains=domains,
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
        leaves=_leaves(own, *domains),
        target=target,
        previous=previous,
        undo=_undo(way_back(desired, observed)) if reasons else "nothing to undo",
        outage=_RESTART if reasons else "none",
        trust=_trust(desired, observed.authority, observed.served) if reasons else "",
        findings=findings(case),
        digest=plan_digest(desired, observed.authority, steps, state, target),
    )


def unconverged(desired: Desired, observed: Observed) -> tuple[str, ...]:
    """Return why the instance is not as wanted, nothing when it is."""
    state = observed.view.state
    if state is None or observed.served is None:
        return (f"the endpoint shows no clear state: {observed.view.words}",)
    if state.mode is not desired.mode:
        return (f"the endpoint is {mode_words(state.mode)}, wanted is {mode_words(desired.mode)}",)
    if desired.mode is Mode.ONE_WAY:
        return ()
    domains = [f"{part.host}: {gap}" for part in observed.domains for gap in parts.gaps(part, observed.at)]
    return (*parts.gaps(parts.own_part(desired, observed), observed.at), *domains)


def planned_parts(desired: Desired, observed: Observed, *, changing: bool) -> tuple[PartPlan, tuple[PartPlan, ...]]:
    """Return what the endpoint's own certificate needs, and what those of the mapped domains need.

    Domains are mapped in mutual mode only, so they wait until the endpoint is in it.
    """
    own = parts.own_part(desired, observed)
    if not changing or desired.mode is Mode.ONE_WAY:
        return PartPlan(own, (), None), ()
    state = observed.view.state
    mutual = state is not None and state.mode is Mode.MUTUAL
    mapped = tuple(parts.plan_part(part, observed.at, anyway=False) for part in observed.domains) if mutual else ()
    return parts.plan_part(own, observed.at, anyway=not mutual), mapped


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


def way_back(desired: Desired, observed: Observed) -> EndpointState | None:
    """Return where a change that failed now would go back to; a certificate that has expired is not gone back to."""
    return rollback_target(desired, observed.state, previous_valid=observed.previous_valid)


def restorable(previous: EndpointState | None) -> bool:
    """Tell whether a state can be asked for again: mutual, with a known hosted copy."""
    return previous is not None and previous.mode is Mode.MUTUAL and bool(previous.identifier and previous.leaf)


def _leaves(*needed: PartPlan) -> tuple[tuple[str, Leaf], ...]:
    return tuple((item.part.wanted.name, item.leaf) for item in needed if item.leaf is not None)


def _target(desired: Desired, own: PartPlan, domains: tuple[PartPlan, ...]) -> EndpointState | None:
    mapped = tuple(parts.target(item) for item in domains)
    if any(item is None for item in mapped):
        return None
    made = parts.target(own) if desired.mode is Mode.MUTUAL else None
    return parts.joined(desired.mode, made, tuple(item for item in mapped if item is not None))


def _steps(
    desired: Desired, own: PartPlan, domains: tuple[PartPlan, ...], reasons: tuple[str, ...]
) -> tuple[Step, ...]:
    if not reasons:
        return ()
    why = "; ".join(reasons)
    if desired.mode is Mode.ONE_WAY:
        return (Step(StepKind.SWITCH, f"{desired.endpoint} to one-way", why),)
    changing = [item for item in (own, *domains) if item.reasons or item.leaf or (item is own and not domains)]
    steps = dict.fromkeys(step for item in changing for step in parts.making(item))
    return (*steps, Step(StepKind.SWITCH, _switch_words(desired, own, domains), why))


def _switch_words(desired: Desired, own: PartPlan, domains: tuple[PartPlan, ...]) -> str:
    mapped = [item.part.host for item in domains if item.reasons]
    also = f", and map {', '.join(mapped)}" if mapped else ""
    if isinstance(desired.specification, HostedSpecification):
        return f"{desired.endpoint} to mutual with hosted certificate {desired.specification.identifier}{also}"
    if not own.reasons and domains:
        return f"{desired.endpoint} stays mutual with what it serves{also}"
    return f"{desired.endpoint} to mutual with {shown_leaf(own.leaf) if own.leaf else 'the new certificate'}{also}"


def _specification_digest(desired: Desired, observed: Observed) -> str:
    pinned = observed.pinned.sha256 if observed.pinned else None
    return specification_digest(desired, observed.authority, pinned)


def _undo(target: EndpointState | None) -> str:
    if target is None:
        return "none: on_failure leaves a failed switch as it is"
    if target.mode is Mode.ONE_WAY:
        return "back to one-way with Alibaba's certificate (another restart)"
    return f"back to leaf {(target.leaf or '')[:16]} (another restart)"


def _trust(desired: Desired, authority: AuthorityFacts | None, served: Served | None) -> str:
    if desired.mode is Mode.ONE_WAY:
        return ALIBABAS_ROOT
    if not isinstance(desired.specification, Specification) or authority is None:
        return "every client must already trust the root that the certificate leads to"
    certificate = authority.certificate
    known = served is not None and served.signed
    tail = "; the served certificate is signed by it already" if known else ""
    return f"every client must already trust the CA {certificate.subject_words} (SHA-256 {certificate.sha256}){tail}"
