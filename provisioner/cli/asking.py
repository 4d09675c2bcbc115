"""Asking a person."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from provisioner.cli.output import err
from provisioner.errors import InterruptedRunError, RefusedError, UsageError
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
        InterruptedRunError: it was Ctrl-C, or the terminal went away.
    """
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"no terminal to ask on before {what_for}; nothing was changed", hint="answer with --yes")
    *before, last = question.splitlines()
    for line in before:
        print_item(err, "", line)
    try:
        agreed = typer.confirm(last, default=False, err=True)
    except typer.Abort:
        raise InterruptedRunError("interrupted at the question; nothing was changed", hint="provisioner plan") from None
    if not agreed:
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
        raise UsageError(
            "--passphrase-env, --passphrase-file and --no-passphrase exclude each other; nothing was changed",
            hint="name one of them",
        )
    if none:
        return None
    if environment is not None or file is not None:
        text = _referred(environment, file)
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


def known_passphrase(environment: str | None, file: Path | None, prompt: str) -> Callable[[], Secret | None]:
    """Return what gives the passphrase of a key that has one: from a variable, a file, or asked once on a terminal.

    Nothing is read or asked before the passphrase is needed; without a terminal there is none.

    Args:
        environment: name of a variable that holds it.
        file: file that holds it.
        prompt: what a person is asked.

    Raises:
        UsageError: two ways were named; when called, what was named can't be read or is empty.
    """
    if environment is not None and file is not None:
        raise UsageError("name one of --passphrase-env and --passphrase-file")

    def give() -> Secret | None:
        if environment is not None or file is not None:
            text = _referred(environment, file)
            if not text:
                raise UsageError(f"{environment or file}: the passphrase is empty or not set; nothing was changed")
            return Secret(text)
        return Secret(typer.prompt(prompt, hide_input=True, err=True)) if sys.stdin.isatty() else None

    return give


def _referred(environment: str | None, file: Path | None) -> str:
    if environment is not None or file is None:
        return os.environ.get(environment or "", "")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{file}: the passphrase can't be read: {reason}") from None
