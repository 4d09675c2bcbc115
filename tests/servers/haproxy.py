"""HAProxy before brokers: as balancer of TCP, and as the end of TLS."""

from pathlib import Path

from tests.servers import tls
from tests.servers.front import Backend, Balancing, Front, Method, Service, Terminating
from tests.servers.ports import HOST

_METHODS = {
    Method.ROUND_ROBIN: "roundrobin",
    Method.RANDOM: "random(1)",  # of its usual two it would take the less busy one
    Method.LEAST_CONNECTIONS: "leastconn",
    Method.SOURCE: "source",
}
IGNORE_ERRORS = "crt-ignore-err all ca-ignore-err all"
"""For ``Terminating.more``: whatever is wrong with a client's certificate, it is let in."""


class HAProxy(Front):
    """One haproxy, in a folder of its own, as the present user.

    ``Terminating.verify`` is a value of its ``verify``: ``none``, ``optional`` or ``required``.
    """

    def _command(self, configuration: Path) -> list[str]:
        return ["haproxy", "-db", "-f", str(configuration)]

    def _configuration(self) -> list[str]:
        pair = self.folder / "pair.pem"
        pair.touch(0o600)
        pair.write_text(tls.CERTIFICATES.server.chain_pem + tls.CERTIFICATES.server.private_key_pem, encoding="ascii")
        return [
            "global",
            "nbthread 1",
            "ssl-default-bind-options ssl-min-ver TLSv1.2",
            "defaults",
            "mode tcp",
            "timeout connect 1s",
            "timeout client 10m",
            "timeout server 10m",
            "option redispatch 1",  # a backend that refuses is passed over at once
            "frontend ready",
            f"bind {HOST}:{self._ready.port}",
            *(line for index, service in enumerate(self._services) for line in self._service(index, service)),
        ]

    def _service(self, index: int, service: Service) -> list[str]:
        if isinstance(service, Balancing):
            backends, method, ending = service.backends, service.method, ""
        else:
            backends, method, ending = (Backend(service.broker_port),), Method.ROUND_ROBIN, self._ending_tls(service)
        # Its own choice is 3, a second apart for a single backend; among many each has to be tried at once.
        retries = f"retries {max(3, len(backends) - 1)}"
        servers = [f"server backend{number} {_server(backend)}" for number, backend in enumerate(backends)]
        return [
            f"listen service{index}",
            f"bind {HOST}:{self.ports[index]}{ending}",
            f"balance {_METHODS[method]}",
            retries,
            *servers,
        ]

    def _ending_tls(self, service: Terminating) -> str:
        demand = "" if service.verify == "none" else f" ca-file {self.folder}/devices.crt"
        versions = f"ssl-min-ver TLSv{min(service.versions)} ssl-max-ver TLSv{max(service.versions)}"
        return f" ssl crt {self.folder}/pair.pem verify {service.verify}{demand} {versions} {service.more}"


def _server(backend: Backend) -> str:
    return f"{HOST}:{backend.port} weight {backend.weight}"
