"""Nginx before brokers: its stream module as balancer of TCP, and as the end of TLS."""

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.servers.front import Backend, Balancing, Front, Method, Service, Terminating
from tests.servers.nginx_build import stream_module
from tests.servers.ports import HOST
from tests.servers.process import found

_METHODS = {
    Method.ROUND_ROBIN: "",  # its own choice when nothing is said
    Method.RANDOM: "random;",
    Method.LEAST_CONNECTIONS: "least_conn;",
    Method.SOURCE: "hash $remote_addr consistent;",
}


class Nginx(Front):
    """One nginx, in a folder of its own, as the present user.

    One worker, because each would go round the backends for itself. ``Terminating.verify`` is a value of
    ``ssl_verify_client``: ``off``, ``on``, ``optional`` or ``optional_no_ca``. With ``on`` it finishes the handshake of
    a client without certificate, and closes without an alert (measured).
    """

    def _command(self, configuration: Path) -> list[str]:
        # Its log of errors before it has read where they go is a file that only root can write, hence -e.
        return ["nginx", "-p", str(self.folder), "-e", "stderr", "-c", str(configuration)]

    def _configuration(self) -> list[str]:
        return [
            *_loading(),
            *(["user root;"] if os.geteuid() == 0 else []),  # else its workers could not read the folder
            "daemon off;",
            "worker_processes 1;",
            f"pid {self.folder}/pid;",
            "error_log stderr warn;",
            "events { worker_connections 1024; }",
            "stream {",
            "proxy_connect_timeout 1s;",
            *_ready(self._ready.port),
            *(line for index, service in enumerate(self._services) for line in self._service(index, service)),
            "}",
        ]

    def _service(self, index: int, service: Service) -> list[str]:
        if isinstance(service, Balancing):
            lines, ending = [_METHODS[service.method], *map(_server, service.backends)], []
        else:
            lines, ending = [_server(Backend(service.broker_port))], self._ending_tls(service)
        listening = f"{HOST}:{self.ports[index]}{' ssl' if ending else ''}"
        upstream = [f"upstream backends{index} {{", *lines, "}"]
        return [*upstream, "server {", f"listen {listening};", *ending, f"proxy_pass backends{index};", "}"]

    def _ending_tls(self, service: Terminating) -> list[str]:
        return [
            f"ssl_certificate {self.folder}/server.crt;",
            f"ssl_certificate_key {self.folder}/server.key;",
            f"ssl_client_certificate {self.folder}/devices.crt;",
            f"ssl_verify_client {service.verify};",
            f"ssl_protocols {' '.join(f'TLSv{version}' for version in service.versions)};",
            service.more,
        ]


def _server(backend: Backend) -> str:
    # Without max_fails=0 a backend that refused once is left out for ten seconds.
    return f"server {HOST}:{backend.port} weight={backend.weight} max_fails=0;"


def _ready(port: int) -> Sequence[str]:
    return ["server {", f"listen {HOST}:{port};", 'return "ready";', "}"]


@cache
def _loading() -> Sequence[str]:
    done = subprocess.run([found("nginx"), "-V"], capture_output=True, text=True, check=True)
    module = stream_module(done.stderr)
    return [] if module is None else [f"load_module {module};"]
