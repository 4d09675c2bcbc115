"""The command line's root, and the only error boundary."""

import contextlib
import os
import sys
import warnings
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from provisioner import __version__
from provisioner.cli import (
    apply,
    ca,
    check,
    demo,
    device_ca,
    issue,
    plan,
    probe,
    prune,
    rollback,
    rotate,
    sandbox,
    status,
)
from provisioner.cli.help import App
from provisioner.cli.output import err, give_up, print_json
from provisioner.cli.signals import Interruptions
from provisioner.errors import OutputError, ProvisionerError
from provisioner.reporting.layout import print_item, print_next
from provisioner.runs.system_clock import SystemClock

# Typer brings a click of its own, whose exceptions have no public name.
_ClickError = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

_BEFORE_THE_VERB = {"--config": "--config FILE", "-v": "-v", "--verbose": "-v", "--version": "--version"}

app = App(
    name="provisioner",
    help="Take ApsaraMQ for MQTT to mutual TLS with your own certificate, keep it there, and bring it back on failure.",
)

app.command()(demo.demo)
app.command()(plan.plan)
app.command()(apply.apply)
app.command()(apply.resume)
app.command()(rotate.rotate)
app.command()(rollback.rollback)
app.command()(status.status)
app.command()(check.check)
app.command()(probe.probe)
app.command()(issue.issue)
app.command()(prune.prune)
app.add_typer(ca.app, name="ca")
app.add_typer(device_ca.app, name="device-ca")
app.add_typer(sandbox.app, name="sandbox")


@dataclass(frozen=True, slots=True)
class Globals:
    """Options before the verb."""

    config: Path | None
    verbose: int


def _version(value: bool) -> None:
    if value:
        typer.echo(f"provisioner {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Configuration; else PROVISIONER_CONFIG, else provisioner.toml, else config/provisioner.toml.",
        ),
    ] = None,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="-v shows every reading, -vv tracebacks too.")
    ] = 0,
    version: Annotated[  # noqa: ARG001  its callback does the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Read the options before the verb."""
    context.obj = Globals(config, verbose)


def run() -> NoReturn:
    """Run the command line and exit; every error ends in one message and an exit code."""
    # A library's word to developers, about certificates that others made (serial number 0): it is no message of ours.
    warnings.filterwarnings("ignore", message="Parsed a serial number")
    interruptions = Interruptions(SystemClock())
    interruptions.begin()
    _open_streams()
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the first one was being told
        code = _interrupted(as_json="--json" in sys.argv)
    interruptions.end()
    sys.exit(code)


def _open_streams() -> None:
    """Put something in the place of closed standard streams, and let no character be impossible to write."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115  as long as the process lives
            setattr(sys, name, nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        result = app(arguments, standalone_mode=False, prog_name="provisioner")
    except ProvisionerError as error:
        if "-vv" in arguments:
            _print_traceback()
        return _tell(error.message, error.hint, error.exit_code, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted(as_json=as_json)
    except Exception as error:  # noqa: BLE001  the boundary: a bug ends in a message too
        if isinstance(error, _ClickError):
            return _tell_usage(error, as_json=as_json)
        if "-vv" in arguments:
            _print_traceback()
        return _tell(
            f"a bug in provisioner: {type(error).__name__}; what was requested stays recorded",
            ProvisionerError.default_hint,
            1,
            as_json=as_json,
        )
    return result if isinstance(result, int) else 0


def _interrupted(*, as_json: bool) -> int:
    return _tell("interrupted; what was requested stays recorded", "provisioner status", 130, as_json=as_json)


def _tell_usage(error: Exception, *, as_json: bool) -> int:
    words = _in_our_words(getattr(error, "format_message", lambda: str(error))())
    if type(error).__name__ == "NoArgsIsHelpError":  # its words are the help: a question, not a mistake
        sys.stderr.write(words + "\n")
        return 2
    said = words[:1].lower() + words[1:].rstrip(".")
    said = said if said.endswith("?") else f"{said}; nothing was changed"
    asked = getattr(getattr(error, "ctx", None), "command_path", "provisioner")
    return _tell(said, _other_place(error, asked) or f"{asked} --help", 2, as_json=as_json)


def _in_our_words(words: str) -> str:
    """Return Typer's message without the phrases of the library that it checks values with."""
    return words.replace(": Value error, ", ": ").replace(": Input should be ", ": expected ")


def _other_place(error: Exception, asked: str) -> str:
    """Return where an option belongs that was written on the wrong side of the verb, an empty text for others."""
    option, verb = getattr(error, "option_name", ""), asked.removeprefix("provisioner").strip()
    if verb and option in _BEFORE_THE_VERB:
        return f"it goes before the verb: provisioner {_BEFORE_THE_VERB[option]} {verb}"
    return "it goes after the verb: provisioner COMMAND --json" if not verb and option == "--json" else ""


def _tell(message: str, hint: str, exit_code: int, *, as_json: bool) -> int:
    try:
        print_item(err, "Error:", message, style="bold red", gap=1)
        print_next(err, hint)
        sys.stderr.flush()
    except OSError:
        give_up(sys.stderr)
    if as_json:
        document = {
            "schema": "provisioner.error/1",
            "exit_code": exit_code,
            "error": {"message": message, "hint": hint},
        }
        with contextlib.suppress(OutputError):  # it has been told on stderr
            print_json(document)
    return exit_code


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()
