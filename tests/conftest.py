"""What holds for every test: hypothesis' profile, and what becomes of tests whose outside program is missing."""

import functools

import hypothesis
import pytest

from tests.servers.programs import PROGRAMS, nothing_left_out, program

# A busy machine is no defect of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, with the reason, a test that wants a program which is not here; where nothing may be, fail it."""
    for wanted in (one.name for one in PROGRAMS if item.get_closest_marker(one.name)):
        lack = _lack(wanted)
        if lack:
            reason = f"{wanted}: {lack}; {program(wanted).advice()}"
            (pytest.fail if nothing_left_out() else pytest.skip)(reason)


@functools.cache
def _lack(name: str) -> str:
    return program(name).lack()
