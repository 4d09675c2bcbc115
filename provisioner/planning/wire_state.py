"""What connections to an endpoint met, as values."""

from dataclasses import dataclass
from enum import StrEnum

from provisioner.model.instance import EndpointState, MappedState, Mode


class Look(StrEnum):
    """What the connections of one reading show together.

    ``silent``: nothing but time-outs stands against a clear picture, so a count pauses.
    """

    UP = "up"
    MIXED = "mixed"
    DOWN = "down"
    SILENT = "silent"


class Gap(StrEnum):
    """What has to be shown before a mutual endpoint is called verified, and was not."""

    DEMAND = "demand"
    UNKNOWN_CERTIFICATE = "unknown_certificate"


@dataclass(frozen=True, slots=True)
class WireState:
    """A state that all considered connections agree on.

    ``asked`` tells an endpoint that asks without requiring from one that does not ask at all. ``good_client_refused``
    is None where no canary was tried. ``domains`` are the mapped domains with the leaf that each one serves.
    ``any_certificate``: a certificate of a CA that nobody knows is let in.
    """

    mode: Mode
    leaf: str
    asked: bool
    good_client_refused: bool | None = None
    domains: tuple[tuple[str, str], ...] = ()
    any_certificate: bool = False

    def matches(self, wanted: EndpointState) -> bool:
        """Return whether this is the wanted state; in one-way mode the leaf is recorded and not compared."""
        if self.mode is not wanted.mode or self.good_client_refused or self.any_certificate:
            return False
        if wanted.mode is Mode.ONE_WAY:
            return True
        return self.leaf == wanted.leaf and self._serves(wanted.domains)

    def same_as(self, before: EndpointState | None, wanted: EndpointState) -> bool:
        """Return whether this is the state before a request for ``wanted``.

        If the leaf before is unknown, leaves are not compared. Neither is one-way's, since Alibaba may have renewed its
        own; but with the wanted leaf, a switch to mutual authentication went half the way.
        """
        if before is None or self.mode is not before.mode:
            return False
        if before.leaf in {None, self.leaf}:
            return self._serves(before.domains)
        renewed = self.leaf != wanted.leaf and not self.asked
        return self.mode is Mode.ONE_WAY and wanted.mode is Mode.MUTUAL and renewed

    def _serves(self, domains: tuple[MappedState, ...]) -> bool:
        served = dict(self.domains)
        return all(item.leaf in {None, served.get(item.domain)} for item in domains)


@dataclass(frozen=True, slots=True)
class Met:
    """What one connection met.

    Attributes:
        address: the IP address that was connected to.
        state: the state, None when it met none.
        words: why it met none, or what else it met.
        tells: this connection would have shown another state; a device that is let in shows the leaf alone.
        leaf: the leaf, where it was another one and no state was seen.
    """

    address: str
    state: WireState | None
    words: str = ""
    tells: bool = True
    leaf: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What one reading shows.

    Attributes:
        look: the kind of picture.
        state: the state when all connections agree.
        words: the same for a reader.
        met: what each connection met; silent ones are not among them.
        gaps: what was not shown of a mutual endpoint.
        devices: how many sessions of the canary were let in, and how many were not; silent ones are not among them.
        strangers: how many unknown certificates were refused, and how many let in.
        dropped: every connection was closed after CONNECT: a session that logs in could tell more.
    """

    look: Look
    state: WireState | None
    words: str
    met: tuple[Met, ...] = ()
    gaps: frozenset[Gap] = frozenset()
    dropped: bool = False
    devices: tuple[int, int] = (0, 0)
    strangers: tuple[int, int] = (0, 0)
