"""The parts of an instance that have a certificate each: the endpoint's own name, and every mapped domain."""

from dataclasses import dataclass
from datetime import datetime

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Leaf, Specification
from provisioner.model.desired import Desired
from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.plan import Step, StepKind
from provisioner.planning.observed import Kept, Observed, Part, hosted_copy
from provisioner.planning.wanted import renewal_reason, shortcomings


@dataclass(frozen=True, slots=True)
class PartPlan:
    """What one part needs: why, the kept certificate that would do, and what makes one ready.

    ``reasons`` is empty where the served certificate will do; ``candidate`` is then that one, where it has to be hosted
    again.
    """

    part: Part
    reasons: tuple[str, ...]
    candidate: Kept | None

    @property
    def leaf(self) -> Leaf | None:
        """The kept certificate to switch to."""
        return self.candidate.material.leaf if self.candidate else None


def own_part(desired: Desired, observed: Observed) -> Part:
    """Return the endpoint's own part."""
    return Part(
        host=desired.endpoint.host,
        wanted=desired.specification,
        hosted_prefix=desired.hosted_prefix,
        served=observed.served,
        hosted=observed.hosted,
        kept=observed.kept,
        pinned=observed.pinned,
        rehearsal=observed.rehearsal,
    )


def expiry(desired: Desired, observed: Observed) -> datetime | None:
    """Return when the first of the served certificates expires that have to be replaced, None when none has to be."""
    served = [(part, part.served) for part in (own_part(desired, observed), *observed.domains)]
    return min((item.leaf.not_after for part, item in served if item and gaps(part, observed.at)), default=None)


def plan_part(part: Part, at: datetime, *, anyway: bool) -> PartPlan:
    """Return what a part needs.

    Args:
        part: the part.
        at: the time of day.
        anyway: find a certificate although none is served, or whatever is served, since the mode changes.
    """
    reasons = gaps(part, at)
    return PartPlan(part, reasons, candidate(part, at) if reasons or anyway else _unhosted(part))


def _unhosted(part: Part) -> Kept | None:
    """Return what a part serves, and goes on serving, where its hosted copy is gone; None where it can't be remade.

    The mapping is set as a whole, and what has no hosted copy would fall out of it.
    """
    served = part.served
    if served is None or isinstance(part.wanted, HostedSpecification) or hosted_copy(part.hosted, served.leaf):
        return None
    return next((item for item in part.kept if item.material.leaf.sha256 == served.leaf.sha256), None)


def gaps(part: Part, at: datetime) -> tuple[str, ...]:
    """Return why what a part serves is not as wanted, nothing when it is.

    A leaf of files or of an identifier that is due is no reason: there is nothing newer to switch to, and a check says
    so.
    """
    served, wanted = part.served, part.wanted
    if served is None:
        return (f"{part.host} shows no certificate",)
    reasons = shortcomings(served.leaf, wanted, part.pinned, signed=served.signed)
    late = renewal_reason(served.leaf, wanted, at) if isinstance(wanted, Specification) else ""
    return tuple(f"served leaf {served.leaf.sha256[:16]}: {item}" for item in (*reasons, *([late] if late else [])))


def candidate(part: Part, at: datetime) -> Kept | None:
    """Return the kept certificate that would be switched to, None while there is none."""
    for item in part.kept:
        leaf = item.material.leaf
        if shortcomings(leaf, part.wanted, part.pinned, signed=item.signed):
            continue
        if isinstance(part.wanted, FilesSpecification) or not renewal_reason(leaf, part.wanted, at):
            return item
    return None


def making(needed: PartPlan) -> tuple[Step, ...]:
    """Return the steps that make a part's certificate ready; nobody is disconnected by them."""
    wanted, leaf = needed.part.wanted, needed.leaf
    if isinstance(wanted, HostedSpecification):
        return ()
    steps = []
    if leaf is None and isinstance(wanted, Specification):
        what = f"certificate {wanted.name} ({wanted.key.value})"
        steps.append(Step(StepKind.ISSUE, what, "no kept certificate satisfies the specification", wanted.name))
    elif leaf is None:
        what = f"certificate {wanted.name}"
        steps.append(Step(StepKind.IMPORT, what, "the key store does not have it yet", wanted.name))
    if leaf is None or hosted_copy(needed.part.hosted, leaf) is None:
        steps.append(Step(StepKind.HOST, f"certificate {wanted.name}", "it is not hosted yet", wanted.name))
    return tuple(steps)


def target(needed: PartPlan) -> MappedState | None:
    """Return what a part is to serve, None while its certificate has to be made.

    A part that is as wanted goes on serving what it serves, by the hosted copy of that.
    """
    part = needed.part
    if isinstance(part.wanted, HostedSpecification):
        return MappedState(part.host, part.pinned.sha256, part.pinned.identifier) if part.pinned else None
    leaf = needed.leaf
    if leaf is None and not needed.reasons and part.served is not None:
        leaf = part.served.leaf
    if leaf is None:
        return None
    hosted = hosted_copy(part.hosted, leaf)
    return MappedState(part.host, leaf.sha256, hosted.identifier if hosted else None)


def joined(mode: Mode, own: MappedState | None, domains: tuple[MappedState, ...]) -> EndpointState | None:
    """Return the state to ask for, None while the endpoint's own certificate has to be made."""
    if mode is Mode.ONE_WAY:
        return EndpointState(Mode.ONE_WAY)
    return None if own is None else EndpointState(Mode.MUTUAL, own.leaf, own.identifier, domains)
