"""Answers of the API: errors with the documented codes and statuses."""

from typing import Any

Answer = dict[str, Any]


class ApiError(Exception):
    """An error answer.

    Args:
        code: the service's code.
        message: what it says.
        status: the HTTP status; callers' mistakes may come with 500 (documented for ApsaraMQ for MQTT).
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


def required(parameters: dict[str, str], name: str) -> str:
    """Return a parameter. Raises ``ApiError`` when it is missing."""
    value = parameters.get(name, "")
    if not value:
        raise ApiError("MissingParameter", f"The parameter {name} is mandatory.")
    return value


def whole(parameters: dict[str, str], name: str, default: int | None = None) -> int:
    """Return a whole number among the parameters. Raises ``ApiError``."""
    value = parameters.get(name, "") if default is not None else required(parameters, name)
    if not value and default is not None:
        return default
    if not value.isdigit():
        raise ApiError("InvalidParameter", f"The parameter {name} is invalid.")
    return int(value)
