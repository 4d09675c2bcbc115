"""Ctrl-C and SIGTERM: when a signal interrupts."""

import signal
import subprocess
import sys

import pytest

from provisioner.cli.signals import Interruptions
from tests.fakes.clock import FakeClock

_INTERRUPTED_AT_TYPER = """
import sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from provisioner.__main__ import run
run()
"""


def test_a_repeated_signal_interrupts_once_and_a_later_one_anew() -> None:
    """While the process is ending nothing interrupts it again; should it not end, the next signal does."""
    clock = FakeClock()
    interruptions = Interruptions(clock)
    for pause in (0.0, 2.0):
        clock.sleep(pause)
        with pytest.raises(KeyboardInterrupt):
            interruptions.interrupt(signal.SIGINT, None)
        clock.sleep(1.9)
        interruptions.interrupt(signal.SIGTERM, None)


def test_an_interruption_before_the_command_line_is_loaded() -> None:
    """Nothing has begun yet: it ends with the code of an interruption and without a word."""
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED_AT_TYPER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
