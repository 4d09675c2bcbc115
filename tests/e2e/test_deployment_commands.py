"""Every command line in ``config/``, run as it stands on a sandbox, its program and its configuration put in place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Cloud
from tests.e2e.deployed import CONFIGURATION, INSTALLED, CommandLine, command_lines
from tests.e2e.test_rotation import MORE_NAMES, OPENAPI

ROOT = Path(__file__).parents[2]


def run(line: CommandLine, configuration: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line with the installed program of this environment."""
    places = {INSTALLED: str(Path(sys.executable).with_name("provisioner")), CONFIGURATION: str(configuration)}
    given = {name: places.get(value, value) for name, value in line.environment.items() if name != "PATH"}
    return subprocess.run(
        [places.get(word, word) for word in line.words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | given,
        cwd=configuration.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def rotating(cloud: Cloud) -> Cloud:
    """Return a sandbox whose instance is in mutual mode and may be rotated unattended."""
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true")
    assert cloud.apply().code == 0
    return cloud


def test_every_command_line_is_found() -> None:
    """The ones that machines start are there, and those that a person gives."""
    found = [line.place for line in command_lines()]
    assert {"provisioner-rotate.service", "cron", "Containerfile", "rotate.yaml#3", "container: plan"} <= {*found}
    assert len([place for place in found if place.startswith("kubernetes: ")]) == 2


def test_every_command_line_does_what_it_is_for(rotating: Cloud) -> None:
    """With nothing to do each ends with 0, and one that is to be quiet without a word."""
    lines = command_lines()
    done = {line.place: run(line, rotating.configuration) for line in lines}
    assert {place: item.returncode for place, item in done.items()} == dict.fromkeys(done, 0)
    quiet = {line.place: done[line.place] for line in lines if "--quiet" in line.words}
    assert {place: item.stdout + item.stderr for place, item in quiet.items()} == {"cron": ""}
    assert rotating.machine.restarts == 1


def test_the_unit_rotates_what_is_due(rotating: Cloud) -> None:
    """With something to do its command line does it, and tells."""
    (unit,) = [line for line in command_lines() if line.place.endswith(".service")]
    rotating.edit(*MORE_NAMES)
    done = run(unit, rotating.configuration)
    assert (done.returncode, rotating.machine.restarts) == (0, 2)
    assert (done.stdout.startswith("converged    prod: "), "converged" in done.stderr) == (True, False)


def test_secrets_that_may_only_be_read_are_right(cloud: Cloud) -> None:
    """Keys and secrets of somebody else's with mode 0440, as the READMEs have them, do for a first switch."""
    files = cloud.writer.files
    names = [*files.directory.glob("secrets/*"), files.device_key, files.authority.with_suffix(".key")]
    for path in names:
        path.chmod(0o440)
    assert (len(names), cloud.apply().code) == (5, 0)
    assert {path.stat().st_mode & 0o777 for path in names} == {0o440}
