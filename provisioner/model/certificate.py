"""Certificates as values: what one should be, what one is, and its copy in Certificate Management Service.

Belongs here: plain facts. Does not: parsing or signing (``pki``), judging (``planning``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path


class KeyType(StrEnum):
    """A key type that can be issued, by its name in the configuration."""

    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"


class Profile(StrEnum):
    """Which extensions an issued leaf carries.

    ``strict`` is what strict verifiers accept; ``guide`` is Alibaba's recipe to the letter, ``keyCertSign`` included,
    which Python 3.13's default context and ``openssl verify -x509_strict`` reject (measured).
    """

    STRICT = "strict"
    GUIDE = "guide"


@dataclass(frozen=True, slots=True)
class DistinguishedName:
    """A subject, its fields in the order of Alibaba's guide: C, ST, L, O, OU, emailAddress, CN."""

    country: str | None = None
    state: str | None = None
    locality: str | None = None
    organization: str | None = None
    organizational_unit: str | None = None
    email: str | None = None
    common_name: str | None = None

    def __str__(self) -> str:
        fields = zip(("C", "ST", "L", "O", "OU", "emailAddress", "CN"), self.values(), strict=True)
        return ", ".join(f"{label}={value}" for label, value in fields if value)

    def values(self) -> tuple[str | None, ...]:
        """Return the seven values in the guide's order."""
        return (
            self.country,
            self.state,
            self.locality,
            self.organization,
            self.organizational_unit,
            self.email,
            self.common_name,
        )


@dataclass(frozen=True, slots=True)
class Specification:
    """What a certificate of the configuration should be; ``name`` is its name there.

    ``ip_addresses`` are in their canonical text, as ``ipaddress`` writes them.
    """

    name: str
    key: KeyType
    valid_for: timedelta
    renew_before: timedelta
    profile: Profile
    dns_names: tuple[str, ...]
    subject: DistinguishedName
    ip_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesSpecification:
    """A certificate of which files are the specification, such as a purchased one.

    ``renew_before`` None means a third of its lifetime.
    """

    name: str
    renew_before: timedelta | None = None


@dataclass(frozen=True, slots=True)
class HostedSpecification:
    """A certificate that is hosted already and whose identifier is the specification; its key isn't here.

    ``renew_before`` None means a third of its lifetime.
    """

    name: str
    identifier: str
    renew_before: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Pinned:
    """The one leaf that files or an identifier stand for, as far as it is known.

    ``sha256`` is None where the service does not tell it; then nobody could judge the wire. ``identifier`` is that of
    a hosted certificate, None for files. ``key`` is empty where it is not known. ``issuers`` tells which keys signed
    its chain, as far as that is known.
    """

    sha256: str | None
    dns_names: tuple[str, ...]
    key: str
    not_before: datetime | None
    not_after: datetime | None
    identifier: str | None = None
    issuers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate says of itself.

    ``key`` is a ``KeyType`` value, or another readable name such as ``rsa-1024``. ``profile`` is the profile whose
    extensions it carries exactly, if any. ``subject`` and ``issuer`` are RFC 4514 texts of the names as encoded;
    ``name`` is the subject as a distinguished name when every field is one of the guide's, else None. ``ip_addresses``
    are in their canonical text.
    """

    sha256: str
    serial: int
    subject: str
    name: DistinguishedName | None
    issuer: str
    dns_names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    profile: Profile | None
    is_ca: bool
    ip_addresses: tuple[str, ...] = ()

    @property
    def subject_words(self) -> str:
        """The subject for a person: the guide's fields in its order where it has no others."""
        return str(self.name) if self.name else self.subject


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """What is known of the owner's CA: its certificate, and what strict verifiers would object to in it.

    ``objections`` are reported, never mended: no leaf can rescue a CA without ``keyUsage`` (measured). ``issuers``
    tells which keys its certificates are signed with, all the way up.
    """

    certificate: Leaf
    objections: tuple[str, ...]
    issuers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Material:
    """A chain with its key in the key store, checked: what is true of it, not whether that will do.

    ``order_problem`` and ``signature_problem`` are empty, or say what is wrong with the chain.
    """

    leaf: Leaf
    chain: tuple[Leaf, ...]
    key_matches: bool
    order_problem: str
    signature_problem: str


@dataclass(frozen=True, slots=True)
class MaterialFiles:
    """Where a chain and its key lie in the key store, for a server that loads both: PEM, the key unencrypted PKCS#8."""

    chain: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class HostedCertificate:
    """A copy in Certificate Management Service, as its listing describes it, private key never asked for.

    ``identifier`` is the service's ``CertIdentifier``, read and never built. A fingerprint that the service did not
    give is None. ``serial`` is None when it could not be read as a number. ``products`` are the cloud products that use
    it, as far as the listing tells. ``tagged`` says that its own record carries this tool's tag; listings don't tell.
    """

    id: int
    name: str
    identifier: str
    sha256: str | None
    sha1: str | None
    serial: int | None
    issuer: str
    common_name: str
    dns_names: tuple[str, ...]
    key: str | None
    not_before: datetime | None
    not_after: datetime | None
    status: str
    products: tuple[str, ...] = ()
    tagged: bool = False
