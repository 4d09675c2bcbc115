"""What the checks look at, and how they speak."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from provisioner.model.desired import Desired
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import EndpointState, Mode
from provisioner.planning.observed import Kept, Observed
from provisioner.planning.parts import PartPlan


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the person at the command line allows, or that there is none.

    Args:
        release: lift a hold.
        unsafe_allow_lockout: go on although nobody can tell that a device will be let in.
        unsafe_replace_foreign: replace a certificate that clients may trust for another root than the new one's.
        unattended: nobody is there to answer; whatever needs a person refuses.
    """

    release: bool = False
    unsafe_allow_lockout: bool = False
    unsafe_replace_foreign: bool = False
    unattended: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at.

    ``candidate`` is the certificate that would be switched to, None while it has to be issued or when its key isn't
    here; ``domains`` what the mapped domains need; ``switching`` tells whether the plan touches the endpoint;
    ``attended`` whether the driver needs a person, and ``undo_attended`` whether the way back does.
    """

    desired: Desired
    observed: Observed
    candidate: Kept | None
    switching: bool
    attended: bool
    permissions: Permissions
    specification_digest: str
    previous: EndpointState | None
    domains: tuple[PartPlan, ...] = ()
    undo_attended: bool = False

    @property
    def to_mutual(self) -> bool:
        """Whether clients without an accepted certificate will be refused afterwards."""
        return self.switching and self.desired.mode is Mode.MUTUAL

    @property
    def served_mutual(self) -> bool:
        """Whether the endpoint is in mutual mode now."""
        state = self.observed.view.state
        return state is not None and state.mode is Mode.MUTUAL


Check = Callable[[Case], Iterator[Finding]]


def refuse(reason: str, message: str, hint: str) -> Finding:
    """Return a refusal; its hint is the next step."""
    return Finding(reason, message, Severity.REFUSAL, hint)


def current(until: datetime | None, case: Case) -> bool:
    """Tell whether a time lies ahead; one that isn't known counts as ahead."""
    return until is None or until > case.observed.at
