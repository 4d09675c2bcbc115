"""Rehearsals: what became of a handshake here, before anything is uploaded or switched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RehearsedSession:
    """One name in one version of TLS, served from the key store's own files on loopback.

    Attributes:
        name: the name that the client connected to.
        tls_version: ``TLSv1.2`` or ``TLSv1.3``.
        failure: why chain and key can't be served, OpenSSL's ordinary checks refuse the chain, or the canary's
            certificate is refused, in words; empty when the session came about.
        strict_failure: what strict verifiers find beside that; empty when nothing, and when ordinary ones refuse the
            chain already.
        client_certificate: the canary's certificate was demanded and accepted; False also where none is configured or
            the device CAs are unknown.
    """

    name: str
    tls_version: str
    failure: str = ""
    strict_failure: str = ""
    client_certificate: bool = False
