"""Whether a leaf is what a specification asks for, by its own content."""

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from provisioner.model.certificate import Leaf, Specification


def differences(leaf: Leaf, specification: Specification, *, signed: bool) -> tuple[str, ...]:
    """Return why the leaf does not satisfy the specification, nothing when it does.

    Who made the leaf and where its key lies do not matter, so that two machines with one configuration agree.

    Args:
        leaf: what the certificate says of itself.
        specification: what it should be.
        signed: whether the configured authority's key signed it.
    """
    found = [] if signed else ["it is not signed by the configured authority"]
    expectations: tuple[tuple[str, object, object], ...] = (
        ("key", leaf.key, specification.key.value),
        ("names", _names(leaf.dns_names), _names(specification.dns_names)),
        ("IP addresses", _names(leaf.ip_addresses) or "none", _names(specification.ip_addresses) or "none"),
        ("subject", str(leaf.name or leaf.subject), str(specification.subject)),
        ("profile", leaf.profile and leaf.profile.value, specification.profile.value),
    )
    found.extend(
        f"{what}: got {got or 'another'}, expected {expected}"
        for what, got, expected in expectations
        if got != expected
    )
    return tuple(found)


def due(not_after: datetime, renew_before: timedelta, now: datetime) -> str:
    """Return why a certificate has to be renewed by now, an empty text when it doesn't."""
    left = not_after - now
    if left <= timedelta(0):
        return f"it expired on {not_after:%Y-%m-%d %H:%M} UTC"
    if left <= renew_before:
        return f"it expires in {_days(left)}, and renewal begins {_days(renew_before)} before expiry"
    return ""


def covers(dns_names: tuple[str, ...], host: str, ip_addresses: tuple[str, ...] = ()) -> bool:
    """Return whether a certificate's names cover a host, as clients judge it (RFC 9525).

    A wildcard stands for exactly one leftmost label. An IP address is covered by IP addresses alone, and not by a DNS
    name of the same text (measured: Python and openssl refuse it).

    Args:
        dns_names: the certificate's DNS names.
        host: a name, with or without a dot at its end, or an IP address.
        ip_addresses: the certificate's IP addresses, in canonical text.
    """
    address = _address(host)
    if address is not None:
        return any(_address(item) == address for item in ip_addresses)
    wanted = host.lower().rstrip(".")
    _, _, parent = wanted.partition(".")
    return any(name.lower() == wanted or (bool(parent) and name.lower() == f"*.{parent}") for name in dns_names)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(sorted({name.lower() for name in names}))


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    if days >= 2:  # noqa: PLR2004  below two days, hours say more
        return f"{days:.0f} days"
    return f"{span / timedelta(hours=1):.1f} hours"
