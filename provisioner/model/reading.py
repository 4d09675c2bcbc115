"""Readings: what one look at the wire showed.

Belongs here: facts of one probe, one canary, and both over all addresses. Does not: judging them (``planning.settle``).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Required(StrEnum):
    """Whether a client without certificate is refused.

    ``likely``: it was asked for one and the connection then ended without an alert. TLS terminators in the field do
    that (nginx and asyncio servers, measured), so it counts as required and the evidence says so.
    """

    YES = "yes"
    LIKELY = "likely"
    NO = "no"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """How far a probe came."""

    CONNECT = "connect"
    HANDSHAKE = "handshake"
    MQTT = "mqtt"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class AddressReading:
    """What one address answered to a client without certificate.

    Attributes:
        address: the IP address that was connected to.
        stage: how far the probe came; ``answered`` means that MQTT spoke.
        timed_out: the address stayed silent: nothing contradicts, nothing confirms.
        failure: how the connection ended, in words, empty when MQTT answered.
        tls_version: ``TLSv1.2``, ``TLSv1.3``, or None before the handshake told.
        leaf_sha256: the served leaf, None when none was seen.
        chain: the served certificates in DER, leaf first; the leaf alone where TLS 1.3 hides the rest.
        chain_complete: the whole chain was read.
        asked: the server sent a CertificateRequest; None when the handshake did not come so far.
        inferred: ``asked`` was inferred from the shape of the TLS 1.3 flight, and not read in clear.
        required: whether a client without certificate is refused.
        connack: the CONNACK return code, None when MQTT did not answer.
        seconds: how long the probe took.
    """

    address: str
    stage: Stage
    timed_out: bool = False
    failure: str = ""
    tls_version: str | None = None
    leaf_sha256: str | None = None
    chain: tuple[bytes, ...] = ()
    chain_complete: bool = False
    asked: bool | None = None
    inferred: bool = False
    required: Required = Required.UNKNOWN
    connack: int | None = None
    seconds: float = 0.0


class CanaryVerdict(StrEnum):
    """What became of a real device session.

    Only ``refused_by_tls`` and, where a login worked before, ``refused_by_login`` and ``no_echo`` mean that a good
    client was refused. ``distrusted`` means that the canary refused the server: its chain or name did not verify.
    ``unreachable`` says nothing about the client certificate.
    """

    ACCEPTED = "accepted"
    REFUSED_BY_TLS = "refused_by_tls"
    REFUSED_BY_LOGIN = "refused_by_login"
    NO_ECHO = "no_echo"
    DISTRUSTED = "distrusted"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """One session of the canary at one address; ``detail`` says in words what happened."""

    address: str
    verdict: CanaryVerdict
    detail: str = ""
    connack: int | None = None
    echoed: bool = False


@dataclass(frozen=True, slots=True)
class DomainReading:
    """What every address answered to a client that asked for a mapped domain by SNI."""

    domain: str
    addresses: tuple[AddressReading, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at every address of the endpoint, on fresh connections.

    ``unresolved`` is empty, or why the name gave no address; ``canaries`` is empty when none is configured or when the
    probes alone already decide.
    """

    at: datetime
    addresses: tuple[AddressReading, ...]
    canaries: tuple[CanaryResult, ...] = ()
    unresolved: str = ""
    domains: tuple[DomainReading, ...] = ()
