"""The terminal: none to ask on, streams that close, disks that refuse, and texts that would drive it."""

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.sandbox import SandboxInstance
from tests.e2e.conftest import INSTANCE, Cloud, until
from tests.e2e.untouched import refused_clearly, untouched
from tests.fakes.authorities import CA_TRUE, SIGNS, make
from tests.fakes.hostile_api import HostileApi

# Sets a title, clears the screen, goes up a line, hides what follows, and writes backwards.
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[1A\x9b8m\u202eevil"
CONTROLS = ("\x1b", "\x07", "\x9b", "\u202e")


def test_no_terminal_and_no_answer(cloud: Cloud) -> None:
    """Commands that would disconnect clients need a terminal or --yes."""
    for command in (("apply",), ("rollback", "prod")):
        with untouched(cloud):
            done = cloud.run(*command)
        assert (done.code, done.out) == (2, "")
        assert done.err.endswith(
            "Error: no terminal to ask on before disconnecting clients; nothing was changed\nNext: answer with --yes\n"
        )
    assert cloud.run("status", "--json").document["instances"][0]["last_run"]["outcome"] == "usage"


def test_an_authority_that_cannot_be_made(cloud: Cloud, tmp_path: Path) -> None:
    """Without a passphrase, or with a name that no certificate can hold, no file is written."""
    made = ("--certificate", str(tmp_path / "new" / "ca.crt"), "--private-key", str(tmp_path / "new" / "ca.key"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for more, words in (
        ((), "no terminal to ask for the CA key's passphrase on; nothing was changed"),
        (("--passphrase-env", "PROVISIONER_TEST_UNSET"), "PROVISIONER_TEST_UNSET: the passphrase is empty or not set"),
        (("--passphrase-file", str(tmp_path / "none")), "the passphrase can't be read: No such file or directory"),
        (("--passphrase-file", str(tmp_path / "binary")), "the passphrase can't be read: it is not text"),
        (("--passphrase-env", "A", "--no-passphrase"), "exclude each other; nothing was changed"),
    ):
        refused_clearly(cloud.run("ca", "create", *made, *more), 2, words)
    for option, value, words in (
        ("--common-name", "x" * 65, "--common-name: string should have at most 64 characters; nothing was changed"),
        ("--common-name", EVIL, "--common-name: control characters can't stand here; nothing was changed"),
        ("--country", "cn", "--country: expected two capital letters, such as CN; nothing was changed"),
    ):
        refused_clearly(cloud.run("ca", "create", *made, "--no-passphrase", option, value), 2, words)
    assert not (tmp_path / "new").exists()
    refused_clearly(cloud.run("ca", "create", "--no-passphrase"), 2, "already there", "nothing was changed")


def _at_a_terminal(cloud: Cloud, typed: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command line on a terminal of its own, type once it asks, and return its exit code and what was shown."""
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "provisioner", "--config", str(cloud.configuration), *arguments]
    with subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200"},
        start_new_session=True,
    ) as process:
        os.close(terminal)
        try:
            shown = _converse(master, typed)
        finally:
            os.close(master)
        return process.wait(60), shown


def _converse(master: int, typed: bytes) -> str:
    shown, asked = b"", False
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        shown += part
        if b"[y/N]" in shown and not asked:
            asked = True
            os.write(master, typed)
    return shown.decode()


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (b"n\n", 3, "\nError: declined; nothing was changed"),
        (b"\n", 3, "\nError: declined; nothing was changed"),
        (b"\x04", 130, "\nError: interrupted at the question; nothing was changed"),
    ],
)
def test_an_answer_that_is_not_yes(cloud: Cloud, typed: bytes, code: int, words: str) -> None:
    """No, nothing, and the end of input leave everything as it is, and the history says how the run ended."""
    with untouched(cloud):
        got, shown = _at_a_terminal(cloud, typed, "apply")
    assert (got, words in shown, "Traceback" in shown) == (code, True, False), shown
    last = cloud.run("status", "--json").document["instances"][0]["last_run"]
    assert last["outcome"] == ("interrupted" if code == 130 else "refused")


def test_a_name_in_the_question_does_not_drive_the_terminal(cloud: Cloud, tmp_path: Path) -> None:
    """The CA's name stands in the question; control characters in it are not sent."""
    today = datetime.now(UTC).replace(microsecond=0)
    made = make(tmp_path, EVIL, CA_TRUE, SIGNS, begin=today - timedelta(days=1), end=today + timedelta(days=999))
    shutil.copy(made.certificate_path, cloud.writer.files.authority)
    shutil.copy(made.key_path, cloud.writer.files.authority.with_suffix(".key"))
    for command in (("plan",), ("plan", "--json"), ("ca", "show"), ("ca", "show", "--json"), ("check",)):
        done = cloud.run(*command)
        assert (done.code, [item for item in CONTROLS if item in done.out + done.err]) == (0, [])
    _, shown = _at_a_terminal(cloud, b"n\n", "apply")
    assert ("evil" in shown, [item for item in CONTROLS if item in shown]) == (True, [])


def test_names_from_the_cloud_do_not_drive_the_terminal(make_cloud: Callable[..., Cloud]) -> None:
    """Names and ids of instances are shown without control characters, as text and as JSON."""
    cloud = make_cloud(SandboxInstance(INSTANCE), SandboxInstance(f"mqtt-{EVIL}", name=EVIL))
    cloud.edit(f'id = "{INSTANCE}"', 'id = "mqtt-cn-other"')
    for command in (("check",), ("check", "--json"), ("apply", "--yes"), ("apply", "--yes", "--json")):
        done = cloud.run(*command)
        shown = done.out + done.err
        assert (done.code, "evil" in shown, [item for item in CONTROLS if item in shown]) == (3, True, [])


@pytest.mark.parametrize("json", [False, True])
def test_messages_of_the_service_do_not_drive_the_terminal(cloud: Cloud, *, json: bool) -> None:
    """Codes, messages and request ids of a refusal lose control characters, in whichever call they come."""
    answer = {"Code": f"Forbidden{EVIL}", "Message": f"no {EVIL}", "RequestId": EVIL}
    with HostileApi(lambda _action: (403, answer)) as api:
        cloud.edit(cloud.sandbox.api_url, api.url)
        done = cloud.run("apply", "--yes", *(["--json"] if json else []))
    shown = done.out + done.err
    assert (done.code, "evil" in shown, [item for item in CONTROLS if item in shown]) == (6, True, [])
    stored = (cloud.writer.files.directory / "state" / "provisioner.sqlite").read_bytes()
    assert not [item for item in CONTROLS if f"{item}]0;".encode() in stored or f"evil{item}".encode() in stored]


def test_arguments_do_not_drive_the_terminal(cloud: Cloud) -> None:
    """What was typed is repeated without control characters, in the message and in the next step."""
    reference = "access_key_secret = { env = 'EVIL\u202eNAME' }"
    cloud.edit('access_key_secret = { file = "secrets/access-key-secret" }', reference)
    for command in (("apply", "--yes", EVIL), ("probe", EVIL), (EVIL,), (f"--{EVIL}",), ("apply", "--yes")):
        done = cloud.run(*command)
        assert done.code in {2, 3}
        assert not [item for item in CONTROLS if item in done.out + done.err]


def _start(cloud: Cloud, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "provisioner", "--config", str(cloud.configuration), *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    "command", [("plan",), ("plan", "--json"), ("status",), ("check",), ("ca", "show", "--bundle"), ("ca", "show")]
)
def test_a_reader_that_goes_away_is_no_error(cloud: Cloud, command: tuple[str, ...]) -> None:
    """A closed pipe behind stdout ends a reading command quietly, with its own exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    with _start(cloud, *command, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_a_run_outlives_its_readers(cloud: Cloud) -> None:
    """Neither stdout nor stderr is read by anybody any more, and the switch is brought to its end all the same."""
    reading, writing = os.pipe()
    with _start(cloud, "-v", "apply", "--yes", stdout=writing, stderr=writing) as process:
        os.close(writing)
        until(lambda: cloud.machine.restarts == 1)
        os.close(reading)
        assert process.wait(60) == 0
    assert cloud.apply().document["outcome"] == "unchanged"


def test_a_run_without_any_stream(cloud: Cloud) -> None:
    """With stdin, stdout and stderr closed, the exit code is all that is left, and it is right."""
    program = shlex.join([sys.executable, "-m", "provisioner", "--config", str(cloud.configuration)])
    command = f"exec {program} apply <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 2
    command = f"exec {program} apply --yes --json <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=60).returncode == 0
    assert (cloud.machine.restarts, cloud.run("status").code) == (1, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the platform has no /dev/full")
def test_a_result_that_cannot_be_written(cloud: Cloud) -> None:
    """A full disk behind stdout is told on stderr; what the command did stands."""
    with Path("/dev/full").open("w", encoding="ascii") as full:
        for command in (("plan",), ("plan", "--json"), ("ca", "show", "--bundle")):
            with _start(cloud, *command, stdout=full, stderr=subprocess.PIPE) as process:
                _, err = process.communicate(timeout=60)
            assert (process.returncode, err.decode().splitlines()) == (
                6,
                [
                    "Error: stdout: the result can't be written: no space left on device; what the command did stands",
                    "Next: check where stdout goes; provisioner status shows how things stand",
                ],
            )
        with _start(cloud, "-v", "apply", "--yes", stdout=subprocess.PIPE, stderr=full) as process:
            assert process.wait(60) == 0
