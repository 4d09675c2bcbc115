"""Readings: what one look at the wire showed.

Belongs here: facts of single connections, and of a reading over all addresses. Does not: judging them
(``planning.settling``).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Required(StrEnum):
    """Whether a client without certificate is refused.

    ``yes``: an alert answered the empty certificate. ``likely``: the server asked for a certificate, and closed the
    connection before CONNECT was sent. TLS terminators without alerts do that (nginx and asyncio servers, measured),
    and so does a restart; only a client with certificate that is let in at the same time tells the two apart. A server
    that closes after CONNECT shows nothing (``unknown``): a broker may drop a login that it does not like.
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

    Positive evidence: ``accepted``; ``refused_by_tls`` (an alert that speaks of the device certificate);
    ``distrusted`` (the canary refused the server: its chain or name did not verify). The others are what a restart
    looks like too: ``cut_off`` (closed, refused by the port, or an alert
    that does not speak of the certificate), ``refused_by_login`` and ``no_echo`` (the broker is not
    complete yet, or the login is wrong), ``unreachable``.
    """

    ACCEPTED = "accepted"
    REFUSED_BY_TLS = "refused_by_tls"
    CUT_OFF = "cut_off"
    REFUSED_BY_LOGIN = "refused_by_login"
    NO_ECHO = "no_echo"
    DISTRUSTED = "distrusted"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """One session of the canary at one address.

    Attributes:
        address: the IP address that was connected to.
        verdict: how the session ended.
        detail: what happened, in words.
        connack: the CONNACK return code, None when MQTT did not answer.
        echoed: the message to itself came back.
        leaf_sha256: the leaf that was served to this very session, None when the handshake did not come so far.
    """

    address: str
    verdict: CanaryVerdict
    detail: str = ""
    connack: int | None = None
    echoed: bool = False
    leaf_sha256: str | None = None


class Control(StrEnum):
    """A negative control: a client like the canary, but for its certificate. Both have to be refused."""

    NO_CERTIFICATE = "no_certificate"
    UNKNOWN_CERTIFICATE = "unknown_certificate"


class ControlEnd(StrEnum):
    """How a control's connection ended.

    ``closed_early``: before CONNECT was sent. ``closed_late``: after it. ``other_leaf``: another leaf than the expected
    one was served, so that nothing was sent. ``unreachable``: a time-out, a closed port, a handshake that failed before
    the certificate was asked for: nothing was shown.
    """

    LET_IN = "let_in"
    ALERT = "alert"
    CLOSED_EARLY = "closed_early"
    CLOSED_LATE = "closed_late"
    LOGIN_REFUSED = "login_refused"
    OTHER_LEAF = "other_leaf"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class ControlResult:
    """One connection of a negative control at one address.

    Attributes:
        address: the IP address that was connected to.
        control: which client this was.
        end: how the connection ended. Without a login any CONNACK is ``let_in``, with one only return code 0.
        detail: what happened, in words.
        with_login: the canary's login was used.
        timed_out: the address stayed silent.
        leaf_sha256: the leaf that was served to this connection, None when the handshake did not come so far.
        asked: the server sent a CertificateRequest; None when the handshake did not come so far.
    """

    address: str
    control: Control
    end: ControlEnd
    detail: str = ""
    with_login: bool = False
    timed_out: bool = False
    leaf_sha256: str | None = None
    asked: bool | None = None


@dataclass(frozen=True, slots=True)
class DomainReading:
    """What every address answered to a client that asked for a mapped domain by SNI."""

    domain: str
    addresses: tuple[AddressReading, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A random number of fresh connections to every address of the endpoint.

    Attributes:
        at: the time of day.
        addresses: the probes, several of each address.
        canaries: the canary's sessions; none when no canary is configured, or when the probes alone already decide.
        unresolved: empty, or why the name gave no address.
        domains: probes of the mapped domains.
        controls: the negative controls; none when the probes alone already decide.
    """

    at: datetime
    addresses: tuple[AddressReading, ...]
    canaries: tuple[CanaryResult, ...] = ()
    unresolved: str = ""
    domains: tuple[DomainReading, ...] = ()
    controls: tuple[ControlResult, ...] = ()
