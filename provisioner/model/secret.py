"""A text that must not be shown."""

from dataclasses import dataclass, field
from typing import Final

_HIDDEN: Final = "Secret(...)"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret text, such as a private key in PEM; neither ``repr`` nor ``str`` nor a format shows it."""

    _value: str = field(hash=False)

    def reveal(self) -> str:
        """Return the text itself, for the one place that sends or writes it."""
        return self._value

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN
