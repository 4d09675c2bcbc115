"""Records and hosted certificates in memory, for tests of runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from provisioner.errors import BusyError, UnansweredError
from provisioner.model.certificate import HostedCertificate, Leaf
from provisioner.model.event import Event
from provisioner.model.instance import EndpointState
from provisioner.model.intent import Backoff, Hold, Intent
from provisioner.model.outcome import InstanceResult
from provisioner.model.secret import Secret
from tests.fakes.pki import FakePki


class MemoryRecords:
    """Implements ``Intents``, ``Holds``, ``History`` and ``Locks`` through its attributes; survives runs."""

    def __init__(self) -> None:
        self.intents = MemoryIntents()
        self.holds = MemoryHolds()
        self.history = MemoryHistory()
        self.locks = MemoryLocks()
        self.leaves = MemoryLeaves()
        self.backoffs = MemoryBackoffs()


class MemoryIntents:
    """Implements ``ports.Intents``."""

    def __init__(self) -> None:
        self.kept: dict[str, Intent] = {}

    def open(self, instance: str) -> Intent | None:
        """Return the open intent."""
        return self.kept.get(instance)

    def save(self, intent: Intent) -> None:
        """Write the open intent."""
        self.kept[intent.instance] = intent

    def close(self, instance: str) -> None:
        """Close the open intent."""
        self.kept.pop(instance, None)


class MemoryHolds:
    """Implements ``ports.Holds``."""

    def __init__(self) -> None:
        self.kept: dict[str, Hold] = {}

    def get(self, instance: str) -> Hold | None:
        """Return the hold."""
        return self.kept.get(instance)

    def put(self, hold: Hold) -> None:
        """Place the hold."""
        self.kept[hold.instance] = hold

    def release(self, instance: str) -> None:
        """Lift the hold."""
        self.kept.pop(instance, None)


class MemoryHistory:
    """Implements ``ports.History``."""

    def __init__(self) -> None:
        self.states: list[tuple[str, EndpointState, EndpointState | None]] = []
        self.events: list[Event] = []
        self.ended: list[InstanceResult] = []

    def begin(self, run: str, instance: str, command: str, at: datetime) -> None:
        """Record that a run began."""

    def record(self, event: Event) -> None:
        """Record one event."""
        self.events.append(event)

    def end(self, run: str, result: InstanceResult, at: datetime) -> None:
        """Record how a run ended."""
        self.ended.append(result)

    def switched(self, instance: str, state: EndpointState, previous: EndpointState | None, at: datetime) -> None:
        """Record a verified state."""
        self.states.append((instance, state, previous))

    def previous(self, instance: str) -> EndpointState | None:
        """Return the state before the latest verified one."""
        return next((before for name, _, before in reversed(self.states) if name == instance), None)

    def latest(self, instance: str) -> tuple[EndpointState, ...]:
        """Return the latest verified state and the one before it."""
        found = next(((state, before) for name, state, before in reversed(self.states) if name == instance), ())
        return tuple(state for state in found if state is not None)


class MemoryLeaves:
    """Implements ``ports.Leaves``."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self.bad: set[str] = set()

    def meet(self, sha256: str, at: datetime) -> None:
        """Record that this state works with a leaf."""
        self.met.add(sha256)

    def knows(self, sha256_begin: str) -> bool:
        """Tell whether a leaf is known."""
        return any(item.startswith(sha256_begin) for item in self.met)

    def distrust(self, sha256: str, at: datetime) -> None:
        """Record that an endpoint was taken back from a leaf."""
        self.met.add(sha256)
        self.bad.add(sha256)

    def trust(self, sha256: str) -> None:
        """Record that a leaf was verified."""
        self.bad.discard(sha256)

    def distrusted(self, sha256: str) -> bool:
        """Tell whether an endpoint was taken back from a leaf."""
        return sha256 in self.bad


class MemoryBackoffs:
    """Implements ``ports.Backoffs``."""

    def __init__(self) -> None:
        self.kept: dict[str, Backoff] = {}

    def get(self, instance: str) -> Backoff | None:
        """Return the back-off."""
        return self.kept.get(instance)

    def put(self, backoff: Backoff) -> None:
        """Place the back-off."""
        self.kept[backoff.instance] = backoff

    def clear(self, instance: str) -> None:
        """Lift the back-off."""
        self.kept.pop(instance, None)


class MemoryLocks:
    """Implements ``ports.Locks``."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.asked: dict[str, str] = {}

    @contextmanager
    def hold(self, instance: str, run: str, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the instance."""
        if instance in self.held:
            raise BusyError(f"{instance}: held by run {self.held[instance]}")
        self.held[instance] = run
        try:
            yield
        finally:
            del self.held[instance]

    def ask_to_stop(self, instance: str, by_run: str) -> None:
        """Ask the holder to stop."""
        self.asked[instance] = by_run

    def stop_asked(self, instance: str, run: str) -> str | None:
        """Return who asks the run to stop."""
        return self.asked.get(instance)


class MemoryHosting:
    """Implements ``ports.HostedCertificates``; ``trouble`` says what the next uploads do."""

    def __init__(self, pki: FakePki) -> None:
        self._pki = pki
        self.kept: list[HostedCertificate] = []
        self.uploads: list[str] = []
        self.trouble: list[str] = []
        self.calls: list[str] = []

    def find(self, name_prefix: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of a prefix."""
        self.calls.append("ListCertificates")
        return tuple(item for item in self.kept if item.name.startswith(name_prefix))

    def find_after_name_taken(self, name: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of a name."""
        return tuple(item for item in self.kept if item.name == name)

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return one hosted certificate."""
        return next((item for item in self.kept if item.identifier == identifier), None)

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Keep a certificate, or do what the trouble says."""
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "lost_request":
            raise UnansweredError("no answer", action="UploadUserCertificate")
        self.uploads.append(name)
        leaf = next(leaf for leaf in self._pki.known.values() if name.endswith(leaf.sha256[:16]))
        number = int(self.put(name, leaf).partition("-")[0])
        if trouble == "lost_answer":
            raise UnansweredError("no answer", action="UploadUserCertificate")
        return number

    def put(self, name: str, leaf: Leaf) -> str:
        """Keep a certificate and return its identifier."""
        number = 1000 + len(self.kept)
        self.kept.append(
            HostedCertificate(
                id=number,
                name=name,
                identifier=f"{number}-cn-hangzhou",
                sha256=leaf.sha256,
                sha1=None,
                serial=leaf.serial,
                issuer=leaf.issuer,
                common_name="",
                dns_names=leaf.dns_names,
                key=leaf.key,
                not_before=leaf.not_before,
                not_after=leaf.not_after,
                status="issued",
            )
        )
        return f"{number}-cn-hangzhou"

    def read_back(self, number: int) -> HostedCertificate:
        """Return one hosted certificate."""
        return next(item for item in self.kept if item.id == number)
