"""A driver that somebody adds, as the README shows it: its test double, and whole runs with it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from provisioner.model.instance import EndpointState, Mode
from tests.fakes.program_switch import LATER, ProgramSwitch, start
from tests.fakes.stage import Stage


# README begins: double
class FakeProgram:
    """Stands in for the program: acts on the stage's endpoint, and ends as it is told to, one ending each."""

    def __init__(self, stage: Stage, *endings: int | None) -> None:
        self.commands: list[list[str]] = []
        self._stage, self._effects = stage, stage.world.effects
        self._endings = list(endings)

    def __call__(self, command: Sequence[str]) -> int:
        """Let the endpoint restart where the ending is 0, or None: then it acts, but does not end in time."""
        self.commands.append(list(command[1:]))
        code = self._endings.pop(0) if self._endings else 0
        if not code:
            target = EndpointState(Mode(command[3]), identifier=command[4] if command[4:] else None)
            self._stage.world.act(target, self._effects.pop(0) if self._effects else "works")
        if code is None:
            raise TimeoutError
        return code


def staged(*endings: int | None) -> tuple[Stage, FakeProgram]:
    """Return a stage whose driver runs a program that ends so."""
    stage = Stage()
    program = FakeProgram(stage, *endings)
    stage.switch = ProgramSwitch(program, Path("/opt/ops/switch-mqtt"))
    return stage, program


@pytest.mark.parametrize(
    ("endings", "outcome", "exit_code", "requests", "restarts"),
    [
        ((0,), "converged", 0, 1, 1),
        ((LATER, 0), "converged", 0, 2, 1),
        ((1,), "failed", 6, 1, 0),
        ((None,), "converged", 0, 1, 1),
    ],
    ids=["accepted", "later", "no", "no-answer"],
)
def test_each_ending_is_followed_as_it_deserves(
    endings: tuple[int | None, ...], outcome: str, exit_code: int, requests: int, restarts: int
) -> None:
    """What certainly did not land is repeated or given up; what may have landed is looked for on the wire alone."""
    stage, program = staged(*endings)
    result = stage.apply()
    assert (result.outcome.label, result.outcome.exit_code) == (outcome, exit_code)
    assert (len(program.commands), stage.world.restarts) == (requests, restarts)


def test_a_bad_switch_is_taken_back_by_the_same_driver() -> None:
    """Rollback, verification and hold come with the port; the driver knows nothing of them."""
    stage, program = staged()
    stage.world.effects.append("devices_refused")
    assert stage.apply().outcome.label == "rolled_back"
    hosted = stage.hosting.find("provisioner-iot-")[0].identifier
    assert program.commands == [
        ["cn-hangzhou", "mqtt-1", "mutual", hosted],
        ["cn-hangzhou", "mqtt-1", "one_way"],
    ]


# README ends: double
@pytest.mark.parametrize(("script", "expected"), [("exit 75", 75), ("sleep 60", None)])
def test_a_program_is_run_to_its_end(script: str, expected: int | None) -> None:
    """Its exit code is returned; one that does not end in time is ended, and that is an error of its own."""
    command = ["/bin/sh", "-c", f"exec {script}" if expected is None else script]
    if expected is None:
        with pytest.raises(TimeoutError):
            start(command, seconds=0.2)
    else:
        assert start(command) == expected
