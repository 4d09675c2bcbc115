"""Where output goes: results to stdout, talk and what went wrong to stderr.

Losing a reader never ends a run: a stream that can't be written is given up, and the exit code stays the command's own.
Only a result that is lost for another reason than a closed pipe is told.
"""

import contextlib
import json
import os
import sys
from typing import IO, Any

from rich.console import Console

from provisioner.errors import OutputError
from provisioner.reporting.cleaning import printable


class Stream(Console):
    """A console that shows no control characters but its own, and outlives its reader."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  whatever rich prints
        """Print as rich does; texts lose control characters."""
        shown = (printable(item) if isinstance(item, str) else item for item in objects)
        try:
            super().print(*shown, **options)
        except OSError as error:
            self.quiet = True
            give_up(self.file)
            if not self.stderr:
                raise _lost(error) from None

    def on_broken_pipe(self) -> None:
        """Print no more; nobody reads it."""
        self.quiet = True
        give_up(self.file)


err = Stream(stderr=True, emoji=False)
out = Stream(emoji=False)


def result_stream(*, good: bool) -> Stream:
    """Return where a run's result goes in words; what went wrong goes to stderr, so that ``>`` hides no alarm."""
    return out if good else err


def print_json(document: object) -> None:
    """Print one JSON document on stdout, all of it in ASCII: names from outside can't reach a terminal as they are."""
    write(json.dumps(document, indent=2) + "\n")


def write(text: str) -> None:
    """Write a result to stdout as it is. Raises ``OutputError``, but not for a reader that went away."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        raise _lost(error) from None


def give_up(stream: IO[str]) -> None:
    """Let a stream end in nothing, so that not even its flush at the end of the process fails."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def _lost(error: OSError) -> OutputError:
    reason = (error.strerror or "it is closed").lower()
    return OutputError(f"stdout: the result can't be written: {reason}; what the command did stands")
