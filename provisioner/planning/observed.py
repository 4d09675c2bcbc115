"""What a run has seen, as one value that planning can work on."""

from dataclasses import dataclass
from datetime import datetime

from provisioner.model.certificate import AuthorityFacts, HostedCertificate, Leaf, Material
from provisioner.model.instance import DeviceCA, EndpointState, Instance
from provisioner.model.intent import Hold, Intent
from provisioner.model.reading import CanaryResult
from provisioner.planning.wire import View


@dataclass(frozen=True, slots=True)
class Served:
    """The leaf on the wire: what it says of itself, and whether the configured authority signed it."""

    leaf: Leaf
    signed: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A chain with its key in the key store, and whether the configured authority signed its leaf."""

    material: Material
    signed: bool


@dataclass(frozen=True, slots=True)
class DeviceCAs:
    """The device CAs of an instance, or why the service does not say.

    ``authority_among`` tells that the owner's CA is registered as a device CA too. ``canary_certificate`` is the
    canary's, ``canary_signers`` the serials of the registered CAs that it chains to; both None without a canary, the
    latter also where the service does not say what is registered.
    """

    registered: tuple[DeviceCA, ...] = ()
    unknown: str = ""
    authority_among: bool = False
    canary_certificate: Leaf | None = None
    canary_signers: tuple[str, ...] | None = None


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
        authority: what is known of the owner's CA.
        device_cas: who will be let in after a switch.
        canary: the canary's session before any change, None when none was tried.
        intent: the open intent.
        hold: why the instance is left alone.
    """

    at: datetime
    instance: Instance | None
    others: tuple[str, ...]
    view: View
    left_out: tuple[str, ...]
    served: Served | None
    hosted: tuple[HostedCertificate, ...]
    kept: tuple[Kept, ...]
    authority: AuthorityFacts
    device_cas: DeviceCAs
    canary: CanaryResult | None
    intent: Intent | None
    hold: Hold | None

    @property
    def state(self) -> EndpointState | None:
        """The endpoint's state as it can be gone back to, None when the wire shows none."""
        if self.view.state is None:
            return None
        hosted = hosted_copy(self.hosted, self.served.leaf) if self.served else None
        return EndpointState(self.view.state.mode, self.view.state.leaf, hosted.identifier if hosted else None)


def hosted_copy(hosted: tuple[HostedCertificate, ...], leaf: Leaf) -> HostedCertificate | None:
    """Return the hosted copy of a leaf, None when none is known to be one.

    A SHA-256 decides; a SHA-1, or a listing without fingerprints, is only taken together with the serial number and the
    first half of the SHA-256, which this tool writes into the name. No match means unknown, not absent.
    """
    for item in hosted:
        if item.sha256 is not None:
            if item.sha256 == leaf.sha256:
                return item
        elif item.serial == leaf.serial and item.name.endswith(f"-{leaf.sha256[:16]}"):
            return item
    return None
