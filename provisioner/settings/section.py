"""What all sections of the configuration share."""

import re
from collections.abc import Iterator
from typing import get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Section(BaseModel):
    """A section: unknown keys are errors, and input never appears in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        """Take values as they are written: neither a text nor a number stands for another kind of value."""
        kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
        if bool in kinds and not isinstance(value, bool):
            raise ValueError("expected true or false")
        if int in kinds and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError("expected a whole number")
        return plain(value)


def plain(value: object) -> object:
    """Return a value of the file. Raises ``ValueError`` for a text with control characters, which fit nowhere."""
    texts = value if isinstance(value, list) else [value]
    if any(_CONTROL.search(text) for text in texts if isinstance(text, str)):
        raise ValueError("control characters can't stand here")
    return value


def shaped(pattern: str, expected: str) -> AfterValidator:
    """Return a validator of texts that match a pattern as a whole.

    Args:
        pattern: the regular expression.
        expected: what it stands for, for the message.
    """
    whole = re.compile(pattern)

    def check(value: str) -> str:
        if not whole.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _kinds(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _kinds(argument)
