"""Maintenance windows: when a switch may begin, and which window is the last that will do.

Cron expressions and daylight saving are cronsim's, which follows Debian's cron: a time that a day skips is taken an
hour later, one that a day has twice is taken once.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from provisioner.model.desired import Window

_DAY_BEFORE_EXPIRY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Opening:
    """One time that a window is open, in UTC: from ``start``, and no longer at ``end``."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


def check_cron(expression: str) -> str:
    """Return a cron expression of five fields. Raises ``ValueError`` when it is none."""
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{expression!r} is no cron expression: {str(error).lower()}") from None
    if len(expression.split()) != 5:  # noqa: PLR2004  seconds would promise a precision that an hourly job lacks
        raise ValueError(f"{expression!r} is no cron expression of five fields")
    return expression


def current(window: Window, now: datetime) -> Opening | None:
    """Return the opening that ``now`` is in, the latest when several overlap; None when the window is closed."""
    opening = _latest(window, now)
    return opening if opening is not None and now < opening.end else None


def following(window: Window, now: datetime) -> Opening | None:
    """Return the next opening that begins after ``now``, None when there is none."""
    start = next(_starts(window, now), None)
    return None if start is None else _opening(window, start)


def last_chance(window: Window, expiry: datetime, deadline: timedelta) -> Opening | None:
    """Return the last opening that ends at least twice the deadline and a day before the expiry."""
    limit = expiry - 2 * deadline - _DAY_BEFORE_EXPIRY
    return _latest(window, limit - window.duration)


def begin_within(opening: Opening, deadline: timedelta, key: str) -> datetime:
    """Return when an instance's switch may begin in an opening.

    Deterministic: the instances of a fleet are spread over the opening, each at a point of its own that leaves twice
    the deadline, hence an hourly job finds it open with the shortest deadline that makes sense for one.

    Args:
        opening: the opening.
        deadline: the budget of one restart.
        key: what tells instances apart.
    """
    room = max(opening.end - opening.start - 2 * deadline, timedelta(0))
    digest = hashlib.sha256(f"{key} {opening.start.isoformat()}".encode()).digest()
    share = int.from_bytes(digest[:8]) / (1 << 64)
    return opening.start + timedelta(seconds=int(room.total_seconds() * share))


def _latest(window: Window, moment: datetime) -> Opening | None:
    """Return the latest opening that has begun by a moment."""
    starts = _starts(window, moment + timedelta(minutes=1), backwards=True)
    start = next((item for item in starts if item <= moment), None)
    return None if start is None else _opening(window, start)


def _opening(window: Window, start: datetime) -> Opening:
    begin = start.astimezone(UTC)
    return Opening(begin, begin + window.duration)


def _starts(window: Window, moment: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    local = moment.astimezone(ZoneInfo(window.timezone))
    return iter(CronSim(window.cron, local, reverse=backwards))
