"""The ports that a run on one instance works through, wired by the composition root."""

from dataclasses import dataclass

from provisioner.ports import (
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
    Locks,
    Resolver,
    WireProbe,
)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a run looks through; nothing here changes anything outside."""

    hosted: HostedCertificates
    instances: Instances
    device_cas: DeviceCAs
    resolver: Resolver
    probe: WireProbe
    canary: Canary | None
    issuer: CertificateIssuer
    key_store: KeyStore
    reader: CertificateReader
    clock: Clock


@dataclass(frozen=True, slots=True)
class Records:
    """What a run writes down."""

    intents: Intents
    holds: Holds
    history: History
    locks: Locks
    events: EventSink


@dataclass(frozen=True, slots=True)
class Seams:
    """Everything a run on one instance needs."""

    reads: Reads
    records: Records
    switch: EndpointSwitch
