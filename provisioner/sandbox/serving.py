"""What an endpoint serves, as one value."""

import hashlib
import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Serving:
    """What an endpoint, or one backend of it, serves.

    Attributes:
        mutual: client certificates are demanded.
        chain_pem: the server's certificate, then what is sent with it.
        key_pem: its private key.
        devices_refused: a fault that lets nobody in, whatever is registered.
        anonymous: a fault: clients without a certificate are let in too.
        any_certificate: a fault: any client certificate is taken.
        dead: a fault: the port stays closed.
        domains: what clients get that ask for these names by SNI.
    """

    mutual: bool
    chain_pem: str
    key_pem: str = field(repr=False)
    devices_refused: bool = False
    anonymous: bool = False
    any_certificate: bool = False
    dead: bool = False
    domains: tuple[tuple[str, "Serving"], ...] = ()

    @property
    def leaf_sha256(self) -> str:
        """The SHA-256 of the served leaf."""
        end = "-----END CERTIFICATE-----"
        first = self.chain_pem[: self.chain_pem.index(end) + len(end)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()

    @property
    def mode(self) -> str:
        """The mode's name."""
        return "mutual" if self.mutual else "one_way"
