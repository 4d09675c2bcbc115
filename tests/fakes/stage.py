"""A stage: one instance, everything around it in memory, and runs on it in pretended time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from provisioner.model.certificate import DistinguishedName, KeyType, Profile, Specification
from provisioner.model.desired import CanaryPolicy, Desired, RollbackTarget, WaitingPolicy
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.outcome import InstanceResult
from provisioner.model.plan import Plan
from provisioner.planning.checks import Permissions
from provisioner.ports import EndpointSwitch
from provisioner.runs.attempt import Attempt
from provisioner.runs.fleet import Fleet
from provisioner.runs.rollback import Rollback
from provisioner.runs.rotation import Rotation
from provisioner.runs.seams import Reads, Records, Seams
from tests.fakes.clock import FakeClock
from tests.fakes.memory import MemoryHosting, MemoryRecords
from tests.fakes.pki import FakePki
from tests.fakes.rehearsal import FakeRehearsal
from tests.fakes.world import ALIBABA, CANARY, Directory, Registry, Strangers, World

NAME = "prod"
# One connection a reading: most runs are about something else than balancers, and there are very many of them.
WAITING = WaitingPolicy(
    deadline=timedelta(minutes=30), effect_within=timedelta(minutes=12), connections=1, smallest_share=0.75
)


def specified(**changes: object) -> Specification:
    """Return what an ordinary certificate should be, with changes."""
    specification = Specification(
        name="iot",
        key=KeyType.RSA_2048,
        valid_for=timedelta(days=500),
        renew_before=timedelta(days=60),
        profile=Profile.STRICT,
        dns_names=("*.mqtt.aliyuncs.com",),
        subject=DistinguishedName(common_name="mqtt.example.com"),
    )
    return replace(specification, **changes)  # type: ignore[arg-type]


def wanted(**changes: object) -> Desired:
    """Return an ordinary desired state, with changes."""
    desired = Desired(
        name=NAME,
        id="mqtt-1",
        region="cn-hangzhou",
        endpoint=Endpoint("mqtt-1.mqtt.aliyuncs.com"),
        mode=Mode.MUTUAL,
        specification=specified(),
        hosted_prefix="provisioner-iot-",
        driver="openapi",
        on_failure=(RollbackTarget.PREVIOUS_CERTIFICATE, RollbackTarget.ONE_WAY),
        canary=CanaryPolicy(configured=True),
        waiting=WAITING,
    )
    return replace(desired, **changes)  # type: ignore[arg-type]


class Killed(BaseException):
    """Stands for kill -9: nothing of the product handles it."""


class Stage:
    """Runs commands on one instance; whatever a run leaves behind is there for the next one."""

    def __init__(self, desired: Desired | None = None, *, attended: bool = False) -> None:
        self.desired = desired or wanted()
        self.clock = FakeClock()
        self.chance = Random(1)  # noqa: S311  the same in each run
        self.pki = FakePki(self.clock)
        self.hosting = MemoryHosting(self.pki)
        self.world = World(self.clock, _Identified(self), _sha256, attended=attended)
        self.switch: EndpointSwitch = self.world
        self.rotating: EndpointSwitch | None = None
        self.rehearsal = FakeRehearsal()
        self.records = MemoryRecords(self.clock)
        self.events: list[Event] = []
        self.approved: list[Plan] = []
        self.on_event: Callable[[Event], None] | None = None
        self.pki.stranger(ALIBABA)
        self.pki.stranger(CANARY, days=3650)
        self._runs = 0

    def twin(self) -> "Stage":
        """Return another machine for the same instance, with the same authority, its key store and state empty."""
        other = Stage(self.desired)
        other.clock, other.hosting, other.world = self.clock, self.hosting, self.world
        other.switch = self.switch
        other.pki = FakePki(self.clock, twin=self.pki)
        return other

    def apply(self, **permissions: bool) -> InstanceResult:
        """Run ``apply`` and return how it ended."""
        return self._run("apply", Permissions(**permissions))[0]

    def rotate_unattended(self) -> InstanceResult:
        """Run ``rotate`` and return how it ended."""
        attempt = self._attempt("rotate", Permissions(unattended=True))
        records = self.records
        return Rotation([attempt], records.locks, records.backoffs, self.clock, attempt.journal.run).run()[0]

    def resume(self) -> tuple[InstanceResult, ...]:
        """Run ``resume`` and return how it ended."""
        return self._run("resume", Permissions(), only_open=True)

    def rollback(self, to: str | None = None) -> InstanceResult:
        """Run ``rollback`` and return how it ended."""
        attempt = self._attempt("rollback", Permissions())
        rollback = Rollback(attempt, self.seams(), to)
        return rollback.carry_out(rollback.target())

    def plan(self, **permissions: bool) -> Plan:
        """Return what ``plan`` shows."""
        return self._attempt("plan", Permissions(**permissions)).prepare()

    def kill_at(self, kind: EventKind, count: int = 1) -> None:
        """Kill the next run at its so-many-th event of a kind."""
        seen = 0

        def hear(event: Event) -> None:
            nonlocal seen
            seen += event.kind is kind
            if seen == count and event.kind is kind:
                self.on_event = None
                raise Killed

        self.on_event = hear

    def rotate(self, key: KeyType = KeyType.EC_P256) -> None:
        """Ask for another key type."""
        self.respecify(key=key)

    def respecify(self, **changes: object) -> None:
        """Ask for another certificate of the same name."""
        assert isinstance(self.desired.specification, Specification)
        specification = replace(self.desired.specification, **changes)  # type: ignore[arg-type]
        self.desired = replace(self.desired, specification=specification)

    def leaf(self) -> str:
        """Return the leaf that the endpoint shows."""
        return _sha256(self.world.shown.der)

    def told(self, kind: EventKind) -> list[str]:
        """Return the messages of one kind of event."""
        return [event.message for event in self.events if event.kind is kind]

    def seams(self) -> Seams:
        """Return the ports of one run."""
        world = self.world
        canary = world if self.desired.canary.configured else None
        reads = Reads(
            hosted=self.hosting,
            instances=Directory(world),
            device_cas=Registry(world),
            sessions=world,
            resolver=world,
            aliases=world,
            probe=world,
            canary=canary,
            controls=Strangers(world),
            issuer=self.pki,
            key_store=self.pki,
            reader=self.pki,
            rehearsal=self.rehearsal,
            clock=self.clock,
            chance=self.chance,
        )
        kept = self.records
        records = Records(kept.intents, kept.holds, kept.history, kept.locks, kept.leaves, kept.backoffs, self._hear)
        return Seams(reads, records, self.switch, self.rotating)

    def _run(self, command: str, permissions: Permissions, *, only_open: bool = False) -> tuple[InstanceResult, ...]:
        attempt = self._attempt(command, permissions)
        fleet = Fleet([attempt], self.records.locks, attempt.journal.run)
        return fleet.apply(self._approve, only_open=only_open)

    def _attempt(self, command: str, permissions: Permissions) -> Attempt:
        self._runs += 1
        return Attempt(
            self.desired, self.seams(), f"run-{self._runs}", command, permissions, resuming=command == "resume"
        )

    def _approve(self, plans: Sequence[Plan]) -> None:
        self.approved.extend(plans)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)


class _Identified(dict[str, bytes]):
    """Finds the bytes of a hosted certificate by its identifier."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def __getitem__(self, identifier: str) -> bytes:
        hosted = self._stage.hosting.by_identifier(identifier)
        if hosted is None:
            raise KeyError(identifier)
        return next(der for der in self._stage.pki.known if _sha256(der) == hosted.sha256)


def one_way() -> EndpointState:
    """Return the state out of the box."""
    return EndpointState(Mode.ONE_WAY, _sha256(ALIBABA))


def _sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()
