"""What the DNS says of a name: its alias and its addresses. The only user of dnspython.

The system's resolver hides aliases, and devices follow them: a custom domain is a CNAME of the instance's own name.
"""

import dns.exception
import dns.name
import dns.resolver

from provisioner.model.instance import NameRecord

_SECONDS = 3.0


class DnsAliases:
    """Implements ``ports.Aliases``.

    Args:
        resolver: asks the DNS; with the machine's own name servers when not given.
    """

    def __init__(self, resolver: dns.resolver.Resolver | None = None) -> None:
        self._given = resolver

    def look_up(self, name: str) -> NameRecord | None:
        """Return what the DNS says of a name, None when it says nothing or can't be asked."""
        try:
            resolver = self._given or dns.resolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return None
        found, alias = set(), ""
        for kind in ("A", "AAAA"):
            try:
                answer = resolver.resolve(name, kind, lifetime=_SECONDS)
            except (dns.exception.DNSException, OSError):
                continue
            canonical = str(answer.canonical_name).rstrip(".")
            alias = canonical if canonical.lower() != name.lower().rstrip(".") else alias
            found |= {str(item.address) for item in answer}
        return NameRecord(name, alias, tuple(sorted(found))) if found else None
