"""The parts of the README that are made from the product, between ``<!-- generated:NAME -->`` and ``<!-- end -->``."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import typer

from provisioner.cli.help import render_help
from provisioner.cli.main import app
from provisioner.model.outcome import Outcome
from provisioner.settings.reference import configuration_reference
from tests.documents.assumptions import assumptions
from tests.documents.screens import failed_switch, first_switch

_PLAN_HAS_CHANGES = "| 11 | | `plan --detailed-exitcode` found something to do |"
_BLOCK = re.compile(r"(<!-- generated:([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str) -> str:
    """Return a document with every generated part made anew. Raises ``KeyError`` for a part that nobody makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def generated(text: str) -> list[str]:
    """Return the names of the generated parts of a document."""
    return [found[2] for found in _BLOCK.finditer(text)]


def commands() -> str:
    """Return the help of every command."""
    return "\n\n".join(_fenced(render_help(command, path)) for path, command in _walk("provisioner", _root()))


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [f"| {item.exit_code} | `{item.label}` | {item.meaning} |" for item in Outcome]
    rows.insert(-1, _PLAN_HAS_CHANGES)
    return "\n".join(["| code | outcome | what it means |", "|---|---|---|", *rows])


def option_names(words: list[str]) -> set[str]:
    """Return the options of the command that a command line names. Raises ``LookupError`` when there is none.

    Args:
        words: the words after ``provisioner``, without options before the verb.
    """
    command, names = _root(), {"-h", "--help"}
    for word in words:
        children = getattr(command, "commands", {})
        if not children:
            break
        if word not in children:
            raise LookupError(f"no command {word}")
        command = children[word]
    return names | {name for item in command.params for name in item.opts}


def _root() -> Any:  # noqa: ANN401  Typer's classes have no public names
    return typer.main.get_command(app)


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  likewise
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _walk(f"{path} {name}", child)


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


BLOCKS: dict[str, Callable[[], str]] = {
    "assumptions": assumptions,
    "commands": commands,
    "configuration": lambda: configuration_reference().rstrip(),
    "exit-codes": exit_codes,
    "screen-failed-switch": lambda: _fenced(failed_switch()),
    "screen-first-switch": lambda: _fenced(first_switch()),
}
