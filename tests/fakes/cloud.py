"""A sandbox in this process, its ready-made files, and the command line against it; with its fixtures."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import _run
from provisioner.cli.sandbox_files import SandboxWriter
from provisioner.model.certificate import KeyType
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.sandbox.machine import Machine

INSTANCE = "mqtt-cn-sandbox01"
WAITING: dict[str, object] = {
    "deadline": "8s",
    "effect_within": "3s",
    "poll": "100ms",
    "status_poll": "200ms",
    "settle": {"readings": 3, "over": "400ms", "smallest_share": 0.5, "connections": 7},
}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command line left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401  whatever JSON holds
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def instance(self) -> Any:  # noqa: ANN401  whatever JSON holds
        """The one instance of a run's document."""
        (found,) = self.document["instances"]
        return found


class Cloud:
    """A running sandbox with its files."""

    def __init__(self, sandbox: Sandbox, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self.writer = SandboxWriter(sandbox, directory)
        self._capture = capture
        self._started: list[subprocess.Popen[str]] = []
        self.writer.write_secrets()
        self.writer.write_device()
        self.writer.create_authority()
        self.configure()

    @property
    def configuration(self) -> Path:
        """The configuration's path."""
        return self.writer.files.configuration

    @property
    def machine(self) -> Machine:
        """The first instance at work."""
        return self.sandbox.machine(INSTANCE)

    def configure(
        self,
        key: KeyType = KeyType.EC_P256,
        waiting: Mapping[str, object] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration anew."""
        waited = WAITING | dict(waiting or {})
        self.writer.write_configuration(names or {"prod": INSTANCE}, key=key, waiting=waited)

    def edit(self, old: str, new: str) -> None:
        """Replace a text in the configuration."""
        text = self.configuration.read_text(encoding="utf-8")
        assert old in text
        self.configuration.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: str) -> Done:
        """Run a command line in this process."""
        self._capture.readouterr()
        code = _run(["--config", str(self.configuration), *arguments])
        captured = self._capture.readouterr()
        return Done(code, captured.out, captured.err)

    def apply(self, *more: str) -> Done:
        """Run ``apply --yes --json``."""
        return self.run("apply", "--yes", "--json", *more)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command line in a process of its own."""
        command = [sys.executable, "-m", "provisioner", "--config", str(self.configuration), *arguments]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self._started.append(process)
        return process

    def end_processes(self) -> None:
        """End what a failed test has left running."""
        for process in self._started:
            process.kill()
            process.communicate()

    def state_rows(self, query: str) -> list[tuple[object, ...]]:
        """Return rows of the state database, none while there is no database."""
        path = self.writer.files.directory / "state" / "provisioner.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as connection:
            made = connection.execute("PRAGMA user_version").fetchone() != (0,)
            return connection.execute(query).fetchall() if made else []

    def actions(self) -> list[str]:
        """Return the actions that were called so far."""
        return [call.action for call in self.sandbox.calls]


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds; a minute at most, so that a broken test ends."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def make_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Cloud]]:
    """Return a maker of sandboxes; all of them are stopped at the end."""
    running: list[Sandbox] = []
    made: list[Cloud] = []

    def make(*instances: SandboxInstance, **settings: Any) -> Cloud:  # noqa: ANN401  fields of the settings
        chosen = instances or (SandboxInstance(INSTANCE),)
        sandbox = Sandbox(SandboxSettings(chosen, **({"restart_seconds": 0.5} | settings)))
        sandbox.start()
        running.append(sandbox)
        made.append(Cloud(sandbox, tmp_path / f"files-{len(running)}", capsys))
        return made[-1]

    yield make
    for cloud in made:
        cloud.end_processes()
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """Return a sandbox with one platinum instance out of the box."""
    return make_cloud()
