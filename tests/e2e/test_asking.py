"""Asking a person, on a terminal of its own: what is shown first, and what each answer leads to."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.e2e.conftest import Cloud
from tests.e2e.test_prune import fill, names

_CHUNK = 4096


class Terminal:
    """A command line on a terminal, and a person in front of it."""

    def __init__(self, *arguments: str) -> None:
        self._person, theirs = pty.openpty()
        command = [sys.executable, "-m", "provisioner", *arguments]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.shown = ""

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt, then type an answer; what is typed before a passphrase's prompt is thrown away."""
        seen = len(self.shown)
        while prompt not in self.shown[seen:]:
            assert self._read(), f"no {prompt!r} in {self.shown!r}"
        os.write(self._person, f"{text}\n".encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(60)

    def close(self) -> None:
        """End what is left."""
        self._process.kill()
        self._process.wait()
        os.close(self._person)

    def _read(self) -> bool:
        try:
            more = os.read(self._person, _CHUNK)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.shown += more.decode(errors="replace")
        return bool(more)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Return a list of terminals that are closed at the end."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def start(terminals: list[Terminal], *arguments: str) -> Terminal:
    """Start a command line on a terminal."""
    terminals.append(Terminal(*arguments))
    return terminals[-1]


@pytest.mark.parametrize("answer", ["n", ""])
def test_a_no_changes_nothing(cloud: Cloud, terminals: list[Terminal], answer: str) -> None:
    """The plan, with the CA that every client must trust, is shown first; no answer is a no."""
    trusted = cloud.run("ca", "show", "--json").document["fingerprint_sha256"]
    terminal = start(terminals, "--config", str(cloud.configuration), "apply")
    terminal.answer("[y/N]", answer)
    assert terminal.end() == 3
    assert trusted in terminal.shown
    assert (cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (0, 0)


def test_a_yes_goes_on(cloud: Cloud, terminals: list[Terminal]) -> None:
    """The person agrees once, and the run goes to its end."""
    terminal = start(terminals, "--config", str(cloud.configuration), "apply")
    terminal.answer("[y/N]", "y")
    assert (terminal.end(), cloud.machine.restarts, cloud.machine.serving.mutual) == (0, 1, True)


def test_what_would_be_deleted_is_shown_first(cloud: Cloud, terminals: list[Terminal]) -> None:
    """Whoever is asked about deleting sees which certificates, before the question; a no deletes none."""
    fill(cloud)
    before = names(cloud)
    listed = cloud.run("prune", "--json").document["certificates"]
    terminal = start(terminals, "--config", str(cloud.configuration), "prune", "--delete")
    terminal.answer("[y/N]", "n")
    asked = terminal.shown.partition("Delete ")[0]
    assert {item["name"]: item["name"] in asked for item in listed} == {
        item["name"]: not item["stays_because"] for item in listed
    }
    assert (terminal.end(), names(cloud)) == (3, before)
    assert "Next: provisioner prune" in terminal.shown.removeprefix(asked)


def test_ctrl_c_at_a_passphrase_has_changed_nothing(tmp_path: Path, terminals: list[Terminal]) -> None:
    """No file is left, and no run is spoken of that there never was."""
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    terminal = start(terminals, "ca", "create", "--certificate", str(certificate), "--private-key", str(key))
    terminal.answer("key: ", "\x04")
    assert (terminal.end(), list(tmp_path.iterdir())) == (130, [])
    told = "interrupted at the question; nothing was changed\r\nNext: provisioner ca create\r\n"
    assert terminal.shown.endswith(told)


def test_a_passphrase_is_asked_for_twice_and_never_shown(tmp_path: Path, terminals: list[Terminal]) -> None:
    """Typed alike both times it locks the key; typed differently it is asked for again."""
    certificate, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    terminal = start(terminals, "ca", "create", "--certificate", str(certificate), "--private-key", str(key))
    for second in ("open barley", "open sesame"):
        terminal.answer("key: ", "open sesame")
        terminal.answer("confirmation: ", second)
    assert terminal.end() == 0
    load_pem_private_key(key.read_bytes(), b"open sesame")
    assert ("sesame" in terminal.shown, "barley" in terminal.shown) == (False, False)
