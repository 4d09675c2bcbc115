"""Rehearsals: what became of a handshake with a certificate that nobody serves yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RehearsedSession:
    """One handshake on loopback, for one name and one version of TLS.

    ``failure`` is empty, or why chain, key or OpenSSL's ordinary checks failed. ``strict_failure`` is empty, or what
    strict verifiers object to beyond that. ``client_certificate`` tells that the canary's certificate was demanded and
    accepted.
    """

    name: str
    tls_version: str
    failure: str
    strict_failure: str
    client_certificate: bool
