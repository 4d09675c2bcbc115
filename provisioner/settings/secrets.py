"""Secrets by reference: the configuration names where a secret is, and never holds one."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provisioner.errors import UsageError
from provisioner.model.secret import Secret
from provisioner.settings.section import plain


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
            UsageError: the variable is not set, or the file can't be read.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise UsageError(
                    f"{key}: the environment variable {self.env} is not set; nothing was changed",
                    hint=f"set {self.env} and run again",
                )
            return Secret(value)
        assert self.file is not None
        path = base / self.file
        try:
            text = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UsageError(
                f"{key}: {path} can't be read: {reason}; nothing was changed", hint=f"check {path}"
            ) from None
        if not text:
            raise UsageError(f"{key}: {path} is empty; nothing was changed", hint=f"write the secret to {path}")
        return Secret(text)
