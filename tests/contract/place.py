"""One instance with everything around it, pretended or in the sandbox, for suites of the ports around it."""

import contextlib
import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from provisioner.alibaba import (
    AccessKey,
    AccountClients,
    AlibabaInstances,
    AlibabaSessions,
    ApiEndpoints,
    Site,
)
from provisioner.alibaba.switches import ApiCall, OpenApiSwitch, SniSwitch
from provisioner.model.instance import Endpoint, EndpointState, MappedState, Mode, Status
from provisioner.model.reading import AddressReading, Stage
from provisioner.model.secret import Secret
from provisioner.ports import Canary, EndpointSwitch, Instances, Sessions, WireProbe
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.wire.canary import Device, PahoCanary
from provisioner.wire.probe import StdlibWireProbe
from tests.fakes.authorities import Made, good, make
from tests.fakes.clock import FakeClock
from tests.fakes.world import ADDRESS, ALIBABA, Directory, World

INSTANCE, REGION = "mqtt-1", "cn-hangzhou"
HOST, DOMAIN = "mqtt-1.mqtt.aliyuncs.com", "a.example.com"
_ACTIONS = {Mode.MUTUAL: "EnableMutual", Mode.ONE_WAY: "EnableOneWay"}
_PATIENCE = 60


@dataclass(frozen=True)
class Place:
    """The ports around one instance, out of the box.

    Attributes:
        host: hosts a certificate for a name, and returns its identifier and the SHA-256 of its leaf.
        arm: lets the next switch become what a fault makes of it.
        lose: lets the next request of the main driver, or the next listing, end in a fault of the call.
        connect: keeps devices online for a block.
        pause: waits a moment.
        stand_in: the SHA-256 of what is served one-way.
    """

    instances: Instances
    sessions: Sessions
    switch: EndpointSwitch
    sni: EndpointSwitch
    probe: WireProbe
    canary: Canary
    endpoint: Endpoint
    address: str
    host: Callable[[str], tuple[str, str]]
    arm: Callable[[str], None]
    lose: Callable[[str], None]
    connect: Callable[..., contextlib.AbstractContextManager[None]]
    pause: Callable[[], None]
    stand_in: str

    def state(self, name: str = "*.mqtt.aliyuncs.com", domains: tuple[MappedState, ...] = ()) -> EndpointState:
        """Host a certificate and return the state in which it is served."""
        identifier, sha256 = self.host(name)
        return EndpointState(Mode.MUTUAL, sha256, identifier, domains)

    def mapped(self, domain: str = DOMAIN) -> MappedState:
        """Host a certificate for a mapped domain."""
        identifier, sha256 = self.host(domain)
        return MappedState(domain, sha256, identifier)

    def look(self, name: str = HOST) -> AddressReading:
        """Return what a client without certificate meets under a name."""
        return self.probe.probe(replace(self.endpoint, host=name), self.address)

    def status(self) -> int:
        """Return the instance's status."""
        return self.instances.list(REGION)[0].status

    def until_down(self) -> AddressReading:
        """Wait until the endpoint is down and return what is seen then."""
        return self._until(lambda seen: seen.stage is Stage.CONNECT)

    def until_back(self) -> AddressReading:
        """Wait until the instance is in service again and return what is seen then."""
        return self._until(lambda _: self.status() == Status.IN_SERVICE)

    def switched(self, target: EndpointState, switch: EndpointSwitch | None = None) -> AddressReading:
        """Ask for a state, wait through the restart, and return what is seen then."""
        assert (switch or self.switch).request(REGION, INSTANCE, target) == ()
        self.until_down()
        return self.until_back()

    def _until(self, condition: Callable[[AddressReading], bool]) -> AddressReading:
        end = time.monotonic() + _PATIENCE
        seen = self.look()
        while not condition(seen):
            assert time.monotonic() < end
            self.pause()
            seen = self.look()
        return self.look()


def account(sandbox: Sandbox) -> AccountClients:
    """Return the clients of the sandbox's account."""
    key = AccessKey(Secret(sandbox.access_key_id), Secret(sandbox.access_key_secret))
    return AccountClients(Site.CHINA, key, ApiEndpoints(sandbox.api_url, sandbox.api_url))


