"""Outcomes: how a run ended, with its exit code and the evidence."""

from dataclasses import dataclass, field
from enum import Enum

from provisioner.model.finding import Finding
from provisioner.model.instance import Mode


class Outcome(Enum):
    """How a run ended: its name in JSON, and the process's exit code."""

    UNCHANGED = ("unchanged", 0)
    CONVERGED = ("converged", 0)
    BUG = ("bug", 1)
    USAGE = ("usage", 2)
    REFUSED = ("refused", 3)
    BUSY = ("busy", 4)
    UNUSABLE = ("unusable", 5)
    FAILED = ("failed", 6)
    ROLLED_BACK = ("rolled_back", 7)
    BROKEN = ("broken", 8)
    WAITING = ("waiting", 9)
    PARTIAL = ("partial", 10)
    INTERRUPTED = ("interrupted", 130)

    def __init__(self, label: str, exit_code: int) -> None:
        self.label = label
        self.exit_code = exit_code

    @property
    def good(self) -> bool:
        """Whether the endpoint is as wanted."""
        return self in {Outcome.UNCHANGED, Outcome.CONVERGED}


def outcome_of(exit_code: int) -> Outcome:
    """Return the outcome that has this exit code; 0 is ``converged``."""
    return next((item for item in reversed(Outcome) if item.exit_code == exit_code), Outcome.BUG)


@dataclass(frozen=True, slots=True)
class AddressEvidence:
    """What the last reading showed at one address, in the words of the evidence."""

    address: str
    tls_version: str | None
    leaf_sha256: str | None
    client_certificate_asked: bool | None
    client_certificate_required: str
    inferred: bool
    anonymous_client_refused: bool
    canary: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the wire showed: how many readings agreed over how long, and the last one address by address.

    ``left_out`` lists addresses that were unreachable before the change. ``notes`` says what the evidence can't show.
    ``missing_clients`` are listed device clients that were online before the switch and did not come back in time.
    """

    readings: int
    span_seconds: float
    addresses: tuple[AddressEvidence, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing_clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """How a run ended on one instance.

    ``outage_seconds`` runs from the first failed reading after the request to the first of the good ones, with the poll
    interval as resolution; None when nothing was switched. ``message`` is the one sentence for a person, ``hint`` the
    next command.
    """

    name: str
    id: str
    outcome: Outcome
    message: str
    hint: str = ""
    mode: Mode | None = None
    fingerprint_sha256: str | None = None
    hosted_identifier: str | None = None
    outage_seconds: float | None = None
    evidence: Evidence | None = None
    findings: tuple[Finding, ...] = field(default=())
