"""Text from outside, made fit for a terminal."""

from unicodedata import category

from rich.markup import escape

_MINUTE = 60
_HOUR = 3600


def printable(text: str) -> str:
    """Return a text without control characters; newlines stay."""
    return "".join(item for item in text if item.isprintable() or item == "\n" or category(item) == "Zs")


def clean(text: str) -> str:
    """Return a text without control characters (newlines stay) and with rich's markup escaped."""
    return escape(printable(text))


def spoken(seconds: float | None) -> str:
    """Return a span in words, such as ``4 min 10 s``; below a minute, tenths are interesting."""
    if seconds is None:
        return "not over yet"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    hours, rest = divmod(round(seconds), _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    parts = [f"{number} {unit}" for number, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if number]
    return " ".join(parts)
