"""Outcomes: how a run ended, with its exit code and the evidence."""

from dataclasses import dataclass, field
from enum import Enum

from provisioner.model.finding import Finding
from provisioner.model.instance import Mode


class Outcome(Enum):
    """How a run ended: its name in JSON, the process's exit code, and what that says of the endpoint."""

    UNCHANGED = ("unchanged", 0, "the endpoint was as wanted; nothing was done")
    CONVERGED = ("converged", 0, "the endpoint was changed, and is verified on the wire as asked for")
    BUG = ("bug", 1, "a defect of this tool; what was requested stays recorded")
    USAGE = ("usage", 2, "the command line, the configuration or the credentials are at fault; nothing was changed")
    REFUSED = ("refused", 3, "a check refused, or a person did; nothing was changed")
    BUSY = ("busy", 4, "another run holds the instance; this one changed nothing")
    UNUSABLE = ("unusable", 5, "a local certificate or key can't be used; the endpoint was not touched")
    FAILED = ("failed", 6, "the service refused or was silent, or a request had no effect; the endpoint is as it was")
    ROLLED_BACK = ("rolled_back", 7, "the change failed; the endpoint is back where it was, verified; on hold")
    BROKEN = ("broken", 8, "the endpoint is not as wanted and no rollback mended it: a person is needed; on hold")
    WAITING = ("waiting", 9, "steps in the console are still to be done, or the new state is not proven; resumable")
    PARTIAL = ("partial", 10, "of several instances some ended well and some did not")
    INTERRUPTED = ("interrupted", 130, "the run was stopped; what was requested goes on in the cloud; resumable")

    def __init__(self, label: str, exit_code: int, meaning: str) -> None:
        self.label = label
        self.exit_code = exit_code
        self.meaning = meaning

    @property
    def good(self) -> bool:
        """Whether the endpoint is as wanted."""
        return self in {Outcome.UNCHANGED, Outcome.CONVERGED}


def outcome_of(exit_code: int) -> Outcome:
    """Return the outcome that has this exit code; 0 is ``converged``."""
    return next((item for item in reversed(Outcome) if item.exit_code == exit_code), Outcome.BUG)


@dataclass(frozen=True, slots=True)
class AddressEvidence:
    """What the last reading showed at one address, in the words of the evidence.

    ``connections`` is how many connections in a row met the state there. ``without_certificate`` and
    ``unknown_certificate`` tell how the negative controls ended, None where they were not tried.
    """

    address: str
    tls_version: str | None
    leaf_sha256: str | None
    client_certificate_asked: bool | None
    client_certificate_required: str
    inferred: bool
    anonymous_client_refused: bool
    canary: str | None
    connections: int = 0
    without_certificate: str | None = None
    unknown_certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the wire showed: how many readings agreed over how long, and the last one address by address.

    ``connections`` in a row, at the address with the fewest, rule out that a share of ``stale_share_ruled_out`` of the
    backends is in another state, but for one case in a million (1.0: nothing is ruled out). ``not_shown`` lists what
    has to be shown before a mutual endpoint is called verified, and was not. ``met_otherwise`` of ``met_since``
    connections met something else, counted from the first one that met the wanted state.

    ``left_out`` lists addresses that were unreachable before the change. ``notes`` says what the evidence can't show.
    ``missing_clients`` are listed device clients that were online before the switch and did not come back in time.
    """

    readings: int
    span_seconds: float
    addresses: tuple[AddressEvidence, ...]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing_clients: tuple[str, ...] = ()
    connections: int = 0
    stale_share_ruled_out: float = 1.0
    not_shown: tuple[str, ...] = ()
    met_since: int = 0
    met_otherwise: int = 0


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """How a run ended on one instance.

    ``outage_seconds`` runs from the first failed reading after the request to the first of the good ones, with the poll
    interval as resolution; None when nothing was switched. ``outage_partly``: all the while some connections worked.
    ``message`` is the one sentence for a person, ``hint`` the
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
    outage_partly: bool = False
    evidence: Evidence | None = None
    findings: tuple[Finding, ...] = field(default=())
