"""Reading fields of answers whose types vary: numbers as text, text as numbers, times in milliseconds."""

import re
from datetime import UTC, datetime
from typing import Any

from provisioner.errors import UnansweredError

_SHA256 = 64
_SHA1 = 40


def listed(action: str, body: dict[str, Any], *path: str) -> list[dict[str, Any]]:
    """Return a list of objects in an answer. Raises ``UnansweredError`` when it isn't there or is something else."""
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise UnansweredError(f"{action}: the answer lacks the list {'.'.join(path)}", action=action)
    return found


def text(value: object) -> str:
    """Return a value as text on one line, an empty one when there is none."""
    if value is None:
        return ""
    return " ".join("".join(item if item.isprintable() else " " for item in str(value)).split())


def number(value: object) -> int | None:
    """Return a value as a whole number, None when it is none."""
    try:
        return int(str(value))
    except ValueError:
        return None


def milliseconds(value: object) -> datetime | None:
    """Return a time given in milliseconds since 1970, None when it is none."""
    found = number(value)
    if not found:
        return None
    try:
        return datetime.fromtimestamp(found / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def fingerprints(*values: object) -> tuple[str | None, str | None]:
    """Return the SHA-256 and the SHA-1 among fingerprints: 64 hex digits are the one, 40 the other."""
    found = [re.sub(r"[^0-9a-f]", "", text(value).lower()) for value in values]
    sha256 = next((item for item in found if len(item) == _SHA256), None)
    return sha256, next((item for item in found if len(item) == _SHA1), None)


def serial(value: object) -> int | None:
    """Return a serial number given in hex, with or without colons and leading zeros, None when it is none."""
    digits = text(value).replace(":", "").replace(" ", "")
    try:
        return int(digits, 16)
    except ValueError:
        return None
