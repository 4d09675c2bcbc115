"""Reading the wire: fresh connections of several kinds to every address of an endpoint."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from random import Random

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.reading import (
    AddressReading,
    CanaryResult,
    CanaryVerdict,
    Control,
    ControlResult,
    DomainReading,
    Reading,
)
from provisioner.planning.endpoint_view import answering, judged, undecided_leaf, view
from provisioner.planning.wire_state import Look, View
from provisioner.planning.wire_words import describe_change
from provisioner.runs.at_once import at_once
from provisioner.runs.seams import Reads

_LOOKS = 3
_PAUSE = 1.0
_FEW = 3


class Looker:
    """Takes readings of one endpoint, on fresh connections to every address.

    Names are resolved anew each time. Every address that belonged to the name since the looker was made is looked at,
    for clients remember addresses; one that left the name and no longer answers is not told of.

    A reading makes a random number of connections to each address. A balancer that takes its backends in turn would
    else show the same backend to the same kind of client in each reading (measured: a probe and a canary, and a stale
    backend that only the canary met).

    Args:
        endpoint: the endpoint.
        reads: the ports.
        domains: mapped domains, which are asked for by SNI at the same addresses.
        connections: how many connections a reading makes to one address on average.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        reads: Reads,
        domains: Collection[str] = (),
        connections: int = 12,
    ) -> None:
        self._endpoint = endpoint
        self._reads = reads
        self._domains = tuple(domains)
        self._connections = connections
        self._chance = reads.chance
        self._met: dict[str, None] = {}
        self._unanswered: frozenset[str] = frozenset()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that belonged to the name so far."""
        return tuple(self._met)

    def remember(self, addresses: Collection[str]) -> None:
        """Look at these addresses too: they belonged to the name in an earlier run of the same change."""
        self._met.update(dict.fromkeys(addresses))

    def look(self, *, few: bool = False) -> Reading:
        """Return what clients without certificate meet now.

        Args:
            few: make one to three connections to each address, where no change is expected yet.
        """
        try:
            resolved = self._reads.resolver.resolve(self._endpoint)
        except UnresolvedError as error:
            return Reading(self._reads.clock.now(), (), unresolved=error.message.removesuffix("; nothing was changed"))
        self.remember(resolved)
        places = [
            (self._endpoint, address)
            for address in self._met
            for _ in range(self._number(few=few or address in self._unanswered))  # time-outs would add up
        ]
        places += [
            (replace(self._endpoint, host=domain), address)
            for domain in self._domains
            for address in resolved
            for _ in range(self._number(few=True))
        ]
        self._chance.shuffle(places)
        seen = at_once(lambda place: (place[0].host, self._reads.probe.probe(*place)), places)
        own = _of(seen, self._endpoint.host, self.addresses)
        self._unanswered = frozenset(self._met) - answering(own)
        return Reading(
            self._reads.clock.now(),
            tuple(item for item in own if item.address in resolved or item.address not in self._unanswered),
            domains=tuple(DomainReading(domain, _of(seen, domain, resolved)) for domain in self._domains),
        )

    def look_well(self, left_out: Collection[str] = ()) -> Reading:
        """Return a reading that one lost packet does not spoil: looks again while an address shows no state.

        Args:
            left_out: addresses of which none is expected.
        """
        reading = self._decided(self.look(), left_out)
        for _ in range(_LOOKS - 1):
            if view(reading, left_out).look is Look.UP:
                break
            self._reads.clock.sleep(_PAUSE)
            reading = self._decided(self.look(), left_out)
        return reading

    def look_for(
        self,
        wanted: EndpointState,
        before: EndpointState | None,
        left_out: Collection[str],
        *,
        few: bool = False,
    ) -> tuple[Reading, View]:
        """Return a reading and what it shows; canary and controls go along where the wanted state is seen.

        In one-way mode they don't: what is served there is not ours, and a client without certificate shows enough,
        unless the broker drops it for want of a login.

        Args:
            wanted: the state whose verification is under way.
            before: the state before the request, for the words.
            left_out: addresses that are judged only once they answer.
            few: make few connections.
        """
        describe = describe_change(wanted, before)
        reading = self.look(few=few)
        seen = view(reading, left_out, describe)
        undecided = undecided_leaf(reading, left_out)
        if wanted.mode is Mode.ONE_WAY:
            more = self._decided(reading, left_out)
        elif undecided == wanted.leaf or (seen.state is not None and seen.state.matches(wanted)):
            more = self._with_sessions(reading, left_out, wanted.leaf, undecided=undecided is not None)
        else:
            more = reading
        return more, seen if more is reading else view(more, left_out, describe)

    def try_canary(self, addresses: Collection[str]) -> tuple[CanaryResult, ...]:
        """Return the canary's session at each address, nothing when none is configured."""
        canary = self._reads.canary
        if canary is None:
            return ()
        return tuple(canary.attempt(self._endpoint, address) for address in addresses)

    def _number(self, *, few: bool) -> int:
        if few:
            return self._chance.randint(1, min(_FEW, self._connections))
        return number_of_connections(self._connections, self._chance)

    def _decided(self, reading: Reading, left_out: Collection[str]) -> Reading:
        """Return a reading with sessions that log in, where all probes were closed after CONNECT."""
        leaf = undecided_leaf(reading, left_out)
        if leaf is None or self._reads.canary is None:
            return reading
        return self._with_sessions(reading, left_out, leaf, undecided=True)

    def _with_sessions(
        self, reading: Reading, left_out: Collection[str], leaf: str | None, *, undecided: bool
    ) -> Reading:
        canaries: list[CanaryResult] = []
        controls: list[ControlResult] = []
        for address in dict.fromkeys(item.address for item in judged(reading, left_out)):
            times = self._chance.randint(1, 2)
            here = [item for _ in range(times) for item in self.try_canary([address])]
            canaries += here
            # The login is sent to nobody but a server that the canary has verified, on this very leaf.
            welcome = all(item.verdict is CanaryVerdict.ACCEPTED and item.leaf_sha256 == leaf for item in here)
            if leaf is not None and welcome:
                kinds = self._controls(with_canary=bool(here), undecided=undecided)
                controls += [self._reads.controls.attempt(self._endpoint, address, kind, leaf) for kind in kinds]
        return replace(reading, canaries=tuple(canaries), controls=tuple(controls))

    def _controls(self, *, with_canary: bool, undecided: bool) -> list[Control]:
        """Return the controls of one reading in a random order.

        Without a canary the probe is the control without certificate. Where probes show nothing, each control counts
        for one of them.
        """
        without = 0 if not with_canary else self._number(few=False) if undecided else 1
        kinds = [Control.NO_CERTIFICATE] * without + [Control.UNKNOWN_CERTIFICATE]
        self._chance.shuffle(kinds)
        return kinds


def number_of_connections(average: int, chance: Random) -> int:
    """Return a random number of connections, odd and even: half the average to one and a half."""
    return chance.randint(average // 2 + 1, average + average // 2)


def _of(
    seen: Sequence[tuple[str, AddressReading]], host: str, addresses: Collection[str]
) -> tuple[AddressReading, ...]:
    """Return the probes of one name in the order of the addresses."""
    return tuple(item for address in addresses for name, item in seen if (name, item.address) == (host, address))
