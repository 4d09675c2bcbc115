"""Intents and holds: the two things that can't be observed, so they are recorded."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provisioner.model.instance import EndpointState


class Action(StrEnum):
    """What a request for a change of the endpoint is for."""

    SWITCH = "switch"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Intent:
    """What was asked of one instance's endpoint, committed before the request is sent and closed when the run ends.

    ``instance`` is the configured name; ``previous`` is the state before the request, None when the endpoint was down
    or mixed. ``attempts`` counts requests (the record is written before each is sent). ``interrupted`` is set once the
    wire left ``previous``; ``looked_through`` once the effect was looked for through ``effect_within`` and not seen.
    ``commanded`` marks a rollback asked for by a person, whose success is convergence and not failure. ``left_out``
    lists addresses that were unreachable before the change and are not judged; ``clients`` the listed device clients
    that were online then. ``instance_id`` is the service's id of what was asked to change.
    ``addresses`` belonged to the endpoint's name when the request was recorded.
    """

    instance: str
    run: str
    action: Action
    target: EndpointState
    previous: EndpointState | None
    requested_at: datetime
    deadline: datetime
    attempts: int = 1
    interrupted: bool = False
    looked_through: bool = False
    commanded: bool = False
    left_out: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    instance_id: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an instance is left alone until ``apply --release`` or a changed specification.

    ``specification`` is the digest of the specification that was in force, empty when it could not be told.
    """

    instance: str
    run: str
    since: datetime
    reason: str
    specification: str


@dataclass(frozen=True, slots=True)
class Backoff:
    """Why unattended runs leave an instance alone for a while: the service failed so many times in a row.

    ``specification`` is the digest of the specification that was in force; another one ends the back-off.
    """

    instance: str
    failures: int
    until: datetime
    reason: str
    specification: str
