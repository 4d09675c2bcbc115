"""Many looks at once, from one process."""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading
from provisioner.ports import Clock, WireProbe

_AT_ONCE = 8
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
    """Return so many readings of each address, taken a few at once, whose order means nothing.

    The threads are daemons, and the caller's thread waits on a queue: Ctrl-C ends the wait at once, and a process that
    ends waits for none of them.

    Args:
        probe: shared by the threads.
        target: the endpoint.
        addresses: each is looked at as often as all others.
        looks: how often.
        clock: for how long it has taken.
        tell: is told every few seconds how many looks of how many are over.
    """
    todo: SimpleQueue[str] = SimpleQueue()
    for address in [item for _ in range(looks) for item in addresses]:
        todo.put(address)
    total = todo.qsize()
    seen: SimpleQueue[AddressReading | BaseException] = SimpleQueue()
    told = clock.monotonic()
    for number in range(min(_AT_ONCE, total)):
        Thread(target=_look, args=(probe, target, todo, seen), name=f"look-{number}", daemon=True).start()
    found: dict[str, list[AddressReading]] = {address: [] for address in addresses}
    for over in range(total):
        while (reading := _next(seen, told + _TOLD_EVERY - clock.monotonic())) is None:
            tell(over, total)
            told = clock.monotonic()
        if isinstance(reading, BaseException):
            raise reading
        found[reading.address].append(reading)
    return found


def _look(
    probe: WireProbe, target: Endpoint, todo: SimpleQueue[str], seen: SimpleQueue[AddressReading | BaseException]
) -> None:
    while True:
        try:
            address = todo.get_nowait()
        except Empty:
            return
        try:
            seen.put(probe.probe(target, address))
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            seen.put(error)


def _next(seen: SimpleQueue[AddressReading | BaseException], seconds: float) -> AddressReading | BaseException | None:
    """Return the next reading, None when it is time to tell how far it is, also while readings keep coming."""
    if seconds <= 0:
        return None
    try:
        return seen.get(timeout=seconds)
    except Empty:
        return None
