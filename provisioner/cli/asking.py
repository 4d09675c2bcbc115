"""Asking a person."""

import os
import sys
from pathlib import Path

import typer

from provisioner.cli.output import err
from provisioner.errors import RefusedError, UsageError
from provisioner.model.secret import Secret
from provisioner.reporting.layout import print_item


def confirm(question: str, *, assume_yes: bool, what_for: str) -> None:
    """Ask a question that must be answered with yes.

    Args:
        question: its last line is the question itself, the lines before say what to know.
        assume_yes: the command line has answered already.
        what_for: what is about to happen, for the message.

    Raises:
        UsageError: there is no terminal to ask on, and no ``--yes``.
        RefusedError: the answer was no.
    """
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"no terminal to ask on before {what_for}; nothing was changed", hint="answer with --yes")
    *before, last = question.splitlines()
    for line in before:
        print_item(err, "", line)
    if not typer.confirm(last, default=False, err=True):
        raise RefusedError("declined; nothing was changed", hint="provisioner plan")


def passphrase(environment: str | None, file: Path | None, *, none: bool) -> Secret | None:
    """Return the passphrase for a new key: from a variable, a file, or asked twice on a terminal.

    Args:
        environment: name of a variable that holds it.
        file: file that holds it.
        none: the key is to have none.

    Raises:
        UsageError: not exactly one way was named and there is no terminal, or it is empty.
    """
    if sum((environment is not None, file is not None, none)) > 1:
        raise UsageError("name one of --passphrase-env, --passphrase-file and --no-passphrase")
    if none:
        return None
    text = ""
    if environment is not None:
        text = os.environ.get(environment, "")
    elif file is not None:
        try:
            text = file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise UsageError(f"{file}: the passphrase can't be read: {error.strerror}") from None
    elif sys.stdin.isatty():
        text = typer.prompt("Passphrase of the CA's key", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise UsageError(
            "no terminal to ask for the CA key's passphrase on; nothing was changed",
            hint="--passphrase-env NAME, --passphrase-file FILE, or --no-passphrase to go without",
        )
    if not text:
        raise UsageError("the passphrase is empty; nothing was changed", hint="--no-passphrase to go without")
    return Secret(text)
