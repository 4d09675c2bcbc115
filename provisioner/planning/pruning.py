"""Which hosted certificates may go: only this tool's own, and only those that nobody could want back."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from provisioner.model.certificate import HostedCertificate
from provisioner.planning.observed import beginnings

_NEWEST_KEPT = 2
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Needed:
    """What must stay.

    Attributes:
        leaves: SHA-256 of leaves that the wire serves, or that a rollback would restore.
        identifiers: identifiers of the same, and of those that the configuration names.
    """

    leaves: frozenset[str]
    identifiers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One hosted certificate of this tool, and why it stays; an empty reason means that it may go."""

    hosted: HostedCertificate
    certificate: str
    stays_because: str


def own_name(name: str, prefix: str) -> str | None:
    """Return the certificate that a hosted name stands for, None when this tool did not give the name."""
    found = re.fullmatch(rf"{re.escape(prefix)}-(.+)-[0-9a-f]{{{_DIGITS}}}", name)
    return found.group(1) if found else None


def verdicts(hosted: Collection[HostedCertificate], prefix: str, needed: Needed) -> tuple[Verdict, ...]:
    """Return a verdict for each hosted certificate whose name this tool gave, newest first.

    The name alone does not prove it; before anything is deleted its tag is read too.

    Args:
        hosted: the hosted certificates, those of others among them.
        prefix: the configured name prefix.
        needed: what must stay.
    """
    groups: dict[str, list[HostedCertificate]] = defaultdict(list)
    for item in hosted:
        certificate = own_name(item.name, prefix)
        if certificate is not None:
            groups[certificate].append(item)
    return tuple(verdict for name in sorted(groups) for verdict in _group(name, groups[name], needed))


def _group(certificate: str, items: list[HostedCertificate], needed: Needed) -> Iterator[Verdict]:
    newest = sorted(items, key=lambda item: (item.not_before is None, item.not_before, item.id), reverse=True)
    for place, item in enumerate(newest):
        yield Verdict(item, certificate, _reason(item, place, needed))


def _reason(item: HostedCertificate, place: int, needed: Needed) -> str:
    if item.identifier in needed.identifiers or any(leaf.startswith(beginnings(item)) for leaf in needed.leaves):
        return "it is served, configured, or what a rollback would restore"
    if item.products:
        return f"in use by {', '.join(item.products)}"
    if place < _NEWEST_KEPT:
        return f"one of the newest {_NEWEST_KEPT}"
    return ""
