"""Plans: what would be done, why, what it costs, and the way back."""

from dataclasses import dataclass
from enum import StrEnum

from provisioner.model.certificate import Leaf
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import EndpointState, Mode


class StepKind(StrEnum):
    """What a step does; only ``switch`` touches the endpoint."""

    ISSUE = "issue"
    IMPORT = "import"
    HOST = "host"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan: what it does, to what, and why; ``certificate`` is the name of the one that it makes."""

    kind: StepKind
    subject: str
    reason: str
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an instance needs, as a value that can be printed, compared, and approved by its digest.

    Attributes:
        instance: the configured name.
        steps: in order; empty when the instance is as wanted.
        mode: the wanted mode.
        served_mode: the mode on the wire, None when the wire does not tell.
        served: the SHA-256 of the served leaf, None when the wire does not tell.
        leaves: the kept certificates to switch to, by name; one that has to be made, or whose key isn't here, is not
            among them.
        target: the state to ask for, None while its certificate has to be made; its identifier is None while it has to
            be hosted.
        previous: the state that a rollback to the previous certificate would restore.
        undo: the way back, in words.
        outage: the expected outage, in words.
        trust: what every client must trust before the switch, in words; empty when nothing changes for them.
        findings: what the checks say.
        digest: SHA-256 over steps, targets, specification, observed mode and leaf.
    """

    instance: str
    steps: tuple[Step, ...]
    mode: Mode
    served_mode: Mode | None
    served: str | None
    leaves: tuple[tuple[str, Leaf], ...]
    target: EndpointState | None
    previous: EndpointState | None
    undo: str
    outage: str
    trust: str
    findings: tuple[Finding, ...]
    digest: str

    def leaf(self, certificate: str) -> Leaf | None:
        """Return the kept leaf of a certificate that the plan switches to."""
        return next((leaf for name, leaf in self.leaves if name == certificate), None)

    @property
    def switches(self) -> bool:
        """Whether the plan disconnects clients."""
        return any(step.kind is StepKind.SWITCH for step in self.steps)

    @property
    def making(self) -> tuple[Step, ...]:
        """The steps that make the certificate ready and disconnect nobody."""
        return tuple(step for step in self.steps if step.kind is not StepKind.SWITCH)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings that keep the plan from being carried out."""
        return tuple(item for item in self.findings if item.severity is Severity.REFUSAL)

    @property
    def questions(self) -> tuple[Finding, ...]:
        """The findings that a person has to say yes to."""
        return tuple(item for item in self.findings if item.severity is Severity.CONFIRM)
