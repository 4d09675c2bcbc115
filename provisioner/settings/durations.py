"""Durations as people write them: ``30m``, ``1h30m``, ``500ms``."""

import re
from datetime import timedelta

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
LONGEST = timedelta(days=366)
_PART = re.compile(r"(\d+)(ms|[dhms])")
_WHOLE = re.compile(r"(?:\d+(?:ms|[dhms]))+")


def parse_duration(value: object) -> timedelta:
    """Return the duration of a text such as ``1h30m``. Raises ``ValueError``."""
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError('expected a duration such as "30s", "10m" or "1h30m"')
    parts = _PART.findall(value)
    try:
        found = timedelta(milliseconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    except (OverflowError, ValueError):  # whole numbers have at most 4300 digits
        found = timedelta.max
    if found > LONGEST:
        raise ValueError(f"a duration has at most {LONGEST.days} days")
    if not found:
        raise ValueError("a duration must be longer than nothing")
    return found


def render_duration(span: timedelta) -> str:
    """Return a duration as it is written in the configuration."""
    left = span // timedelta(milliseconds=1)
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
