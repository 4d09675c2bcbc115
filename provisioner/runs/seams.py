"""The ports that a run on one instance works through, wired by the composition root."""

from dataclasses import dataclass

from provisioner.model.instance import EndpointState, Mode
from provisioner.ports import (
    Backoffs,
    Canary,
    CertificateIssuer,
    CertificateReader,
    Clock,
    DeviceCAs,
    EndpointSwitch,
    EventSink,
    History,
    Holds,
    HostedCertificates,
    Instances,
    Intents,
    KeyStore,
    Leaves,
    Locks,
    Rehearsal,
    Resolver,
    Sessions,
    WireProbe,
)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a run looks through; nothing here changes anything outside."""

    hosted: HostedCertificates
    instances: Instances
    device_cas: DeviceCAs
    sessions: Sessions
    resolver: Resolver
    probe: WireProbe
    canary: Canary | None
    issuer: CertificateIssuer
    key_store: KeyStore
    reader: CertificateReader
    rehearsal: Rehearsal
    clock: Clock


@dataclass(frozen=True, slots=True)
class Records:
    """What a run writes down."""

    intents: Intents
    holds: Holds
    history: History
    locks: Locks
    leaves: Leaves
    backoffs: Backoffs
    events: EventSink


@dataclass(frozen=True, slots=True)
class Seams:
    """Everything a run on one instance needs; ``rotating`` is the driver that changes certificates in mutual mode."""

    reads: Reads
    records: Records
    switch: EndpointSwitch
    rotating: EndpointSwitch | None = None

    def driver(self, target: EndpointState, before: EndpointState | None) -> EndpointSwitch:
        """Return the driver for a change: the rotating one where the endpoint is in mutual mode and stays in it.

        Args:
            target: what is asked for.
            before: the state now, None when it is down or mixed.
        """
        stays = target.mode is Mode.MUTUAL and (before is None or before.mode is Mode.MUTUAL)
        return self.rotating if self.rotating is not None and stays else self.switch
