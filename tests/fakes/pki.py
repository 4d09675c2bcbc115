"""An authority and a key store that make no keys: certificates are names with dates."""

import hashlib
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioner.errors import UnusableError
from provisioner.model.certificate import (
    AuthorityFacts,
    DistinguishedName,
    Leaf,
    Material,
    MaterialFiles,
    Profile,
    Specification,
)
from provisioner.model.desired import Wanted
from provisioner.model.secret import Secret
from provisioner.ports import Clock

_AUTHORITY_LIFETIME = timedelta(days=3650)


def leaf_of(der: bytes, specification: Specification, now: datetime) -> Leaf:
    """Return a leaf that satisfies the specification, made now."""
    return Leaf(
        sha256=hashlib.sha256(der).hexdigest(),
        serial=int.from_bytes(hashlib.sha256(der).digest()[:8]),
        subject=str(specification.subject),
        name=specification.subject,
        issuer="CN=Fake CA",
        dns_names=specification.dns_names,
        not_before=now,
        not_after=now + specification.valid_for,
        key=specification.key.value,
        profile=specification.profile,
        is_ca=False,
        ip_addresses=specification.ip_addresses,
    )


class FakePki:
    """Implements ``CertificateIssuer``, ``KeyStore`` and ``CertificateReader`` in memory.

    A twin shares the authority and what the world knows, and has a key store of its own.
    """

    def __init__(self, clock: Clock, *, name: str = "Fake CA", twin: "FakePki | None" = None) -> None:
        self._clock = clock
        self._name = name
        self.known: dict[bytes, Leaf] = twin.known if twin else {}
        self._signed: set[bytes] = twin._signed if twin else set()
        self.issued: list[tuple[str, bytes]] = []
        self.key_matches = True
        self.in_files: bytes | None = None
        self.canary_chains = True

    def authority(self) -> AuthorityFacts | None:
        """Return an authority that everybody accepts, None where the files are somebody else's."""
        der = self._name.encode()
        certificate = Leaf(
            sha256=hashlib.sha256(der).hexdigest(),
            serial=1,
            subject=f"CN={self._name}",
            name=DistinguishedName(common_name=self._name),
            issuer=f"CN={self._name}",
            dns_names=(),
            not_before=self._clock.now() - timedelta(days=1),
            not_after=self._clock.now() + _AUTHORITY_LIFETIME,
            key="ec-p256",
            profile=None,
            is_ca=True,
        )
        return None if self.in_files else AuthorityFacts(certificate, (), frozenset({self._name}))

    def pinned_chain(self) -> tuple[bytes, ...]:
        """Return what the files hold, nothing where certificates are issued."""
        return (self.in_files,) if self.in_files else ()

    def issuers(self, chain: tuple[bytes, ...]) -> frozenset[str]:
        """Return who signed a chain: this authority, or the name in the leaf."""
        if not chain or any(item not in self.known for item in chain):
            return frozenset()
        return frozenset({self._name if self.signed(chain[0]) else self.known[chain[0]].issuer})

    def signed(self, certificate_der: bytes) -> bool:
        """Tell whether this authority issued the certificate."""
        return self.in_files is None and certificate_der in self._signed

    def issue(self, wanted: Wanted) -> Leaf:
        """Make a certificate of the specification, or take in the files."""
        if not isinstance(wanted, Specification):
            assert self.in_files is not None
            if (wanted.name, self.in_files) not in self.issued:
                self.issued.append((wanted.name, self.in_files))
            return self.known[self.in_files]
        specification = wanted
        if specification.valid_for > _AUTHORITY_LIFETIME:
            raise UnusableError(f"certificate {wanted.name}: it would be valid longer, its authority only until then")
        der = f"{self._name} {specification.name} {len(self._signed)}".encode()
        self._signed.add(der)
        leaf = leaf_of(der, specification, self._clock.now())
        self.known[der] = leaf
        self.issued.append((specification.name, der))
        return leaf

    def stranger(self, der: bytes, *, key: str = "rsa-2048", days: int = 300) -> Leaf:
        """Make a certificate of somebody else known to the reader."""
        now = self._clock.now()
        leaf = Leaf(
            sha256=hashlib.sha256(der).hexdigest(),
            serial=7,
            subject="CN=stranger",
            name=DistinguishedName(common_name="stranger"),
            issuer="CN=Somebody Else",
            dns_names=("*.mqtt.aliyuncs.com",),
            not_before=now - timedelta(days=10),
            not_after=now + timedelta(days=days),
            key=key,
            profile=Profile.STRICT,
            is_ca=False,
        )
        self.known[der] = leaf
        return leaf

    def read(self, certificate_der: bytes) -> Leaf:
        """Return what is known of a certificate."""
        try:
            return self.known[certificate_der]
        except KeyError:
            raise UnusableError("a certificate could not be parsed") from None

    def chains_to(self, chain_pem: str, ca_pem: str) -> bool:
        """Tell what the test wants to be true of the canary and every device CA."""
        return self.canary_chains

    def leaves(self, certificate_name: str) -> tuple[Leaf, ...]:
        """Return the kept leaves, newest first."""
        kept = [self.known[der] for name, der in self.issued if name == certificate_name]
        return tuple(reversed(kept))

    def material(self, certificate_name: str, sha256: str) -> Material | None:
        """Return the checked material of a kept leaf."""
        found = next((leaf for leaf in self.leaves(certificate_name) if leaf.sha256 == sha256), None)
        return None if found is None else Material(found, (), self.key_matches, "", "")

    def chain_pem(self, certificate_name: str, sha256: str) -> str:
        """Return the chain of a kept leaf."""
        return ssl.DER_cert_to_PEM_cert(self.der(certificate_name, sha256))

    def private_key_pem(self, certificate_name: str, sha256: str) -> Secret:
        """Return a pretended key."""
        self.der(certificate_name, sha256)
        return Secret(f"key of {certificate_name} {sha256}")

    def now(self) -> datetime:
        """Return the time in this world."""
        return self._clock.now()

    def belongs(self, private_key: Secret, chain_pem: str) -> bool:
        """Tell whether a key, a pretended or a real one, is that of a chain's first certificate."""
        key = private_key.reveal()
        if key.startswith("key of "):
            der = ssl.PEM_cert_to_DER_cert(chain_pem.strip())
            return key.endswith(hashlib.sha256(der).hexdigest())
        public = load_pem_private_key(key.encode(), None).public_key()
        return x509.load_pem_x509_certificate(chain_pem.encode()).public_key() == public

    def files(self, certificate_name: str, sha256: str) -> MaterialFiles:
        """Return pretended files."""
        self.der(certificate_name, sha256)
        folder = Path(certificate_name) / sha256[:16]
        return MaterialFiles(folder / "chain.pem", folder / "private-key.pem")

    def der(self, certificate_name: str, sha256: str) -> bytes:
        """Return the bytes of a kept leaf."""
        for name, der in self.issued:
            if name == certificate_name and self.known[der].sha256 == sha256:
                return der
        raise UnusableError(f"{certificate_name}: {sha256[:16]} is not in the key store")
