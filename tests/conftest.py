"""What holds for every test: hypothesis' profile, and what becomes of tests whose outside program is missing."""

import functools
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.servers.programs import PROGRAMS, Program, nothing_left_out

# A busy machine is no defect of what is tested.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, with the reason, a test that wants a program which is not here; where nothing may be, fail it."""
    for program in PROGRAMS:
        if item.get_closest_marker(program.marker) and (lack := _lack(program)):
            reason = f"{program.name}: {lack}; {program.advice()}"
            (pytest.fail if nothing_left_out() else pytest.skip)(reason)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the processes that a test starts out of the coverage, for tests in which those can't write its files."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Measure no coverage in this thread, for a test whose many runs do what others are measured for."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@functools.cache
def _lack(program: Program) -> str:
    return program.lack()
