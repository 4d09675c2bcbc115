"""What becomes of a switch: a pure function of what was asked for, what is served, and the fault that befalls it."""

from dataclasses import dataclass, replace

from provisioner.sandbox.faults import ArmedFault, SwitchFault
from provisioner.sandbox.serving import Serving

IN_SERVICE = 5
UPGRADING = 7
_ODD_ONE = {
    SwitchFault.STALE_BACKEND,
    SwitchFault.STALE_BACKEND_RECOVERS,
    SwitchFault.BACKEND_DOWN,
    SwitchFault.BACKEND_LATE,
}


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one restart.

    Attributes:
        serving: the state that the backends come into.
        status: of the instance at the end.
        odd: the number of the backend that takes another course, None when all take the same.
        odd_stays: the odd one is left as it was, instead of going down.
        odd_after: seconds after which the odd one comes into the state too; None for never.
        broker_after: seconds after the restart until the broker is back.
    """

    serving: Serving
    status: int = IN_SERVICE
    odd: int | None = None
    odd_stays: bool = False
    odd_after: float | None = None
    broker_after: float = 0.0


def course_of(
    wanted: Serving, before: Serving, stand_in: Serving, fault: ArmedFault | None, backends: int = 1
) -> Course:
    """Return the course of a restart.

    Args:
        wanted: what was asked for.
        before: what was served.
        stand_in: Alibaba's own certificate, one-way.
        fault: what goes wrong.
        backends: how many there are; the last one is the odd one.
    """
    kind = fault.kind if fault is not None else None
    seconds = fault.seconds if fault is not None else None
    course = Course(_after(wanted, before, stand_in, kind))
    if kind is SwitchFault.STUCK:
        return replace(course, status=UPGRADING)
    if kind is SwitchFault.BROKER_LATE:
        return replace(course, broker_after=seconds or 0.0)
    if kind in _ODD_ONE:
        stays = kind in {SwitchFault.STALE_BACKEND, SwitchFault.STALE_BACKEND_RECOVERS}
        ends = kind in {SwitchFault.STALE_BACKEND_RECOVERS, SwitchFault.BACKEND_LATE}
        return replace(course, odd=backends - 1, odd_stays=stays, odd_after=(seconds or 0.0) if ends else None)
    return course


def _after(wanted: Serving, before: Serving, stand_in: Serving, kind: SwitchFault | None) -> Serving:
    if kind in {SwitchFault.DEAD, SwitchFault.STUCK}:
        return replace(wanted, dead=True)
    if kind is SwitchFault.WRONG_LEAF:
        return replace(wanted, chain_pem=stand_in.chain_pem, key_pem=stand_in.key_pem)
    if kind is SwitchFault.ANONYMOUS:
        return replace(wanted, anonymous=True)
    if kind is SwitchFault.TAKES_ANY_CERTIFICATE:
        return replace(wanted, any_certificate=True)
    if kind is SwitchFault.DEVICES_REFUSED:
        return replace(wanted, devices_refused=True)
    return before if kind is SwitchFault.REVERTS else wanted
