"""Secrets by reference: the configuration names where a secret is, and never holds one."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provisioner.errors import UsageError
from provisioner.model.secret import Secret
from provisioner.settings.section import plain

# Both MQTT and OpenSSL take less; what is longer is some other file.
_MOST_BYTES = 65_535


class SecretReference(BaseModel):
    """Where a secret is: ``{ env = "NAME" }`` or ``{ file = "path" }``; read only when it is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(default=None, description="name of an environment variable")
    file: Path | None = Field(default=None, description="path of a file; a newline at its end is left out")

    @model_validator(mode="before")
    @classmethod
    def _not_literal(cls, value: object) -> object:
        if not isinstance(value, dict | SecretReference):
            raise ValueError(  # noqa: TRY004  pydantic collects ValueError
                'a secret is given by reference only: { env = "NAME" } or { file = "path" }'
            )
        return value

    @field_validator("env", "file", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return plain(value)

    @model_validator(mode="after")
    def _one_of_two(self) -> "SecretReference":
        if (self.env is None) == (self.file is None):
            raise ValueError('name either { env = "NAME" } or { file = "path" }')
        return self

    def read(self, base: Path, key: str) -> Secret:
        """Return the secret.

        Args:
            base: the directory that a relative path is relative to.
            key: the configuration's key, for the message.

        Raises:
            UsageError: the variable is not set, the file can't be read, or what is there is no secret.
        """
        if self.env is not None:
            return _usable(self._of_environment(self.env, key), f"{key}: the environment variable {self.env}")
        assert self.file is not None
        return _usable(self._of_file(base / self.file, key), f"{key}: {base / self.file}")

    @staticmethod
    def _of_environment(name: str, key: str) -> str:
        value = os.environ.get(name)
        if not value:
            raise UsageError(
                f"{key}: the environment variable {name} is not set; nothing was changed",
                hint=f"set {name} and run again",
            )
        return value

    @staticmethod
    def _of_file(path: Path, key: str) -> str:
        try:
            text = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UsageError(
                f"{key}: {path} can't be read: {reason}; nothing was changed", hint=f"check {path}"
            ) from None
        if not text:
            raise UsageError(f"{key}: {path} is empty; nothing was changed", hint=f"write the secret to {path}")
        return text


def _usable(text: str, where: str) -> Secret:
    """Return a secret that can be sent. Raises ``UsageError`` for what is no text, or too long for one."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # the system hands over bytes that are no UTF-8 as characters that stand for nothing
        raise UsageError(f"{where} is not UTF-8 text; nothing was changed", hint="write the secret anew") from None
    if size > _MOST_BYTES:
        raise UsageError(
            f"{where} has {size} bytes, a secret has at most {_MOST_BYTES}; nothing was changed",
            hint="check that it is the right one",
        )
    return Secret(text)
