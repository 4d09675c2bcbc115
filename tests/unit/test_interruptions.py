"""Ctrl-C and SIGTERM: when a signal interrupts."""

import signal

import pytest

from provisioner.cli.signals import Interruptions
from tests.fakes.clock import FakeClock


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
