"""Instances of ApsaraMQ for MQTT, their endpoint and its mode, as values.

Source of the numbers: the documented answer of ListInstances, read in Alibaba's public API metadata of April 2026.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Mode(StrEnum):
    """How port 8883 authenticates: the server alone, or both sides."""

    ONE_WAY = "one_way"
    MUTUAL = "mutual"


class Edition(IntEnum):
    """``InstanceType`` as documented."""

    BASIC = 0
    PLATINUM = 1
    PAY_AS_YOU_GO = 2
    LIGHTWEIGHT = 3
    PROFESSIONAL = 4
    SERVERLESS = 5


class Status(IntEnum):
    """``InstanceStatus`` as documented."""

    PREPARING = 0
    NOT_ACTIVATED = 1
    OVERDUE = 2
    EXPIRED = 3
    IN_SERVICE = 5
    UPGRADING = 7
    RELEASED = 10
    FROZEN = 15


_PAY = "renew the instance or settle what is owed in the console, then run the command again"
_REMEDIES: dict[int, str] = {
    Status.PREPARING: "wait until the console shows the instance in service, then run the command again",
    Status.NOT_ACTIVATED: "activate the instance in the console, then run the command again",
    Status.OVERDUE: _PAY,
    Status.EXPIRED: _PAY,
    Status.UPGRADING: "wait until the console shows the instance in service, then run the command again",
    Status.RELEASED: "the instance is gone: take it out of the configuration",
    Status.FROZEN: "find out in the console why the instance is frozen; nothing can be changed before that",
}


def edition_label(value: int) -> str:
    """Return ``platinum (1)``, or ``unknown (9)`` for a number that is not documented."""
    return f"{_name(Edition, value)} ({value})"


def status_label(value: int | None) -> str:
    """Return ``in service (5)``, ``unknown (9)``, or ``unreadable`` when the status could not be read."""
    return "unreadable" if value is None else f"{_name(Status, value)} ({value})"


def status_remedy(value: int) -> str:
    """Return what a person does about an instance with a status other than in service."""
    return _REMEDIES.get(value, "look at the instance in the console, then run the command again")


def _name(kind: type[IntEnum], value: int) -> str:
    return next((item.name.lower().replace("_", " ") for item in kind if item == value), "unknown")


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as ListInstances describes it; numbers stay numbers, so that an unknown one can be told."""

    id: str
    name: str
    region: str
    edition: int
    status: int
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The name and port that devices use; ``connect_to`` replaces name resolution (split DNS)."""

    host: str
    port: int = 8883
    connect_to: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NameRecord:
    """What the DNS says of a name; ``alias`` is what its CNAMEs lead to, empty where there is none."""

    name: str
    alias: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappedState:
    """What a domain of the SNI mapping serves: the SHA-256 of the leaf, and the hosted copy's identifier."""

    domain: str
    leaf: str | None
    identifier: str | None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """A state of the endpoint that can be asked for or gone back to.

    ``leaf`` is the SHA-256 of the served leaf, ``identifier`` the hosted copy's; both None where nobody chose them, as
    with Alibaba's own certificate in ``one_way`` mode. ``domains`` are those of the SNI mapping, in mutual mode.
    """

    mode: Mode
    leaf: str | None = None
    identifier: str | None = None
    domains: tuple[MappedState, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceCA:
    """A CA registered with the instance to sign device certificates."""

    serial: str
    name: str
    active: bool
    valid_from: datetime | None
    valid_until: datetime | None
    certificate_pem: str = ""
