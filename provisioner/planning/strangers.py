"""Hosted certificates that would do and that nobody here remembers."""

from collections.abc import Callable

from provisioner.model.certificate import HostedCertificate, HostedSpecification, Specification
from provisioner.model.desired import Desired
from provisioner.planning.observed import Observed, beginnings
from provisioner.planning.satisfies import due
from provisioner.planning.wanted import lead


def strangers(desired: Desired, observed: Observed, knows: Callable[[str], bool]) -> tuple[str, ...]:
    """Return identifiers of hosted certificates that would do, are not served, and are unknown to this state.

    One of them may have been rolled back by a run whose state was lost, or may be what another machine is about to
    switch to; unattended runs leave that to a person.

    Args:
        desired: what is wanted.
        observed: what was seen.
        knows: tells whether this state has worked with a leaf whose SHA-256 begins so.
    """
    served = observed.served.leaf.sha256 if observed.served else ""
    return tuple(
        item.identifier
        for item in observed.hosted
        if not served.startswith(beginnings(item))
        and _would_do(item, desired, observed)
        and not any(map(knows, beginnings(item)))
    )


def _would_do(item: HostedCertificate, desired: Desired, observed: Observed) -> bool:
    wanted = desired.specification
    if isinstance(wanted, HostedSpecification) or item.not_after is None or item.status in {"expired", "revoked"}:
        return False
    if not isinstance(wanted, Specification):
        return observed.pinned is not None and (observed.pinned.sha256 or "").startswith(beginnings(item))
    names = {name.lower() for name in item.dns_names}
    same = names - set(wanted.ip_addresses) == {name.lower() for name in wanted.dns_names}
    same = same and item.key in {None, _service_key(wanted)}
    lifetime = item.not_after - item.not_before if item.not_before else wanted.valid_for
    return same and not due(item.not_after, lead(wanted, lifetime), observed.at)


def _service_key(wanted: Specification) -> str:
    """Return the key type as the service's listing tells it: algorithm and size."""
    kind, _, size = wanted.key.value.partition("-")
    return f"{'ecc' if kind == 'ec' else kind}-{size.removeprefix('p')}"
