"""Looking at the wire: one reading over all addresses of an endpoint."""

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from threading import Thread
from typing import TypeVar

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.reading import CanaryResult, DomainReading, Reading
from provisioner.planning.wire import Look, View, judged, view
from provisioner.runs.seams import Reads

Q = TypeVar("Q")
T = TypeVar("T")

_LOOKS = 3
_PAUSE = 1.0


class Looker:
    """Takes readings of one endpoint, on fresh connections to every address, resolved anew each time.

    Args:
        endpoint: the endpoint.
        reads: the ports.
        domains: mapped domains, which are asked for by SNI at the same addresses.
    """

    def __init__(self, endpoint: Endpoint, reads: Reads, domains: Collection[str] = ()) -> None:
        self._endpoint = endpoint
        self._reads = reads
        self._domains = tuple(domains)

    def look(self) -> Reading:
        """Return what clients without certificate meet now."""
        try:
            addresses = self._reads.resolver.resolve(self._endpoint)
        except UnresolvedError as error:
            return Reading(self._reads.clock.now(), (), unresolved=error.message.removesuffix("; nothing was changed"))
        names = (self._endpoint, *(replace(self._endpoint, host=domain) for domain in self._domains))
        asked = [(name, address) for name in names for address in addresses]
        seen = iter(_at_once(lambda pair: self._reads.probe.probe(*pair), asked))
        own = tuple(itertools.islice(seen, len(addresses)))
        mapped = tuple(DomainReading(item, tuple(itertools.islice(seen, len(addresses)))) for item in self._domains)
        return Reading(self._reads.clock.now(), own, domains=mapped)

    def look_well(self, left_out: Collection[str] = ()) -> Reading:
        """Return a reading that one lost packet does not spoil: looks again while an address shows no state.

        Args:
            left_out: addresses of which none is expected.
        """
        reading = self.look()
        for _ in range(_LOOKS - 1):
            if view(reading, left_out).look is Look.UP:
                break
            self._reads.clock.sleep(_PAUSE)
            reading = self.look()
        return reading

    def look_for(self, wanted: EndpointState, left_out: Collection[str]) -> tuple[Reading, View]:
        """Return a reading and what it shows; the canary tries its luck only where the wanted state is seen.

        In one-way mode it doesn't: what is served there is not ours, and a client without certificate shows enough.

        Args:
            wanted: the state whose verification is under way.
            left_out: addresses that are not judged.
        """
        reading = self.look()
        seen = view(reading, left_out)
        if wanted.mode is Mode.ONE_WAY or seen.state is None or not seen.state.matches(wanted):
            return reading, seen
        addresses = [item.address for item in judged(reading, left_out)]
        reading = replace(reading, canaries=self.try_canary(addresses))
        return reading, view(reading, left_out)

    def try_canary(self, addresses: Collection[str]) -> tuple[CanaryResult, ...]:
        """Return the canary's session at each address, nothing when none is configured."""
        canary = self._reads.canary
        if canary is None:
            return ()
        return tuple(canary.attempt(self._endpoint, address) for address in addresses)


def _at_once(call: Callable[[Q], T], questions: Collection[Q]) -> list[T]:
    """Call for every question at once and return the answers in order.

    Daemon threads, because an interrupted process must not wait for silent addresses.
    """
    if len(questions) == 1:
        return [call(question) for question in questions]
    answers: dict[int, T] = {}

    def keep(place: int, question: Q) -> None:
        answers[place] = call(question)

    threads = [Thread(target=keep, args=item, name="probe", daemon=True) for item in enumerate(questions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[place] for place in range(len(questions))]
