"""A run is told to stop, by Ctrl-C or by a service manager: it ends at once and says what to do next."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.moments import APPLY, QUICK, RESUME, SWITCHED, Requests, ended, requests, require_end, start_until
from tests.fakes.cloud import Cloud, Done, until

SIGNALS = [signal.SIGINT, signal.SIGTERM]
RESUMABLE = "prod: interrupted; what was requested stays recorded and goes on by itself in the cloud"


def _require_told(done: Done, message: str, hint: str) -> None:
    """Require exit code 130, a message and the next step, each said once, and no traceback."""
    words = " ".join(done.err.split())
    assert (done.code, done.out, words.count(message), "Traceback" in words) == (130, "", 1, False), done.err
    assert [line for line in done.err.splitlines() if line.strip().startswith("Next: ")][-1].strip() == f"Next: {hint}"
    assert done.err.count("Next: ") == 1


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_waiting(cloud: Cloud, number: signal.Signals) -> None:
    """A wait of ten minutes ends at once; the next run goes on with the request."""
    process = start_until(cloud, "switch-down")
    process.send_signal(number)
    _require_told(ended(process), RESUMABLE, "provisioner resume prod")
    cloud.configure(waiting=QUICK)
    require_end(cloud, cloud.run(*RESUME, "--json"), 0, "mutual", SWITCHED)


@pytest.mark.parametrize(("moment", "command"), [("switch-landed", RESUME), ("upload-landed", APPLY)])
def test_a_signal_while_the_cloud_withholds_an_answer(cloud: Cloud, moment: str, command: tuple[str, ...]) -> None:
    """The answer is not waited for; the next run finds what the request had come to."""
    process = start_until(cloud, moment)
    process.send_signal(signal.SIGINT)
    _require_told(ended(process), RESUMABLE, "provisioner resume prod")
    require_end(cloud, cloud.run(*command, "--json"), 0, "mutual", SWITCHED)


def test_an_impatient_person(cloud: Cloud) -> None:
    """Ctrl-C pressed over and over is Ctrl-C pressed once."""
    process = start_until(cloud, "switch-down")
    for _ in range(20):
        process.send_signal(signal.SIGINT)  # to a process that has ended it does nothing
        time.sleep(0.02)
    _require_told(ended(process), RESUMABLE, "provisioner resume prod")
    cloud.configure(waiting=QUICK)
    require_end(cloud, cloud.run(*RESUME, "--json"), 0, "mutual", SWITCHED)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_the_question(cloud: Cloud, tmp_path: Path, number: signal.Signals) -> None:
    """A person who leaves the question has changed nothing."""
    with (tmp_path / "err").open("w+", encoding="utf-8") as told:
        for process in _at_a_terminal(cloud, told.fileno(), "apply"):
            until(lambda: "[y/N]" in (tmp_path / "err").read_text(encoding="utf-8"))
            process.send_signal(number)
            code = process.wait(60)
    words = " ".join((tmp_path / "err").read_text(encoding="utf-8").split())
    assert (code, "Traceback" in words, words.count("Next: ")) == (130, False, 1), words
    assert words.endswith("Error: interrupted at the question; nothing was changed Next: provisioner plan"), words
    assert requests(cloud) == Requests(uploads=0, hosted=0)


def _at_a_terminal(cloud: Cloud, told: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a command line that may ask on a terminal; stderr goes elsewhere."""
    person, terminal = pty.openpty()
    command = [sys.executable, "-m", "provisioner", "--config", str(cloud.configuration), *arguments]
    try:
        with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=told) as process:
            yield process
    finally:
        os.close(person)
        os.close(terminal)
