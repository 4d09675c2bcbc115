"""A real mosquitto as the endpoint of an instance: TLS and broker in one process, in place of the sandbox's own."""

import getpass
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.ports import Reserve
from tests.servers.process import ServerProcess, found

_ONLY_TLS_1_2 = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = versions
[versions]
MaxProtocol = TLSv1.2
"""


class MosquittoListener:
    """Implements the sandbox's ``Listener``; each start is a new process on the same port.

    A new one, because mosquitto 2.0 does not change ``require_certificate`` when told to reload (measured). It can't
    ask for a client certificate without requiring it: where ``anonymous`` is wanted it serves one-way. As a device CA
    it takes roots only.

    Args:
        logins: passwords by user name; with none everybody may log in.
        lowest: the lowest version of TLS that it speaks, ``"1.2"`` or ``"1.3"``.
        highest: the highest one.
        more: further lines of its configuration.
    """

    def __init__(
        self,
        logins: Mapping[str, str] | None = None,
        *,
        lowest: str = "1.2",
        highest: str = "1.3",
        more: Sequence[str] = (),
    ) -> None:
        self._logins = dict(logins or {})
        self._lowest = lowest
        self._highest = highest
        self._more = tuple(more)
        self._changing = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self._process: ServerProcess | None = None
        self._closed = False
        self._reserve = Reserve()

    @property
    def host(self) -> str:
        """The address it serves on."""
        return self._reserve.address[0]

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        return self._reserve.port

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
            self._reserve.release()
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
        subprocess.run([found("mosquitto_passwd"), "-U", path], check=True, capture_output=True)
        return ["allow_anonymous false", f"password_file {path}"]

    def _demanding(self, *, any_ca: bool) -> list[str]:
        if any_ca:
            return ["require_certificate true", f"cafile {self._folder / 'device-cas.pem'}"]
        nobody = self._folder / "no-device-cas"
        nobody.mkdir(exist_ok=True)
        return ["require_certificate true", f"capath {nobody}"]

    def _run(self, configuration: Path) -> None:
        self._reserve.lend()
        command = ["mosquitto", "-c", str(configuration)]
        self._process = process = ServerProcess(command, self._folder / "log", self._environment())
        try:
            # Its port opens before it reads certificate and key, so that a connection would prove nothing.
            process.await_ready(lambda: re.search(r"mosquitto version \S+ running", process.said()) is not None)
        except Exception:
            self._stop()
            raise

    def _environment(self) -> Mapping[str, str]:
        if self._highest == "1.3":
            return {}
        # It has no setting of its own for the highest version; its library reads one from a file.
        path = self._write("openssl.cnf", _ONLY_TLS_1_2)
        return {"OPENSSL_CONF": str(path)}

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
            self._reserve.take_back()

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        return path
