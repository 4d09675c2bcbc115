"""Text from outside, made fit for a terminal."""

from unicodedata import category

from rich.markup import escape


def clean(text: str) -> str:
    """Return a text without control characters (newlines stay) and with rich's markup escaped."""
    return escape(printable(text))


def printable(text: str) -> str:
    """Return a text without control characters; newlines stay."""
    return "".join(item for item in text if item.isprintable() or item == "\n" or category(item) == "Zs")


def spoken(seconds: float | None) -> str:
    """Return a span in words, such as ``4 min 10 s``."""
    if seconds is None:
        return "not over yet"
    if seconds < 60:  # noqa: PLR2004  below a minute, tenths are interesting
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
