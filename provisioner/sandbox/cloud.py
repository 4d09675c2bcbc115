"""The sandbox as a whole: one account, its instances with their endpoints, one broker, one API."""

import random
import secrets
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from provisioner.sandbox.api import Api, RecordedCall, serve
from provisioner.sandbox.balance import chooser
from provisioner.sandbox.balancer import BalancedListener
from provisioner.sandbox.broker import AmqttBroker, signature_password
from provisioner.sandbox.certificates import SandboxCertificates
from provisioner.sandbox.device_cas import DeviceCAs
from provisioner.sandbox.device_certificates import DeviceCertificates
from provisioner.sandbox.endpoint import Listener
from provisioner.sandbox.faults import Faults
from provisioner.sandbox.hosting import HostingService
from provisioner.sandbox.listener import ThreadedListener
from provisioner.sandbox.machine import Machine
from provisioner.sandbox.mqtt_service import MqttService
from provisioner.sandbox.serving import Serving
from provisioner.sandbox.settings import SandboxInstance, SandboxSettings
from provisioner.sandbox.signature import Verifier


class Sandbox:
    """A sandbox; a context manager that starts and stops it.

    Args:
        settings: what it is made of.
    """

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()
        self.access_key_id = f"SANDBOX{secrets.token_hex(8).upper()}"
        self.access_key_secret = secrets.token_hex(15)
        self.certificates = SandboxCertificates()
        self.faults = Faults()
        self.hosting = HostingService(fingerprints_of_keys=self.settings.fingerprints_of_keys)
        self._broker = AmqttBroker(self._may_log_in)
        self._machines: dict[str, Machine] = {}
        self.device_cas = DeviceCAs(self.settings, self._machines, self.certificates.device_ca_pem)
        self.device_certificates = DeviceCertificates(self.device_cas)
        self._server: ThreadingHTTPServer | None = None
        self._api: Api | None = None

    def start(self) -> None:
        """Start broker, endpoints and API."""
        self._broker.start()
        server = self.certificates.server
        stand_in = Serving(mutual=False, chain_pem=server.chain_pem, key_pem=server.private_key_pem)
        for item in self.settings.instances:
            cas = partial(self.device_cas.active, item.id)
            machine = Machine(
                item, self._listener(item), stand_in, cas, partial(self.device_certificates.admit, item.id)
            )
            machine.start()
            self._machines[item.id] = machine
        mqtt = MqttService(
            self.settings,
            self._machines,
            self.hosting,
            stand_in,
            faults=self.faults,
            online=lambda instance_id: self._broker.online(f"|{instance_id}"),
        )
        verifier = Verifier(self.access_key_id, self.access_key_secret, self.settings.clock_ahead)
        actions = mqtt.actions | self.device_cas.actions | self.device_certificates.actions
        self._api = Api(verifier, self.hosting.actions, actions, self.faults, self._truth)
        self._server = serve(self._api, self.settings.port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox-api", daemon=True).start()

    def stop(self) -> None:
        """Stop everything."""
        if self._api is not None:
            self._api.ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        for machine in self._machines.values():
            machine.stop()
        self._broker.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """The API's address."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def instances(self) -> tuple[SandboxInstance, ...]:
        """The instances."""
        return self.settings.instances

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """What was called so far; names of parameters only."""
        assert self._api is not None
        return self._api.calls

    def console(self, action: str, parameters: dict[str, str]) -> object:
        """Do what a person does in the console: an action without a signature."""
        assert self._api is not None
        return self._api.perform(action, parameters)

    def machine(self, instance_id: str) -> Machine:
        """Return an instance at work."""
        return self._machines[instance_id]

    def endpoint(self, instance_id: str) -> tuple[str, str, int]:
        """Return the name that devices use, and the address and port that it stands for."""
        listener = self._machines[instance_id].listener
        return f"{instance_id}.mqtt.aliyuncs.com", listener.host, listener.port

    def canary_login(self, instance_id: str, client_id: str) -> tuple[str, str]:
        """Return user name and password of a device, in the documented signature mode."""
        return f"Signature|{self.access_key_id}|{instance_id}", signature_password(self.access_key_secret, client_id)

    def _may_log_in(self, username: str | None, password: str | None, client_id: str) -> bool:
        known = {f"Signature|{self.access_key_id}|{item.id}" for item in self.instances}
        expected = signature_password(self.access_key_secret, client_id)
        return username in known and secrets.compare_digest((password or "").encode(), expected.encode())

    def _listener(self, item: SandboxInstance) -> Listener:
        address = self._broker.silent_address if item.drops_logins else self._broker.address
        make = self.settings.listener or ThreadedListener
        if item.backends == 1:
            return make(address)
        dice = random.Random(item.seed)  # noqa: S311  no secret hangs on it
        choose = chooser(item.balance, item.backends, weights=item.weights, dice=dice)
        listeners = [make(address) for _ in range(item.backends)]
        return BalancedListener(listeners, choose, health_checks=item.health_checks)

    def _truth(self) -> object:
        return [machine.truth() for machine in self._machines.values()]
