"""``provisioner probe`` as JSON."""

from collections.abc import Sequence

from provisioner.model.certificate import Leaf
from provisioner.model.reading import AddressReading
from provisioner.reporting.probe_text import Read
from provisioner.reporting.sightings import AddressSightings


def probe_document(endpoint: str, addresses: Sequence[AddressSightings], looks: int, read: Read) -> dict[str, object]:
    """Return the JSON object: each address as most connections saw it, and all that was seen, counted."""
    return {
        "schema": "provisioner.probe/1",
        "endpoint": endpoint,
        "looks": looks,
        "addresses": [
            {
                **_reading(item.main, read(item.main)),
                "connections": [
                    {"count": part.count, **_reading(part.reading, read(part.reading))} for part in item.sightings
                ],
            }
            for item in addresses
        ],
    }


def _reading(item: AddressReading, leaf: Leaf | None) -> dict[str, object]:
    return {
        "address": item.address,
        "stage": item.stage.value,
        "failure": item.failure,
        "timed_out": item.timed_out,
        "tls_version": item.tls_version,
        "leaf_sha256": item.leaf_sha256,
        "dns_names": list(leaf.dns_names) if leaf else None,
        "ip_addresses": list(leaf.ip_addresses) if leaf else None,
        "subject": leaf.subject if leaf else None,
        "issuer": leaf.issuer if leaf else None,
        "key": leaf.key if leaf else None,
        "not_before": leaf.not_before.isoformat() if leaf else None,
        "not_after": leaf.not_after.isoformat() if leaf else None,
        "chain_length": len(item.chain) if item.chain_complete else None,
        "client_certificate_asked": item.asked,
        "client_certificate_required": item.required.value,
        "inferred": item.inferred,
        "connack": item.connack,
        "seconds": round(item.seconds, 3),
    }
