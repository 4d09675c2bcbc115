"""Findings: what a check has to say."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters: it informs, warns, alarms a person, asks for a yes, or refuses."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    CONFIRM = "confirm"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's reason (a stable kebab-case word), its message, and its severity.

    ``hint`` is the next command or check; it is required in spirit for refusals.
    """

    reason: str
    message: str
    severity: Severity
    hint: str = ""
