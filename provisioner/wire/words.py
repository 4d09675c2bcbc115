"""How connections end, in words of our own: never an exception's text."""

import re
import ssl

_ALERTS = {
    "HANDSHAKE_FAILURE": "alert: handshake failure",
    "CERTIFICATE_REQUIRED": "alert: certificate required",
    "UNKNOWN_CA": "alert: unknown CA",
    "BAD_CERTIFICATE": "alert: bad certificate",
    "CERTIFICATE_EXPIRED": "alert: certificate expired",
    "CERTIFICATE_REVOKED": "alert: certificate revoked",
    "CERTIFICATE_UNKNOWN": "alert: certificate unknown",
    "UNSUPPORTED_CERTIFICATE": "alert: unsupported certificate",
    "ACCESS_DENIED": "alert: access denied",
    "PROTOCOL_VERSION": "alert: protocol version",
    "UNRECOGNIZED_NAME": "alert: unrecognized name",
    "INTERNAL_ERROR": "alert: internal error",
}
# Alerts with which servers refuse a client for its certificate, or for having none (measured, and RFC 8446 6.2).
CLIENT_REFUSALS = frozenset(
    {
        "alert: certificate required",
        "alert: unknown CA",
        "alert: bad certificate",
        "alert: certificate expired",
        "alert: certificate revoked",
        "alert: certificate unknown",
        "alert: unsupported certificate",
        "alert: access denied",
    }
)
HANDSHAKE_FAILURE = "alert: handshake failure"
CLOSED = "closed"

# OpenSSL names the alerts of SSL 3.0 and those of later versions in two ways, of the latter some without the word.
_ALERT = re.compile(r"(?:SSLV3_ALERT_|TLSV13?_(?:ALERT_)?)(\w+)")


def describe(error: OSError) -> str:
    """Return how a connection ended."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate does not verify"
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return CLOSED
    return (error.strerror or "network error").lower()


def _tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None) or ""  # errors that ssl raises by itself may have none
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return CLOSED
    if alert := _ALERT.match(reason):
        return _ALERTS.get(alert[1], "alert: " + alert[1].lower().replace("_", " "))
    if reason in {"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"}:
        return "it does not speak this version of TLS" if reason != "WRONG_VERSION_NUMBER" else "it does not speak TLS"
    return "TLS failed: " + (reason.lower().replace("_", " ") or "unknown reason")
