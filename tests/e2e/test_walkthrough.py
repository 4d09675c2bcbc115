"""The README's lines for trying every command by hand, run one after the other."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import readme

_PORT = "8701"
_ASKING = ("apply", "rollback", "resume", "deactivate")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str], str]]:
    """Return a directory with a sandbox that serves there, the environment of its second terminal, and its port."""
    shims = tmp_path / "bin"
    shims.mkdir()
    shim = shims / "provisioner"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m provisioner "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shims}:{os.environ['PATH']}",
        "PYTHONPATH": str(readme.README.parent),
        "PROVISIONER_CONFIG": "provisioner-sandbox/provisioner.toml",
    }
    command = ["provisioner", "sandbox", "serve", "--port", "0", "--restart-seconds", "0.5", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            port = json.loads(sandbox.stdout.readline())["api"].rpartition(":")[2]
            yield tmp_path, environment, port
        finally:
            sandbox.send_signal(signal.SIGINT)
        assert sandbox.wait() == 0


@pytest.mark.curl
@pytest.mark.openssl
@pytest.mark.timeout(900)  # a slow machine takes its time, once for each line
def test_every_line_ends_as_the_readme_says(place: tuple[Path, dict[str, str], str]) -> None:
    """Each line exits with the code in its comment, 0 where there is none; questions are answered with yes."""
    directory, environment, port = place
    lines = readme.block_behind("walkthrough")
    ended = []
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", _answered(line.replace(_PORT, port))],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        ended.append((line, done.returncode))
        assert ended[-1] == (line, _expected(line)), done.stderr


def test_every_command_is_tried_or_explained() -> None:
    """Lines in sh, all together, use every command there is."""
    used = " ".join(line for line in readme.shell_lines() if "provisioner " in line)
    shown = re.findall(r"^Usage: provisioner (\w[\w -]*?) (?=\[OPTIONS\] ?(?!COMMAND))", readme.text(), re.MULTILINE)
    assert len(shown) > 10
    assert [verb for verb in shown if f"provisioner {verb}" not in used] == []


def _expected(line: str) -> int:
    found = re.search(r"# exit (\d+)", line)
    return int(found[1]) if found else 0


def _answered(line: str) -> str:
    asking = next((verb for verb in _ASKING if f" {verb} " in f"{line.partition('#')[0]} "), None)
    return line.replace(asking, f"{asking} --yes", 1) if asking else line
