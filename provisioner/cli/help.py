"""Help texts: one layout of a fixed width, whatever the terminal and whatever Typer's version would print.

The README shows them as they are printed here, and a test compares.
"""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

WIDTH = 80
_WIDEST_LABEL = 26
_UNBROKEN = "\N{NO-BREAK SPACE}"
_HELP_OPTIONS = ["-h", "--help"]
F = TypeVar("F", bound=Callable[..., Any])


class App(typer.Typer):
    """Commands with plain help; errors and exit codes are the business of ``cli.main``."""

    def __init__(self, *, help: str, name: str | None = None) -> None:  # noqa: A002  Typer's word
        super().__init__(
            name=name,
            cls=_Group,
            help=help,
            no_args_is_help=True,
            add_completion=False,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": _HELP_OPTIONS},
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:  # noqa: ANN401  Typer's options
        """Register a command."""
        return super().command(name, cls=_Command, **options)


class _Command(TyperCommand):
    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  Typer's classes have no public names
        formatter.write(render_help(self, ctx.command_path))


class _Group(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  Typer's classes have no public names
        formatter.write(render_help(self, ctx.command_path))


def render_help(command: Any, path: str) -> str:  # noqa: ANN401  Typer's classes have no public names
    """Return the help of a command.

    Args:
        command: Typer's command or group.
        path: how it is called, such as ``provisioner ca create``.
    """
    shown = [item for item in command.params if not item.hidden]
    arguments = [item for item in shown if item.param_type_name == "argument"]
    options = [(_option_label(item), _option_text(item)) for item in shown if item.param_type_name == "option"]
    options.append((", ".join(_HELP_OPTIONS), "Show this message and exit."))
    children = getattr(command, "commands", {})
    usage = [path, "[OPTIONS]", *map(_argument_usage, arguments), *(["COMMAND [ARGS]..."] if children else [])]
    lines = [f"Usage: {' '.join(usage)}", *_paragraphs(command.help or "")]
    lines += _section("Arguments", [(_name(item), item.help or "") for item in arguments])
    lines += _section("Options", options)
    lines += _section("Commands", [(name, summary(child)) for name, child in children.items() if not child.hidden])
    return "\n".join(lines) + "\n"


def summary(command: Any) -> str:  # noqa: ANN401  Typer's classes have no public names
    """Return the first paragraph of a command's help."""
    first, _, _ = (command.help or "").strip().partition("\n\n")
    return " ".join(first.split())


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield ""
        yield from textwrap.wrap(" ".join(paragraph.split()), WIDTH, initial_indent="  ", subsequent_indent="  ")


def _section(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"{title}:"
    width = max((len(label) for label, _ in rows if len(label) <= _WIDEST_LABEL), default=_WIDEST_LABEL)
    for label, text in rows:
        lines = textwrap.wrap(text, WIDTH - width - 4, break_on_hyphens=False) or [""]
        wrapped = [line.replace(_UNBROKEN, " ") for line in lines]
        if len(label) > width:
            yield f"  {label}"
        else:
            yield f"  {label:<{width}}  {wrapped.pop(0)}".rstrip()
        yield from (f"{' ' * (width + 4)}{line}" for line in wrapped)


def _name(argument: Any) -> str:  # noqa: ANN401
    return str(argument.metavar or argument.name.upper())


def _argument_usage(argument: Any) -> str:  # noqa: ANN401
    name = _name(argument) if argument.required else f"[{_name(argument)}]"
    return name + ("..." if argument.nargs != 1 else "")


def _option_label(option: Any) -> str:  # noqa: ANN401
    label = ", ".join(sorted(option.opts, key=len))
    return label if option.is_flag or option.count else f"{label} {option.metavar or 'TEXT'}"


def _option_text(option: Any) -> str:  # noqa: ANN401
    default = option.default
    shown = default.value if isinstance(default, Enum) else default
    told = not (option.is_flag or option.count or default is None or default in ("", ()))
    return f"{option.help or ''}{f' [default:{_UNBROKEN}{shown}]' if told else ''}"
