"""What the configuration wants of one instance, and the policies that govern the way there."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Specification
from provisioner.model.instance import Endpoint, Mode

Wanted = Specification | FilesSpecification | HostedSpecification


class RollbackTarget(StrEnum):
    """Where a failed change goes back to; the first one that applies is taken."""

    PREVIOUS_CERTIFICATE = "previous-certificate"
    ONE_WAY = "one-way"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class WaitingPolicy:
    """How a restart is waited for.

    Attributes:
        deadline: the budget for one restart; it may be extended once by the same length.
        effect_within: how long an unchanged wire is watched before a request counts as without effect.
        readings: how many consecutive equal readings make the endpoint settled at least.
        over: the span those readings cover at least.
        smallest_share: the smallest share of stale backends that has to be ruled out, 0 to 1; smaller ones are looked
            for where old and new were seen to alternate.
        connections: how many connections a reading makes to one address on average; the number varies at random.
        poll: the time between two readings, and the resolution of the measured outage.
        status_poll: the time between two looks at the instance's status.
    """

    deadline: timedelta = timedelta(minutes=30)
    effect_within: timedelta = timedelta(minutes=12)
    readings: int = 10
    over: timedelta = timedelta(seconds=30)
    smallest_share: float = 0.125
    connections: int = 12
    poll: timedelta = timedelta(seconds=3)
    status_poll: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class CanaryPolicy:
    """Whether a canary is configured, and whether it logs in (has a user name and a password)."""

    configured: bool = False
    logs_in: bool = False


@dataclass(frozen=True, slots=True)
class ClientsPolicy:
    """Device clients that have to come back after a switch.

    Attributes:
        ids: their client ids; those that are online before the switch count.
        share: which part of them has to be back before the deadline, 0 to 1.
        rollback: a smaller part leads to a rollback instead of a warning.
    """

    ids: tuple[str, ...] = ()
    share: float = 1.0
    rollback: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """When unattended switches may begin: at each time of a cron expression, for a duration, in a time zone."""

    cron: str
    duration: timedelta
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """What may happen to an instance with nobody watching.

    Attributes:
        unattended: ``rotate`` may act on it.
        allow_attended_rollback: also where the only way back needs a person.
        window: when its switches may begin; at any time when None.
        by_sni: a new certificate is set through the SNI mapping instead of the switch.
    """

    unattended: bool = False
    allow_attended_rollback: bool = False
    window: Window | None = None
    by_sni: bool = False


@dataclass(frozen=True, slots=True)
class Mapped:
    """A further domain that the endpoint serves a certificate of its own for, through the SNI mapping."""

    domain: str
    specification: Wanted
    hosted_prefix: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What one instance should be.

    ``name`` is its name in the configuration, ``id`` the service's. ``hosted_prefix`` begins the names of this
    certificate's hosted copies: ``<name_prefix>-<certificate name>-``.
    """

    name: str
    id: str
    region: str
    endpoint: Endpoint
    mode: Mode
    specification: Wanted
    hosted_prefix: str
    driver: str
    on_failure: tuple[RollbackTarget, ...]
    canary: CanaryPolicy
    waiting: WaitingPolicy
    rotation: RotationPolicy = RotationPolicy()
    clients: ClientsPolicy = ClientsPolicy()
    domains: tuple[Mapped, ...] = ()
