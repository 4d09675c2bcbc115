"""A world with one instance on a pretended clock: its directory, its endpoint, and what requests do to it."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from provisioner.errors import (
    DeniedError,
    NotFoundError,
    RejectedError,
    ServiceError,
    ThrottledError,
    UnansweredError,
    UnresolvedError,
)
from provisioner.model.instance import (
    DeviceCA,
    Edition,
    Endpoint,
    EndpointState,
    Instance,
    Mode,
    NameRecord,
    Status,
)
from provisioner.model.reading import (
    AddressReading,
    CanaryResult,
    CanaryVerdict,
    Control,
    ControlEnd,
    ControlResult,
    Required,
    Stage,
)
from tests.fakes.clock import FakeClock

ALIBABA = b"the default certificate"
ADDRESS = "192.0.2.10"
INSTANCE = "mqtt-1"
CANARY = b"the canary's certificate"
DEVICE_CA = DeviceCA(
    "01",
    "devices",
    active=True,
    valid_from=None,
    valid_until=None,
    certificate_pem=ssl.DER_cert_to_PEM_cert(b"the devices' CA"),
)


@dataclass(slots=True)
class Shown:
    """What the endpoint shows: the certificate, the demand, and whether devices get in."""

    der: bytes
    mutual: bool
    asks: bool = False
    devices_accepted: bool = True
    up: bool = True
    any_certificate: bool = False


@dataclass(slots=True)
class World:
    """Implements ``EndpointSwitch``, ``Resolver``, ``WireProbe``, ``Canary``, beside ``Directory`` and ``Registry``.

    ``effects`` says what the next requests do, one each: ``works``, ``dead``, ``wrong_leaf``, ``anonymous``,
    ``devices_refused``, ``no_effect``, ``reverts``, ``stuck``, ``rejected``, ``throttled``, ``lost_answer``,
    ``lost_request``; then everything works.

    A request is acted on ``delay`` seconds after it was accepted; ``busy_at_once`` shows in the status until then.
    ``tells`` is whether the status shows a restart.
    ``elsewhere`` says what single addresses show instead: another state, or ``silent``, ``unreachable``, ``no_mqtt``;
    ``glitches`` what the next probes meet, one each; ``unresolved`` how many of the next resolutions fail.
    ``device_verdicts`` says how device sessions end in a mode.

    ``backends`` stand behind a balancer that takes them in turn, each connection the next one: a state, a word as in
    ``elsewhere``, or None for what the endpoint shows. ``alerts`` is whether refused clients get an alert;
    ``drops_logins`` whether a CONNECT without login is answered by a close.
    """

    clock: FakeClock
    certificates: dict[str, bytes]
    sha256: Callable[[bytes], str]
    restart: float = 60.0
    delay: float = 0.0
    busy_at_once: bool = False
    tells: bool = True
    attended: bool = False
    edition: int = Edition.PLATINUM
    status: int = Status.IN_SERVICE
    shown: Shown = field(default_factory=lambda: Shown(ALIBABA, mutual=False))
    effects: list[str] = field(default_factory=list)
    requests: list[EndpointState] = field(default_factory=list)
    restarts: int = 0
    calls: list[str] = field(default_factory=list)
    device_cas: tuple[DeviceCA, ...] = (DEVICE_CA,)
    device_cas_error: ServiceError | None = None
    canary_certificate_active: bool | ServiceError | None = None
    directory_error: ServiceError | None = None
    on_request: Callable[[], None] | None = None
    names: dict[str, NameRecord] = field(default_factory=dict)
    mapping: dict[str, bytes] = field(default_factory=dict)
    online_clients: set[str] = field(default_factory=set)
    sessions_error: ServiceError | None = None
    addresses: tuple[str, ...] = (ADDRESS,)
    elsewhere: dict[str, Shown | str] = field(default_factory=dict)
    glitches: list[str] = field(default_factory=list)
    unresolved: int = 0
    device_verdicts: dict[Mode, CanaryVerdict] = field(default_factory=dict)
    backends: "list[Shown | str | None]" = field(default_factory=list)
    alerts: bool = True
    drops_logins: bool = False
    _turn: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _accepted: tuple[float, EndpointState, str] | None = None
    _ready_at: float | None = None
    _next: tuple[Shown, int] | None = None

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Do what the next effect says."""
        self.move()
        assert self.attended or self.status == Status.IN_SERVICE
        self.calls.append("switch")
        if self.on_request is not None:
            self.on_request()
        if self.attended:
            self.requests.append(target)
            return ("click here",)
        _require_instance(instance_id)
        self.require_hosted(target)
        effect = self.effects.pop(0) if self.effects else "works"
        if effect == "throttled":
            raise ThrottledError("later", action="Switch", code="FlowControlError")
        if effect == "rejected":
            raise RejectedError("no", action="Switch", code="InvalidParameter")
        self.requests.append(target)
        if effect != "lost_request":
            self._accept(target, effect)
        if effect in {"lost_answer", "lost_request"}:
            raise UnansweredError("Switch: no answer", action="Switch")
        return ()

    def require_hosted(self, target: EndpointState) -> None:
        """Reject a state whose certificate is not hosted."""
        try:
            _ = target.mode is Mode.ONE_WAY or self.certificates[target.identifier or ""]
        except KeyError:
            raise RejectedError("no", action="Switch", code="CertificateNotFound") from None

    def alone(self) -> "Alone":
        """Return a driver for the same endpoint that needs nobody."""
        return Alone(self)

    def _accept(self, target: EndpointState, effect: str) -> None:
        if not self.delay or effect == "no_effect":
            self.act(target, effect)
            return
        self._accepted = (self.clock.monotonic() + self.delay, target, effect)
        self.status = Status.UPGRADING if self.busy_at_once else self.status

    def act(self, target: EndpointState, effect: str = "works", since: float | None = None) -> None:
        """Let the endpoint restart, from now on or since a while, into what the effect makes of the target."""
        if effect == "no_effect":
            return
        wanted = Shown(ALIBABA, mutual=False)
        if target.mode is Mode.MUTUAL:
            wanted = Shown(self.certificates[target.identifier or ""], mutual=True, asks=True)
        after = {
            "dead": Shown(wanted.der, wanted.mutual, up=False),
            "stuck": Shown(wanted.der, wanted.mutual, up=False),
            "wrong_leaf": Shown(ALIBABA, mutual=True, asks=True),
            "anonymous": Shown(wanted.der, mutual=False, asks=True),
            "devices_refused": Shown(wanted.der, wanted.mutual, wanted.asks, devices_accepted=False),
            "reverts": self.shown,
        }.get(effect, wanted)
        self.restarts += 1
        self.status = Status.UPGRADING if self.tells else self.status
        self.shown = Shown(self.shown.der, self.shown.mutual, up=False)
        self._next = (after, Status.UPGRADING if effect == "stuck" else Status.IN_SERVICE)
        self._ready_at = (self.clock.monotonic() if since is None else since) + self.restart

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses."""
        if self.unresolved:
            self.unresolved -= 1
            raise UnresolvedError(f"{endpoint.host}: no address: temporary failure; nothing was changed")
        return tuple(sorted(self.addresses, key=lambda item: (ip_address(item).version, item)))

    def look_up(self, name: str) -> NameRecord | None:
        """Return what the DNS says."""
        return self.names.get(name)

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Return what a client without certificate meets."""
        with self._lock:
            self.move()
            shown = self.glitches.pop(0) if self.glitches else self.meet(address)
        if shown == "silent":
            return AddressReading(address, Stage.CONNECT, timed_out=True, failure="no answer in time")
        if shown == "no_mqtt":
            return AddressReading(address, Stage.MQTT, leaf_sha256=self.sha256(ALIBABA), chain=(ALIBABA,), asked=False)
        if isinstance(shown, str) or not shown.up:
            return AddressReading(address, Stage.CONNECT, failure="connection refused")
        der = self.mapping.get(endpoint.host, shown.der) if shown.mutual else shown.der
        return AddressReading(
            address,
            Stage.HANDSHAKE if shown.mutual else Stage.MQTT if self.drops_logins else Stage.ANSWERED,
            failure="closed" if self.drops_logins and not shown.mutual else "",
            tls_version="TLSv1.2",
            leaf_sha256=self.sha256(der),
            chain=(der,),
            chain_complete=True,
            asked=shown.asks,
            required=self._required(shown),
            connack=None if shown.mutual or self.drops_logins else 5,
        )

    def meet(self, address: str = ADDRESS) -> "Shown | str":
        """Return what the next connection to an address meets."""
        shown = self.elsewhere.get(address, self.shown)
        if not self.backends or shown is not self.shown:
            return shown
        self._turn += 1
        return self.backends[self._turn % len(self.backends)] or shown

    def _required(self, shown: Shown) -> Required:
        if not shown.mutual:
            return Required.UNKNOWN if shown.asks and self.drops_logins else Required.NO
        return Required.YES if self.alerts else Required.LIKELY

    @property
    def chain_pem(self) -> str:
        """The canary's certificate."""
        return ssl.DER_cert_to_PEM_cert(CANARY)

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Return how a device session ends."""
        self.move()
        shown = self.meet(address)
        if shown == "silent":
            return CanaryResult(address, CanaryVerdict.UNREACHABLE, "no answer in time")
        if isinstance(shown, str) or not shown.up:
            return CanaryResult(address, CanaryVerdict.CUT_OFF, "connection refused")
        mode = Mode.MUTUAL if shown.mutual else Mode.ONE_WAY
        accepted = CanaryVerdict.ACCEPTED if shown.devices_accepted else CanaryVerdict.REFUSED_BY_TLS
        verdict = self.device_verdicts.get(mode, accepted)
        return CanaryResult(address, verdict, verdict.value, leaf_sha256=self.sha256(shown.der))

    def online(self, region: str, instance_id: str, client_ids: tuple[str, ...]) -> frozenset[str]:
        """Return which clients are online: none while the endpoint is down."""
        self.move()
        self.calls.append("BatchQuerySessionByClientIds")
        if self.sessions_error is not None:
            raise self.sessions_error
        _require_instance(instance_id)
        return frozenset(self.online_clients & set(client_ids)) if self.shown.up else frozenset()

    def move(self) -> None:
        """Let what is due by now happen."""
        if self._accepted is not None and self.clock.monotonic() >= self._accepted[0]:
            (since, target, effect), self._accepted = self._accepted, None
            self.act(target, effect, since)
        if self._ready_at is not None and self.clock.monotonic() >= self._ready_at and self._next is not None:
            (self.shown, self.status), self._ready_at, self._next = self._next, None, None


class Strangers:
    """Implements ``Controls`` for the world's endpoint."""

    def __init__(self, world: World) -> None:
        self._world = world

    def attempt(self, endpoint: Endpoint, address: str, control: Control, leaf_sha256: str) -> ControlResult:
        """Return how a client ends that should be refused."""
        world = self._world
        world.move()
        shown = world.meet(address)
        if isinstance(shown, str) or not shown.up:
            return ControlResult(address, control, ControlEnd.UNREACHABLE, "connection refused", with_login=True)
        served = world.sha256(shown.der)
        let_in = not shown.mutual or (control is Control.UNKNOWN_CERTIFICATE and shown.any_certificate)
        end = ControlEnd.ALERT if world.alerts else ControlEnd.CLOSED_EARLY
        if served != leaf_sha256:
            end = ControlEnd.OTHER_LEAF
        elif let_in:
            end = ControlEnd.LET_IN
        return ControlResult(
            address, control, end, end.value, with_login=True, leaf_sha256=served, asked=shown.mutual or shown.asks
        )


