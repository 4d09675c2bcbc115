"""Name resolution with the system's resolver."""

import socket
from ipaddress import ip_address

from provisioner.errors import UnresolvedError
from provisioner.model.instance import Endpoint


class SystemResolver:
    """Implements ``ports.Resolver``; nothing is remembered, since the addresses may change at any time (documented)."""

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses of the endpoint, sorted, asked anew each time. Raises ``UnresolvedError``."""
        name = endpoint.connect_to or endpoint.host
        try:
            found = socket.getaddrinfo(name, endpoint.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is malformed"
            raise UnresolvedError(f"{name}: no address: {reason.lower()}; nothing was changed") from error
        addresses = {str(item[4][0]) for item in found}
        return tuple(sorted(addresses, key=lambda item: (ip_address(item.partition("%")[0]).version, item)))
