"""Asking a person."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from provisioner.cli.output import err
from provisioner.errors import InterruptedRunError, RefusedError, UsageError
from provisioner.model.secret import Secret
from provisioner.reporting.layout import print_item


def confirm(question: str, *, assume_yes: bool, what_for: str, look: str = "provisioner plan") -> None:
    """Ask a question that must be answered with yes.

    Args:
        question: its last line is the question itself, the lines before say what to know.
        assume_yes: the command line has answered already.
        what_for: what is about to happen, for the message.
        look: the command that shows again what was asked about.

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
    with _uninterrupted(look):
        agreed = typer.confirm(last, default=False, err=True)
    if not agreed:
        raise RefusedError("declined; nothing was changed", hint=look)


@contextmanager
def _uninterrupted(look: str, *, hidden: bool = False) -> Iterator[None]:
    """Tell Ctrl-C and Ctrl-D at a question, on a line of their own; nothing was done yet.

    Args:
        look: the next command.
        hidden: what is typed is not shown; Typer then ends the line itself.
    """
    try:
        yield
    except typer.Abort:
        if not hidden:
            err.print()
        raise InterruptedRunError("interrupted at the question; nothing was changed", hint=look) from None


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
        with _uninterrupted("provisioner ca create", hidden=True):
            text = typer.prompt("Passphrase of the CA's key", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise UsageError(
            "no terminal to ask for the CA key's passphrase on; nothing was changed",
            hint="--passphrase-env NAME, --passphrase-file FILE, or --no-passphrase to go without",
        )
    return _named(text, environment, file, "set it, or --no-passphrase to go without")


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
        raise UsageError(
            "--passphrase-env and --passphrase-file exclude each other; nothing was changed", hint="name one of them"
        )

    def give() -> Secret | None:
        if environment is not None or file is not None:
            return _named(_referred(environment, file), environment, file, "set it, or leave it out to be asked")
        if not sys.stdin.isatty():
            return None
        with _uninterrupted("the same command again", hidden=True):
            text = typer.prompt(prompt, hide_input=True, err=True)
        return Secret(text)

    return give


def _named(text: str, environment: str | None, file: Path | None, hint: str) -> Secret:
    if not text:
        raise UsageError(f"{environment or file}: the passphrase is empty or not set; nothing was changed", hint=hint)
    return Secret(text)


def _referred(environment: str | None, file: Path | None) -> str:
    if environment is not None or file is None:
        return os.environ.get(environment or "", "")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(
            f"{file}: the passphrase can't be read: {reason}; nothing was changed", hint=f"check {file}"
        ) from None