class Alone:
    """Implements ``EndpointSwitch`` for the world, whether or not the world's own driver needs a person."""

    attended = False

    def __init__(self, world: World) -> None:
        self._world = world

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Let the endpoint restart into what is asked for."""
        if target.mode is not Mode.MUTUAL or not target.identifier:
            raise RejectedError("no", action="SetSniConfig")
        _require_instance(instance_id)
        if not self._world.shown.mutual:
            raise DeniedError("no", action="SetSniConfig", code="InstancePermissionCheckFailed")
        self._world.require_hosted(target)
        self._world.requests.append(target)
        effect = self._world.effects.pop(0) if self._world.effects else "works"
        if effect != "no_effect":
            certificates = self._world.certificates
            self._world.mapping = {item.domain: certificates[item.identifier or ""] for item in target.domains}
        self._world.act(target, effect)
        return ()


class Directory:
    """Implements ``Instances`` for the world's one instance."""

    def __init__(self, world: World) -> None:
        self._world = world

    def list(self, region: str) -> tuple[Instance, ...]:
        """Return the one instance of the directory."""
        self._world.move()
        self._world.calls.append("ListInstances")
        if self._world.directory_error is not None:
            raise self._world.directory_error
        return (Instance(INSTANCE, "one", region, self._world.edition, self._world.status),)


class Registry:
    """Implements ``DeviceCAs`` for the world's one instance."""

    def __init__(self, world: World) -> None:
        self._world = world

    def list(self, region: str, instance_id: str) -> tuple[DeviceCA, ...]:
        """Return the registered device CAs, or raise the error that the world wants."""
        self._world.calls.append("ListCaCertificate")
        if self._world.device_cas_error is not None:
            raise self._world.device_cas_error
        return self._world.device_cas

    def device_certificate_active(
        self, region: str, instance_id: str, ca_serial: str, device_serial: str
    ) -> bool | None:
        """Return what the world says of the canary's certificate, or raise it."""
        self._world.calls.append("ListDeviceCertificateByCaSn")
        if isinstance(self._world.canary_certificate_active, ServiceError):
            raise self._world.canary_certificate_active
        return self._world.canary_certificate_active


def _require_instance(instance_id: str) -> None:
    if instance_id != INSTANCE:
        raise NotFoundError("no", code="MqttInstanceNotFound")
