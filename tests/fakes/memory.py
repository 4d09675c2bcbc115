"""Records and hosted certificates in memory, for tests of runs."""

import os
import ssl
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from provisioner.errors import (
    BusyError,
    NameTakenError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnansweredError,
)
from provisioner.model.certificate import HostedCertificate, Leaf
from provisioner.model.event import Event
from provisioner.model.instance import EndpointState
from provisioner.model.intent import Backoff, Hold, Intent
from provisioner.model.outcome import InstanceResult
from provisioner.model.secret import Secret
from provisioner.ports import Clock
from tests.fakes.pki import FakePki

_LONGEST_NAME = 63


class MemoryRecords:
    """Implements ``Intents``, ``Holds``, ``History`` and ``Locks`` through its attributes; survives runs."""

    def __init__(self, clock: Clock) -> None:
        self.intents = MemoryIntents()
        self.holds = MemoryHolds()
        self.history = MemoryHistory()
        self.locks = MemoryLocks(clock)
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

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.held: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._asked: dict[str, tuple[str, str]] = {}

    @contextmanager
    def hold(self, instance: str, run: str, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the instance."""
        end = self._clock.monotonic() + wait
        while instance in self.held:
            if self._clock.monotonic() >= end:
                raise BusyError(f"{instance}: held by {self._notes[instance]}; nothing was changed")
            self._clock.sleep(0.2)
        self.held[instance] = run
        self._notes[instance] = f"run {run} (process {os.getpid()}) since {self._clock.now():%Y-%m-%d %H:%M:%S} UTC"
        if self._asked.get(instance, ("", ""))[0] != run:
            self._asked.pop(instance, None)
        try:
            yield
        finally:
            del self.held[instance]

    def ask_to_stop(self, instance: str, by_run: str) -> None:
        """Ask the holder to stop."""
        if instance in self.held:
            self._asked[instance] = self.held[instance], by_run

    def stop_asked(self, instance: str, run: str) -> str | None:
        """Return who asks the run to stop."""
        holder, by_run = self._asked.get(instance, ("", ""))
        return by_run if holder == run else None


class MemoryHosting:
    """Implements ``HostedCertificates`` and ``CertificateRemoval``.

    Attributes:
        kept: what is hosted.
        uploads: the names of the uploads that landed.
        calls: the listings so far.
    """

    def __init__(self, pki: FakePki) -> None:
        self._pki = pki
        self.kept: list[HostedCertificate] = []
        self.uploads: list[str] = []
        self.calls: list[str] = []
        self._next = 1000
        self._sent: dict[int, tuple[str, str, str]] = {}
        self._troubles: dict[str, list[str]] = defaultdict(list)

    def arm(self, trouble: str, action: str = "UploadUserCertificate", times: int = 1) -> None:
        """Let the next calls of an action be ``lost_answer``, ``lost_request`` or ``throttled``."""
        self._troubles[action] += [trouble] * times

    def find(self, name_prefix: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of a prefix."""
        return tuple(item for item in self._listed() if item.name.startswith(name_prefix) and item.status != "revoked")

    def find_after_name_taken(self, name: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of a name."""
        return tuple(item for item in self._listed() if item.name == name)

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return one hosted certificate."""
        lost = self._enter("GetUserCertificateDetail")
        found = next((item for item in self.kept if item.identifier == identifier), None)
        _leave("GetUserCertificateDetail", lost=lost)
        return None if found is None else self._detail(found)

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Keep a certificate, or do what the trouble says."""
        action = "UploadUserCertificate"
        lost = self._enter(action)
        leaf = self._pki.known[ssl.PEM_cert_to_DER_cert(_first(chain_pem))]
        self._require_good(name, leaf, chain_pem, private_key)
        sent = next((item.id for item in self.kept if self._sent.get(item.id) == (token, name, chain_pem)), None)
        if sent is None:
            if any(item.name == name for item in self.kept):
                raise NameTakenError(action, action=action, code="NameRepeat")
            self.uploads.append(name)
            sent = int(self.put(name, leaf, tagged=True).partition("-")[0])
            self._sent[sent] = token, name, chain_pem
        _leave(action, lost=lost)
        return sent

    def read_back(self, number: int) -> HostedCertificate:
        """Return one hosted certificate."""
        action = "GetUserCertificateDetail"
        lost = self._enter(action)
        found = next((item for item in self.kept if item.id == number), None)
        if found is None:
            raise NotFoundError(action, action=action, code="NotFound")
        _leave(action, lost=lost)
        return self._detail(found)

    def delete(self, number: int) -> None:
        """Delete one hosted certificate."""
        lost = self._enter("DeleteUserCertificate")
        self.kept[:] = [item for item in self.kept if item.id != number]
        _leave("DeleteUserCertificate", lost=lost)

    def put(self, name: str, leaf: Leaf, *, tagged: bool = False) -> str:
        """Keep a certificate, without a call, and return its identifier."""
        number = self._next = max([self._next, *(item.id + 1 for item in self.kept)])
        self._next += 1
        self.kept.append(
            HostedCertificate(
                id=number,
                name=name,
                identifier=f"{number}-cn-hangzhou",
                sha256=leaf.sha256,
                sha1=None,
                serial=leaf.serial,
                issuer=leaf.issuer.removeprefix("CN="),
                common_name=(leaf.name and leaf.name.common_name) or "",
                dns_names=leaf.dns_names,
                key=leaf.key.replace("ec-p", "ecc-"),
                not_before=leaf.not_before,
                not_after=leaf.not_after,
                status="issued",
                tagged=tagged,
            )
        )
        return f"{number}-cn-hangzhou"

    def use(self, identifier: str, product: str) -> None:
        """Let a cloud product use a hosted certificate."""
        self._change(identifier, products=(product,))

    def revoke(self, identifier: str) -> None:
        """Let a certificate be revoked."""
        self._change(identifier, status="revoked")

    def _change(self, identifier: str, **changes: object) -> None:
        self.kept[:] = [replace(item, **changes) if item.identifier == identifier else item for item in self.kept]  # type: ignore[arg-type]

    def _listed(self) -> list[HostedCertificate]:
        self.calls.append("ListCertificates")
        lost = self._enter("ListCertificates")
        _leave("ListCertificates", lost=lost)
        return [replace(item, status=self._status(item), tagged=False) for item in self.kept]

    def _detail(self, item: HostedCertificate) -> HostedCertificate:
        status = "expired" if self._status(item) == "expired" else "issued"
        return replace(item, status=status, key=None, products=())

    def _status(self, item: HostedCertificate) -> str:
        left = item.not_after - self._pki.now() if item.not_after else timedelta.max
        if item.status != "issued" or left >= timedelta(days=30):
            return item.status
        return "willExpire" if left > timedelta(0) else "expired"

    def _require_good(self, name: str, leaf: Leaf, chain_pem: str, private_key: Secret) -> None:
        code = ""
        if len(name) > _LONGEST_NAME:
            code = "DataTooLongException"
        elif not self._pki.belongs(private_key, chain_pem):
            code = "ParseCertificateFailed"
        elif leaf.not_after <= self._pki.now():
            code = "CertificateExpired"
        if code:
            raise RejectedError(code, action="UploadUserCertificate", code=code)

    def _enter(self, action: str) -> bool:
        trouble = self._troubles[action].pop(0) if self._troubles[action] else ""
        if trouble == "throttled":
            raise ThrottledError(action, action=action)
        if trouble == "lost_request":
            raise UnansweredError(action, action=action)
        return trouble == "lost_answer"


def _leave(action: str, *, lost: bool) -> None:
    if lost:
        raise UnansweredError(action, action=action)


def _first(chain_pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return chain_pem[: chain_pem.index(end) + len(end)]
