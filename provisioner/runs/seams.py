"""The ports that a run on one instance works through, wired by the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom

from provisioner.model.instance import EndpointState, Mode
from provisioner.ports import (
    Aliases,
    Backoffs,
    Canary,
    CertificateIssuer,
    CertificateReader,
    Clock,
    Controls,
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
class Source:
    """Where one certificate comes from, and how it is rehearsed: by whom clients trust it."""

    issuer: CertificateIssuer
    rehearsal: Rehearsal


@dataclass(frozen=True, slots=True)
class Reads:
    """What a run looks through; nothing here changes anything outside.

    ``issuer`` and ``rehearsal`` are those of the endpoint's own certificate, ``sources`` those of mapped domains.
    ``chance`` is where random numbers come from.
    """

    hosted: HostedCertificates
    instances: Instances
    device_cas: DeviceCAs
    sessions: Sessions
    resolver: Resolver
    aliases: Aliases
    probe: WireProbe
    canary: Canary | None
    controls: Controls
    issuer: CertificateIssuer
    key_store: KeyStore
    reader: CertificateReader
    rehearsal: Rehearsal
    clock: Clock
    sources: Mapping[str, Source] = field(default_factory=dict)
    chance: Random = field(default_factory=SystemRandom)

    def source(self, certificate: str) -> Source:
        """Return where a certificate comes from."""
        return self.sources.get(certificate) or Source(self.issuer, self.rehearsal)


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
