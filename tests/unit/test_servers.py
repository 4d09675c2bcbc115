"""Finding and installing the outside programs of the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.debian import services_forbidden
from tests.servers.nginx_build import lacks_stream
from tests.servers.programs import PROGRAMS, Program


def program(folder: Path, script: str | None) -> Program:
    """Return a program that prints what the script does, or is not there."""
    path = folder / "wanted"
    if script is not None:
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
        path.chmod(0o755)
    return Program(str(path), "tests", ("wanted",), ("version",), r"Wanted (\d+)", 3)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('[ "$1" = version ] && echo Wanted 3.0.19 >&2; exit 3', ""),
        ("echo Wanted 12.1", ""),
        ("echo Wanted 2.9", "{path} is version 2, wanted is 3 or later"),
        ("echo Another 3.0", "{path} is another program or can't be run"),
        (None, "not found"),
    ],
)
def test_a_program_is_the_right_one_or_it_is_said_why_not(script: str | None, expected: str, tmp_path: Path) -> None:
    """Version and kind are looked at, and not only whether there is something of that name."""
    assert program(tmp_path, script).lack() == expected.format(path=tmp_path / "wanted")


BUILD = "nginx version: nginx/1.22.1\nconfigure arguments: "


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--with-stream --with-stream_ssl_module", ""),
        ("--with-stream_ssl_module", "it was built without --with-stream"),
        ("--with-stream --with-http_ssl_module", "it was built without --with-stream_ssl_module"),
        (
            "--modules-path={folder} --with-stream_ssl_module --with-stream=dynamic",
            "its stream module is not installed: {folder}/ngx_stream_module.so is missing",
        ),
    ],
)
def test_an_nginx_without_its_stream_module_will_not_do(arguments: str, expected: str, tmp_path: Path) -> None:
    """The module is in the executable or in a file, which Debian has in a package of its own."""
    build = BUILD + arguments.format(folder=tmp_path)
    lacks = [lacks_stream(build)]
    (tmp_path / "ngx_stream_module.so").touch()
    lacks.append(lacks_stream(build))

    without_file = expected.format(folder=tmp_path)
    assert lacks == [without_file, "" if without_file.endswith("missing") else without_file]


def test_every_program_has_a_marker(pytestconfig: pytest.Config) -> None:
    """Tests say by a marker which program they want."""
    markers = {line.partition(":")[0] for line in pytestconfig.getini("markers")}

    assert {item.marker for item in PROGRAMS} <= markers


def answer(policy: Path) -> int:
    """Return what a policy answers to a package that wants to start its service."""
    return subprocess.run([policy, "mosquitto", "start"], check=False).returncode


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 104\n"], ids=["none", "one"])
def test_services_are_forbidden_for_a_block_alone(before: str | None, tmp_path: Path) -> None:
    """What policy there was before is there again afterwards, its answers and its mode."""
    policy = tmp_path / "policy-rc.d"
    if before is not None:
        policy.write_text(before, encoding="ascii")
        policy.chmod(0o755)
    with services_forbidden(policy):
        during = answer(policy)

    after = None if before is None else answer(policy)
    assert (during, after) == (101, None if before is None else 104)
    assert [path.name for path in tmp_path.iterdir()] == ([] if before is None else ["policy-rc.d"])


@pytest.mark.parametrize("before", [None, 104])
def test_a_killed_installation_does_not_forbid_for_ever(before: int | None, tmp_path: Path) -> None:
    """The policy counts while its process lives; then the one before does, and the next block tidies up."""
    policy = tmp_path / "policy-rc.d"
    if before is not None:
        policy.write_text(f"#!/bin/sh\nexit {before}\n", encoding="ascii")
        policy.chmod(0o755)
    script = (
        "import os, pathlib, sys; from tests.servers.debian import services_forbidden\n"
        "with services_forbidden(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", script, policy], check=False, env={**os.environ, "PYTHONPATH": path})
    killed = answer(policy)
    with services_forbidden(policy):
        during = answer(policy)

    assert (killed, during, answer(policy) if policy.exists() else 0) == (before or 0, 101, before or 0)
