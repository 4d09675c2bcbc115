"""The stream of events of a run: what happened, for whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What happened."""

    OBSERVED = "observed"
    PLANNED = "planned"
    ISSUED = "issued"
    HOSTED = "hosted"
    REQUESTED = "requested"
    INSTRUCTED = "instructed"
    WAITING = "waiting"
    EXTENDED = "extended"
    SETTLED = "settled"
    ROLLING_BACK = "rolling_back"
    HELD = "held"
    RELEASED = "released"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run; ``data`` holds plain JSON values and never a secret.

    ``waiting`` events carry ``status``, ``wire`` (the last thing seen), ``elapsed`` and ``budget`` in seconds,
    ``agreeing`` and ``needed`` readings. ``instructed`` events carry ``steps``, a list of texts for a person.
    """

    kind: EventKind
    run: str
    instance: str
    at: datetime
    message: str
    data: Mapping[str, object] = field(default_factory=dict)
