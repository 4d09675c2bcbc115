"""Many looks at once, from one process."""

from collections.abc import Callable, Sequence

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading
from provisioner.ports import Clock, WireProbe
from provisioner.runs.at_once import at_once

_TOLD_EVERY = 3.0


def look_often(
    probe: WireProbe,
    target: Endpoint,
    addresses: Sequence[str],
    looks: int,
    *,
    clock: Clock,
    tell: Callable[[int, int], None],
) -> dict[str, list[AddressReading]]:
    """Return so many readings of each address, taken a few at once.

    Args:
        probe: shared by the threads.
        target: the endpoint.
        addresses: each is looked at as often as all others.
        looks: how often.
        clock: for how long it has taken.
        tell: is told every few seconds how many looks of how many are over.
    """
    places = [address for _ in range(looks) for address in addresses]
    told = clock.monotonic()

    def waiting(over: int) -> float:
        """Tell how far it is when it is time, also while readings keep coming."""
        nonlocal told
        now = clock.monotonic()
        if now - told >= _TOLD_EVERY:
            tell(over, len(places))
            told = now
        return told + _TOLD_EVERY - now

    found: dict[str, list[AddressReading]] = {address: [] for address in addresses}
    for reading in at_once(lambda address: probe.probe(target, address), places, waiting):
        found[reading.address].append(reading)
    return found
