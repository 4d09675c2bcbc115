"""A command on a pseudo terminal: what is on the screen when it has ended, as a user would see it."""

import fcntl
import itertools
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyte
from rich.style import Style
from rich.text import Text

_LINES = 400
_CHUNK = 1 << 16


def screen_of(command: Sequence[str], *, columns: int, directory: Path, environment: Mapping[str, str]) -> list[Text]:
    """Run a command and return the lines on its screen. Raises ``CalledProcessError`` when it fails.

    Args:
        command: the program and its arguments.
        columns: of the terminal; it is high enough for everything.
        directory: where the command runs.
        environment: beside this process's own.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
    variables = {**os.environ, **environment, "TERM": "xterm-256color"}
    variables.pop("COLUMNS", None)
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=directory, env=variables)
    os.close(its)
    screen = pyte.Screen(columns, _LINES)
    stream = pyte.ByteStream(screen)
    for chunk in _chunks(ours):
        stream.feed(chunk)
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, output="\n".join(screen.display).rstrip())
    lines = [_line(screen.buffer[number], columns) for number in range(_LINES)]
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:  # Linux says so when the other side is closed
            return
        if not chunk:
            return
        yield chunk


def _line(row: Mapping[int, pyte.screens.Char], columns: int) -> Text:
    line = Text()
    for style, chars in itertools.groupby((row[column] for column in range(columns)), _style):
        line.append("".join(char.data for char in chars), style)
    line.rstrip()
    return line


def _style(char: pyte.screens.Char) -> Style:
    colour = {"default": None, "brown": "yellow"}.get(char.fg, char.fg)
    return Style(color=colour, bold=char.bold)
