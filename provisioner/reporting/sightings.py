"""What many connections to one address met, counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from provisioner.model.reading import AddressReading, Required


@dataclass(frozen=True, slots=True)
class Sighting:
    """Connections to one address that met the same.

    Attributes:
        count: how many there were.
        reading: the first of them.
    """

    count: int
    reading: AddressReading


@dataclass(frozen=True, slots=True)
class AddressSightings:
    """All connections to one address, the most frequent first."""

    address: str
    sightings: tuple[Sighting, ...]

    @property
    def total(self) -> int:
        """How many connections there were."""
        return sum(item.count for item in self.sightings)

    @property
    def main(self) -> AddressReading:
        """The reading that was met most often."""
        return self.sightings[0].reading

    @property
    def undecided(self) -> bool:
        """Whether TLS is spoken there and no connection showed whether a client certificate is required."""
        readings = [item.reading for item in self.sightings]
        return any(spoke_tls(item) for item in readings) and all(item.required is Required.UNKNOWN for item in readings)


def counted(address: str, readings: Sequence[AddressReading]) -> AddressSightings:
    """Return the readings of one address, equal ones counted together; how long each took does not matter."""
    firsts: dict[AddressReading, AddressReading] = {}
    counts: Counter[AddressReading] = Counter()
    for reading in readings:
        what = replace(reading, seconds=0.0)
        firsts.setdefault(what, reading)
        counts[what] += 1
    return AddressSightings(address, tuple(Sighting(count, firsts[what]) for what, count in counts.most_common()))


def served_by(addresses: Iterable[AddressSightings]) -> tuple[AddressReading, ...]:
    """Return one reading of each distinct leaf, one with the whole chain where there is one, in the order met."""
    found: dict[str, AddressReading] = {}
    for reading in (item.reading for place in addresses for item in place.sightings):
        leaf = reading.leaf_sha256
        if leaf and (leaf not in found or (reading.chain_complete and not found[leaf].chain_complete)):
            found[leaf] = reading
    return tuple(found.values())


def spoke_tls(reading: AddressReading) -> bool:
    """Return whether the server answered in TLS, by a hello or by an alert."""
    return reading.tls_version is not None or reading.failure.startswith("alert")
