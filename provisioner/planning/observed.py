"""What a run has seen, as one value that planning can work on."""

from dataclasses import dataclass
from datetime import datetime

from provisioner.model.certificate import AuthorityFacts, HostedCertificate, Leaf, Material, Pinned
from provisioner.model.desired import Wanted
from provisioner.model.instance import DeviceCA, EndpointState, Instance, MappedState, NameRecord
from provisioner.model.intent import Hold, Intent
from provisioner.model.reading import CanaryResult
from provisioner.model.rehearsal import RehearsedSession
from provisioner.planning.wire_state import View

_NAMED_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Served:
    """The leaf on the wire: what it says of itself, and whether the configured authority signed it.

    ``issuers`` tells which keys signed the served chain; ``known`` whether this state has worked with the leaf before;
    ``recorded`` is the identifier of a hosted copy, under whatever name, that it was verified by and that is there.
    """

    leaf: Leaf
    signed: bool
    issuers: frozenset[str] = frozenset()
    known: bool = False
    recorded: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A chain with its key in the key store, and whether the configured authority signed its leaf.

    ``issuers`` tells which keys signed the chain.
    """

    material: Material
    signed: bool
    issuers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DeviceCAs:
    """The device CAs of an instance, or why the service does not say.

    ``authority_among`` tells that the owner's CA is registered as a device CA too. ``canary_certificate`` is the
    canary's, ``canary_signers`` the serials of the registered CAs that it chains to; both None without a canary, the
    latter also where the service does not say what is registered. ``canary_certificate_active`` is what the service
    says of the canary's certificate itself: False when it is registered and inactive, None when that is not known.
    """

    registered: tuple[DeviceCA, ...] = ()
    unknown: str = ""
    authority_among: bool = False
    canary_certificate: Leaf | None = None
    canary_signers: tuple[str, ...] | None = None
    canary_certificate_active: bool | None = None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal of one leaf: the sessions that a client had with its chain and key on loopback."""

    sha256: str
    sessions: tuple[RehearsedSession, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One name that the instance serves a certificate for: what is wanted, and what was seen of it.

    Attributes:
        host: the name that clients use.
        wanted: what its certificate should be.
        hosted_prefix: begins the names of its hosted copies.
        served: the leaf on the wire.
        hosted: hosted certificates under this tool's name for it.
        kept: what the key store has for it, newest first.
        pinned: the leaf that files or an identifier stand for.
        rehearsal: how a rehearsal of its candidate went.
    """

    host: str
    wanted: Wanted
    hosted_prefix: str
    served: Served | None
    hosted: tuple[HostedCertificate, ...]
    kept: tuple[Kept, ...]
    pinned: Pinned | None = None
    rehearsal: Rehearsed | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a plan is made from.

    Attributes:
        at: the time of day.
        instance: the directory's entry, None when it has no such id.
        others: the ids that the directory does have in that region, for the message.
        view: what the wire shows.
        left_out: addresses that are unreachable before any change; they are not judged later.
        served: the leaf on the wire, when all addresses agree on one.
        hosted: hosted certificates under this tool's name for this certificate.
        kept: what the key store has for it, newest first.
        authority: what is known of the owner's CA, None where the configuration has none.
        device_cas: who will be let in after a switch.
        canary: the canary's session before any change, None when none was tried.
        intent: the open intent.
        hold: why the instance is left alone.
        pinned: the leaf that files or an identifier stand for, None where certificates are issued here.
        rehearsal: how a rehearsal of the candidate went, None where there was none.
        strangers: identifiers of hosted certificates that would do, are not served, and that this state has never
            worked with: they may have been rolled back by a run whose state was lost.
        domains: the mapped domains.
        names: what the DNS says of the endpoint's name and of the mapped domains, where devices resolve them too.
        taken_back: an instance was taken back from the candidate, which was not verified since.
    """

    at: datetime
    instance: Instance | None
    others: tuple[str, ...]
    view: View
    left_out: tuple[str, ...]
    served: Served | None
    hosted: tuple[HostedCertificate, ...]
    kept: tuple[Kept, ...]
    authority: AuthorityFacts | None
    device_cas: DeviceCAs
    canary: CanaryResult | None
    intent: Intent | None
    hold: Hold | None
    pinned: Pinned | None = None
    rehearsal: Rehearsed | None = None
    strangers: tuple[str, ...] = ()
    taken_back: bool = False
    domains: tuple[Part, ...] = ()
    names: tuple[NameRecord, ...] = ()

    @property
    def previous_valid(self) -> bool:
        """Whether what is served could be gone back to, as far as its dates go."""
        return self.served is None or self.served.leaf.not_after > self.at

    @property
    def state(self) -> EndpointState | None:
        """The endpoint's state as it can be gone back to, None when the wire shows none."""
        if self.view.state is None:
            return None
        domains = tuple(
            MappedState(part.host, part.served.leaf.sha256, _identifier(part.served, part.hosted, part.pinned))
            for part in self.domains
            if part.served is not None
        )
        identifier = _identifier(self.served, self.hosted, self.pinned)
        return EndpointState(self.view.state.mode, self.view.state.leaf, identifier, domains)


def _identifier(served: Served | None, hosted: tuple[HostedCertificate, ...], pinned: Pinned | None) -> str | None:
    """Return the identifier of the served leaf's hosted copy, None when none is known."""
    if served is None:
        return None
    if pinned is not None and pinned.sha256 == served.leaf.sha256 and pinned.identifier:
        return pinned.identifier
    found = hosted_copy(hosted, served.leaf)
    return found.identifier if found else served.recorded


def hosted_copy(hosted: tuple[HostedCertificate, ...], leaf: Leaf) -> HostedCertificate | None:
    """Return the hosted copy of a leaf, None when none is known to be one.

    The leaf's own SHA-256 decides. Any other fingerprint, or none, says nothing: the listing's is documented as that of
    the public key. Then the serial number and the first half of the SHA-256, which this tool writes into the name, do.
    """
    for item in hosted:
        named = item.serial == leaf.serial and item.name.endswith(f"-{leaf.sha256[:_NAMED_DIGITS]}")
        if item.sha256 == leaf.sha256 or named:
            return item
    return None


def beginnings(item: HostedCertificate) -> tuple[str, ...]:
    """Return how the SHA-256 of a leaf hosted by this tool may begin: as the service tells it, and as the name does.

    They differ where the service tells the public key's; either is reason enough to leave a certificate alone.
    """
    return tuple(text for text in (item.sha256, item.name[-_NAMED_DIGITS:]) if text)
