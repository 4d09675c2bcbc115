"""A server that runs as a process of its own: started, ready, stopped, with what it printed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.servers.programs import find

_READY_WITHIN = 30.0
_STOPS_WITHIN = 10.0
_LOOKS_EVERY = 0.01


class ServerProcess:
    """A running server; what it prints goes to a file.

    Args:
        command: an executable, which is looked for, and its arguments.
        log: the file.
        environment: variables beside those of this process.
        stdin: where it reads, nowhere by default.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        self._name, *arguments = command
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [found(self._name), *arguments],
                env={**os.environ, **(environment or {})},
                stdin=stdin,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that workers can be ended with their master
            )

    def said(self) -> str:
        """Return what it has printed until now."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def await_ready(self, ready: Callable[[], bool]) -> None:
        """Return when it is ready. Raises ``ValueError`` with what it printed if it ends, or takes too long."""
        end = time.monotonic() + _READY_WITHIN
        while True:
            over = self._process.poll() is not None or time.monotonic() > end  # before the look, which may succeed
            if ready() and not over:
                return
            if over:
                self.stop()
                raise ValueError(f"{self._name} can't serve this: {self.said()}")
            time.sleep(_LOOKS_EVERY)

    def stop(self) -> None:
        """End it and wait until it is gone; a second time it does nothing."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def found(executable: str) -> str:
    """Return the path of a program that the running test has said it wants."""
    path = find(executable)
    assert path is not None, f"{executable} is not here; a test that wants it carries its marker"
    return path