def pretended(*, attended: bool = False) -> Place:
    """Return the fake world."""
    clock, hosted = FakeClock(), dict[str, bytes]()
    world = World(clock, hosted, lambda der: hashlib.sha256(der).hexdigest(), restart=5, attended=attended)

    def host(name: str) -> tuple[str, str]:
        identifier = f"{1000 + len(hosted)}-cn-hangzhou"
        hosted[identifier] = f"{name} {len(hosted)}".encode()
        return identifier, world.sha256(hosted[identifier])

    @contextlib.contextmanager
    def connect(*client_ids: str) -> Iterator[None]:
        world.online_clients.update(client_ids)
        yield
        world.online_clients.difference_update(client_ids)

    def fault(name: str) -> None:
        world.effects.append(name)

    return Place(
        instances=Directory(world),
        sessions=world,
        switch=world,
        sni=world.alone(),
        probe=world,
        canary=world,
        endpoint=Endpoint(HOST),
        address=ADDRESS,
        host=host,
        arm=fault,
        lose=fault,
        connect=connect,
        pause=lambda: clock.sleep(1),
        stand_in=world.sha256(ALIBABA),
    )


@contextlib.contextmanager
def sandboxed(folder: Path) -> Iterator[Place]:
    """Lend an instance of a running sandbox."""
    settings = SandboxSettings(
        (SandboxInstance(INSTANCE, name="one"),),
        restart_seconds=0.2,
        mutual_action=_ACTIONS[Mode.MUTUAL],
        one_way_action=_ACTIONS[Mode.ONE_WAY],
    )
    with Sandbox(settings) as sandbox:
        yield _Real(sandbox, folder).place()


class _Real:
    """The real adapters over a sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._authority = good(folder)
        self._hosted: list[str] = []

    def place(self) -> Place:
        """Return everything around the instance."""
        sandbox, clients = self._sandbox, account(self._sandbox)
        _, address, port = sandbox.endpoint(INSTANCE)
        return Place(
            instances=AlibabaInstances(clients, FakeClock(), fresh_for=-1),
            sessions=AlibabaSessions(clients, FakeClock()),
            switch=_driver(clients),
            sni=SniSwitch(clients),
            probe=StdlibWireProbe(timedelta(seconds=_PATIENCE)),
            canary=self._canary(),
            endpoint=Endpoint(HOST, port),
            address=address,
            host=self._host,
            arm=lambda fault: sandbox.faults.arm(fault, instance_id=INSTANCE),
            lose=lambda fault: sandbox.faults.arm(fault, action=_ACTIONS[Mode.MUTUAL]),
            connect=self._connect,
            pause=lambda: time.sleep(0.02),
            stand_in=sandbox.machine(INSTANCE).serving.leaf_sha256,
        )

    def _host(self, name: str) -> tuple[str, str]:
        begin, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=300)
        names = (x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        made = make(self._folder, f"leaf {len(self._hosted)}", names, issuer=self._authority, begin=begin, end=end)
        self._hosted.append(self._sandbox.hosting.add(name, made.pem + self._authority.pem, _private(made)))
        return self._hosted[-1], hashlib.sha256(made.der).hexdigest()

    def _canary(self) -> PahoCanary:
        pair = self._sandbox.certificates.device
        certificate, key = self._folder / "device.crt", self._folder / "device.key"
        certificate.write_text(pair.chain_pem, encoding="ascii")
        key.touch(0o600)
        key.write_text(pair.private_key_pem, encoding="ascii")
        username, password = self._sandbox.canary_login(INSTANCE, "GID_ops@@@canary")
        device = Device(certificate, key, "GID_ops@@@canary", username=username, password=Secret(password))
        trust = [self._sandbox.certificates.root_pem, self._authority.pem]
        return PahoCanary(device, trust, timedelta(seconds=_PATIENCE))

    @contextlib.contextmanager
    def _connect(self, *client_ids: str) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for client_id in client_ids:
                stack.enter_context(self._online(client_id))
            yield

    @contextlib.contextmanager
    def _online(self, client_id: str) -> Iterator[None]:
        context = ssl.create_default_context(cadata=self._sandbox.certificates.root_pem)
        context.check_hostname = False
        device = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        device.tls_set_context(context)
        device.username_pw_set(*self._sandbox.canary_login(INSTANCE, client_id))
        _, address, port = self._sandbox.endpoint(INSTANCE)
        device.connect(address, port)
        device.loop_start()
        end = time.monotonic() + _PATIENCE
        while not device.is_connected():
            assert time.monotonic() < end
            time.sleep(0.01)
        try:
            yield
        finally:
            device.disconnect()
            device.loop_stop()


def _driver(clients: AccountClients) -> OpenApiSwitch:
    mutual = {"MqttInstanceId": "{instance_id}", "CertIdentifier": "{cert_identifier}"}
    calls = {
        Mode.MUTUAL: ApiCall(_ACTIONS[Mode.MUTUAL], "2020-04-20", mutual),
        Mode.ONE_WAY: ApiCall(_ACTIONS[Mode.ONE_WAY], "2020-04-20", {"MqttInstanceId": "{instance_id}"}),
    }
    return OpenApiSwitch(clients, calls)


def _private(made: Made) -> str:
    return made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
