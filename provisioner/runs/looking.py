"""Looking at the wire: one reading over all addresses of an endpoint."""

from collections.abc import Callable, Collection
from dataclasses import replace
from threading import Thread
from typing import TypeVar

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint, EndpointState, Mode
from provisioner.model.reading import CanaryResult, Reading
from provisioner.planning.wire import Look, View, judged, view
from provisioner.runs.seams import Reads

T = TypeVar("T")

_LOOKS = 3
_PAUSE = 1.0


class Looker:
    """Takes readings of one endpoint, on fresh connections to every address, resolved anew each time."""

    def __init__(self, endpoint: Endpoint, reads: Reads) -> None:
        self._endpoint = endpoint
        self._reads = reads

    def look(self) -> Reading:
        """Return what clients without certificate meet now."""
        try:
            addresses = self._reads.resolver.resolve(self._endpoint)
        except UnresolvedError as error:
            return Reading(self._reads.clock.now(), (), unresolved=error.message)
        probe = self._reads.probe.probe
        seen = _at_once(lambda address: probe(self._endpoint, address), addresses)
        return Reading(self._reads.clock.now(), tuple(seen))

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


def _at_once(call: Callable[[str], T], addresses: Collection[str]) -> list[T]:
    """Call for every address at once and return the answers in order.

    Daemon threads, because an interrupted process must not wait for silent addresses.
    """
    if len(addresses) == 1:
        return [call(address) for address in addresses]
    answers: dict[str, T] = {}

    def keep(address: str) -> None:
        answers[address] = call(address)

    threads = [Thread(target=keep, args=(address,), name="probe", daemon=True) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[address] for address in addresses]
