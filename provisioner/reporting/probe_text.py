"""``provisioner probe`` in words."""

import re
from collections.abc import Callable, Sequence

from rich.console import Console

from provisioner.model.certificate import Leaf
from provisioner.model.reading import AddressReading, Required, Stage
from provisioner.planning.satisfies import covers
from provisioner.reporting.layout import print_item, print_items
from provisioner.reporting.sightings import AddressSightings, served_by, spoke_tls

Read = Callable[[AddressReading], Leaf | None]
"""Returns what a served leaf says of itself, None where there is none or it can't be read."""

_COMMA = re.compile(r"(?<!\\),")
_AFFINITY = (
    "A load balancer may send all connections of one client to the same backend, which can't be seen from one machine: "
    "run this from other machines, too."
)


def print_probe(console: Console, addresses: Sequence[AddressSightings], host: str, read: Read) -> None:
    """Print what was met: one connection to each address in full, of several the distribution first."""
    if all(item.total == 1 for item in addresses):
        for item in addresses:
            print_item(console, item.address, summary(item.main), style="bold")
            print_items(console, _rows(item.main, read(item.main), host), width=7)
        return
    for item in addresses:
        print_item(console, item.address, f"{item.total} connections", style="bold")
        width = len(f"{item.total} of {item.total}")
        shares = [(f"{part.count} of {item.total}", _share(part.reading)) for part in item.sightings]
        print_items(console, shares, width=width)
    for reading in served_by(addresses):
        print_item(console, f"certificate {reading.leaf_sha256:.16}", "", style="bold")
        print_items(console, _rows(reading, read(reading), host), width=7)
    print_item(console, "", _AFFINITY)


def summary(reading: AddressReading) -> str:
    """Return what one connection showed, in a sentence; one-way and mutual only where that is known."""
    inferred = " (inferred)" if reading.inferred else ""
    if reading.asked is False:
        answer = "MQTT answers" if reading.connack is not None else f"no MQTT answer: {reading.failure}"
        return f"one-way{inferred}: no client certificate is asked for; {answer}"
    if reading.asked is None:
        return _not_asked_yet(reading)
    words = {
        Required.YES: f"mutual{inferred}: a client without certificate is refused ({reading.failure})",
        Required.LIKELY: f"mutual{inferred}, likely: a client without certificate is cut off without an alert",
        Required.NO: f"one-way{inferred}: a client certificate is asked for and not required",
        Required.UNKNOWN: f"a client certificate is asked for{inferred}; required or not is open: {reading.failure}",
    }
    return words[reading.required]


def _not_asked_yet(reading: AddressReading) -> str:
    if reading.tls_version is None:
        return f"{'no connection' if reading.stage is Stage.CONNECT else 'no TLS'}: {reading.failure}"
    return (
        "not known: the handshake broke off before it was told whether a client certificate is asked for: "
        f"{reading.failure}"
    )


def _share(reading: AddressReading) -> str:
    """Return what some of many connections showed, in a few words."""
    modes = {Required.YES: "mutual", Required.LIKELY: "mutual, likely", Required.NO: "one-way"}
    mode = modes.get(reading.required, "not known" if spoke_tls(reading) else "no TLS")
    if reading.stage is Stage.CONNECT:
        mode = "no connection"
    inferred = " (inferred)" if reading.inferred else ""
    leaf = f", leaf {reading.leaf_sha256:.16}" if reading.leaf_sha256 else ""
    return f"{mode}{inferred}{leaf}{': ' if reading.failure else ''}{reading.failure}"


def _rows(reading: AddressReading, leaf: Leaf | None, host: str) -> list[tuple[str, str]]:
    rows = []
    if reading.leaf_sha256:
        rows += [("TLS", (reading.tls_version or "?").removeprefix("TLSv")), ("SHA-256", reading.leaf_sha256)]
    if leaf is not None:
        covered = covers(leaf.dns_names, host, leaf.ip_addresses)
        names = ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "none"
        rows += [
            ("names", f"{names} ({'covers the host' if covered else f'does NOT cover {host}'})"),
            ("subject", leaf.subject_words),
            ("issuer", _COMMA.sub(", ", leaf.issuer)),
            ("key", leaf.key),
            ("valid", f"{leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"),
            ("chain", f"{len(reading.chain)} certificates" if reading.chain_complete else "hidden by TLS 1.3"),
        ]
    return rows
