"""GnuTLS' own server: TLS that is not of OpenSSL's family."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers import tls
from tests.servers.ports import accepts, bound
from tests.servers.process import ServerProcess

REQUIRES = "--require-client-cert"
ASKS_NOT = "--disable-client-cert"
"""Without one of the two it asks for a client certificate, and lets everybody in."""

ONLY = {"1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}
"""Priorities for one version of TLS alone."""


@contextlib.contextmanager
def serving_gnutls(folder: Path, *options: str, priority: str = "NORMAL") -> Iterator[int]:
    """Serve with ``gnutls-serv``, which sends back what it is sent and so is no MQTT.

    It can't be bound to one address: while it runs other machines can reach it too. There is nothing to get there.
    """
    chain, key = tls.files(folder)
    devices = folder / "devices.crt"
    devices.write_text(tls.CERTIFICATES.device_ca_pem, encoding="ascii")
    with contextlib.closing(bound(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
    command = ["gnutls-serv", "--port", str(port), "--echo", "--quiet", "--priority", priority]
    command += ["--x509certfile", str(chain), "--x509keyfile", str(key), "--x509cafile", str(devices), *options]
    process = ServerProcess(command, folder / "log")
    try:
        process.await_ready(lambda: accepts(port))
        yield port
    finally:
        process.stop()
