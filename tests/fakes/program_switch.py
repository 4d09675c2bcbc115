"""A driver as somebody would add it; the README shows it."""

# README begins: driver
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from provisioner.errors import RejectedError, ThrottledError, UnansweredError
from provisioner.model.instance import EndpointState, Mode

LATER = 75  # EX_TEMPFAIL of sysexits.h


class ProgramSwitch:
    """Implements ``ports.EndpointSwitch`` by a program of yours.

    Started as ``PROGRAM REGION INSTANCE mutual IDENTIFIER`` or ``PROGRAM REGION INSTANCE one_way``, it says by its exit
    code what became of the request: 0 accepted, 75 not now, others no. What then happens is judged on the wire.

    Args:
        start: starts a command and returns its exit code. Raises ``TimeoutError`` when it has not ended in time.
        program: the program.
    """

    attended = False

    def __init__(self, start: Callable[[Sequence[str]], int], program: Path) -> None:
        self._start = start
        self._program = program

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Ask for the target; there are no steps for a person."""
        which = (target.identifier or "",) if target.mode is Mode.MUTUAL else ()
        name = self._program.name
        try:
            code = self._start([str(self._program), region, instance_id, target.mode.value, *which])
        except TimeoutError:
            raise UnansweredError(f"{name}: it did not end in time", action=name) from None
        if code == LATER:
            raise ThrottledError(f"{name}: not now", action=name)
        if code != 0:
            raise RejectedError(f"{name}: exit code {code}", action=name, hint=f"run {name} by hand")
        return ()


def start(command: Sequence[str], seconds: float = 120) -> int:
    """Run a command to its end and return its exit code; its output goes where ours goes."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


# README ends: driver
