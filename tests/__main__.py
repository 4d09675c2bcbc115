"""``python -m tests [PYTEST ARGUMENT...]``: every test, with branch coverage of the whole product.

Tests want a few outside programs. With ``PROVISIONER_TEST_INSTALL=1`` missing ones are installed from Debian, and none
of their services is started; otherwise it is said what is left out and how to get it. Where ``CI`` is set nothing is
left out: what is missing is a failure.
"""

import os
import sys
from collections.abc import Sequence

import pytest

from tests.servers.debian import install
from tests.servers.programs import PROGRAMS, Program, nothing_left_out

# End-to-end tests wait for restarts most of their time, hence more workers than processors.
_WORKERS = min(16, max(4, 3 * (os.cpu_count() or 1)))
_PYTEST = (f"-n{_WORKERS}", "--dist=worksteal", "--cov", "--cov-report=term-missing:skip-covered")


def main(arguments: Sequence[str]) -> int:
    """Run the tests and return the exit code."""
    lacks = _lacks()
    if lacks and os.environ.get("PROVISIONER_TEST_INSTALL") == "1":
        packages = ", ".join(package for program in lacks for package in program.packages)
        _say(f"installing {packages}; no service is started")
        failure = install(tuple(lacks))
        if failure:
            _say(failure)
        lacks = _lacks()
    for program, lack in lacks.items():
        _say(f"{program.name}: {lack}; it is for {program.purpose}. To get it: {program.advice()}")
    if lacks and nothing_left_out():
        _say("CI is set, so that nothing may be left out: no test was run")
        return pytest.ExitCode.USAGE_ERROR
    if lacks:
        _say(f"left out are the tests that want {' or '.join(program.name for program in lacks)}")
    return pytest.main([*_PYTEST, *arguments])


def _lacks() -> dict[Program, str]:
    return {program: lack for program in PROGRAMS if (lack := program.lack())}


def _say(text: str) -> None:
    sys.stderr.write(f"tests: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
