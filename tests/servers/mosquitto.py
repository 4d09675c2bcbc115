"""A real mosquitto as the endpoint of an instance: TLS and broker in one process, in place of the sandbox's own."""

import getpass
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.programs import find

_OPENS_WITHIN = 30.0
_STOPS_WITHIN = 10.0
_RESERVES_WHILE_LISTENING = sys.platform == "linux"


class MosquittoListener:
    """Implements the sandbox's ``Listener``; each start is a new process on the same port.

    A new one, because mosquitto 2.0 does not change ``require_certificate`` when told to reload (measured). It can't
    ask for a client certificate without requiring it: where ``anonymous`` is wanted it serves one-way. As a device CA
    it takes roots only.

    Args:
        logins: passwords by user name; with none everybody may log in.
        lowest: the lowest version of TLS that it speaks, ``"1.2"`` or ``"1.3"``.
        more: further lines of its configuration.
    """

    def __init__(
        self, logins: Mapping[str, str] | None = None, *, lowest: str = "1.2", more: Sequence[str] = ()
    ) -> None:
        self._logins = dict(logins or {})
        self._lowest = lowest
        self._more = tuple(more)
        self._changing = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._reserve: socket.socket | None = _bound(("127.0.0.1", 0))
        self._address: tuple[str, int] = self._reserve.getsockname()

    @property
    def host(self) -> str:
        """The address it serves on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        return self._address[1]

    def start(
        self,
        *,
        mutual: bool,
        chain_pem: str,
        key_pem: str,
        device_cas_pem: Sequence[str],
        anonymous: bool = False,
    ) -> None:
        """Serve TLS from now on; on return clients can connect."""
        with self._changing:
            if self._closed or self._process is not None:
                raise RuntimeError(f"mosquitto on port {self.port}: {'closed' if self._closed else 'already started'}")
            self._write("chain.pem", chain_pem)
            self._write("key.pem", key_pem)
            self._write("device-cas.pem", "\n".join(device_cas_pem))
            lines = [*self._serving(), *self._letting_in(), *self._more]
            if mutual and not anonymous:
                lines += self._demanding(any_ca=bool(device_cas_pem))
            self._run(self._write("mosquitto.conf", "\n".join(lines) + "\n"))

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        with self._changing:
            self._stop()

    def close(self) -> None:
        """Stop and give the port back, for good."""
        with self._changing:
            self._stop()
            self._closed = True
            self._release()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _serving(self) -> list[str]:
        return [
            f"listener {self.port} {self.host}",
            f"user {getpass.getuser()}",  # started by root it would become somebody who can't read the key
            f"certfile {self._folder / 'chain.pem'}",
            f"keyfile {self._folder / 'key.pem'}",
            f"tls_version tlsv{self._lowest}",
            "set_tcp_nodelay true",
            "log_dest stderr",
        ]

    def _letting_in(self) -> list[str]:
        if not self._logins:
            return ["allow_anonymous true"]
        path = self._write("logins", "".join(f"{user}:{password}\n" for user, password in self._logins.items()))
        subprocess.run([_found("mosquitto_passwd"), "-U", path], check=True, capture_output=True)
        return ["allow_anonymous false", f"password_file {path}"]

    def _demanding(self, *, any_ca: bool) -> list[str]:
        if any_ca:
            return ["require_certificate true", f"cafile {self._folder / 'device-cas.pem'}"]
        nobody = self._folder / "no-device-cas"
        nobody.mkdir(exist_ok=True)
        return ["require_certificate true", f"capath {nobody}"]

    def _run(self, configuration: Path) -> None:
        if not _RESERVES_WHILE_LISTENING:
            self._release()
        with (self._folder / "log").open("wb") as log:
            command = [_found("mosquitto"), "-c", str(configuration)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._await_open(self._process)
        except Exception:
            self._stop()
            raise

    def _await_open(self, process: subprocess.Popen[bytes]) -> None:
        # Its port opens before it reads certificate and key, so that a connection would prove nothing.
        log, end = "", time.monotonic() + _OPENS_WITHIN
        while not re.search(r"mosquitto version \S+ running", log):
            over = process.poll() is not None or time.monotonic() > end
            log = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
            if over:
                raise ValueError(f"mosquitto on port {self.port} can't serve this: {log}")
            time.sleep(0.01)

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._reserve is None:
            self._reserve = _bound(self._address)

    def _release(self) -> None:
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        return path


def _found(executable: str) -> str:
    path = find(executable)
    assert path is not None, f"{executable} is not here; a test that wants it carries the marker mosquitto"
    return path


def _bound(address: tuple[str, int]) -> socket.socket:
    """Return a socket that holds the port and refuses connections until somebody listens there."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    return sock
