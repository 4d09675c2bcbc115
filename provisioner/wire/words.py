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
    "BAD_RECORD_MAC": "alert: bad record MAC",
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
# OpenSSL's verdicts on a certificate by their number; 82 and those after it come from strict checks alone.
_VERDICTS = {
    2: "no trusted CA stands above the chain",
    7: "a signature in the chain is wrong",
    9: "the certificate or a CA above it is not valid yet",
    10: "the certificate or a CA above it has expired",
    18: "the certificate signed itself",
    19: "the root of the chain is not trusted",
    20: "no trusted CA signed the certificate, or an intermediate is missing",
    21: "no trusted CA signed the certificate, or an intermediate is missing",
    25: "a CA of the chain allows fewer CAs below it",
    26: "the certificate is for another purpose",
    32: "a CA of the chain may not sign certificates",
    47: "a CA of the chain does not permit the certificate's names",
    62: "the certificate does not carry this name",
    64: "the certificate does not carry this IP address",
    66: "the certificate's key is too small",
    67: "the key of a CA in the chain is too small",
    68: "a signature in the chain is too weak",
    79: "a certificate above is no CA certificate",
    82: "the certificate may sign others, as only a CA may",
    85: "a certificate does not name its issuer's key",
    86: "a CA of the chain has no key identifier",
    89: "basicConstraints of a CA in the chain is not critical",
    92: "a CA of the chain has no keyUsage",
}
# Alerts by their number (RFC 5246, 7.2; RFC 8446, 6), for those that OpenSSL has no word for.
_NUMBERS = {
    10: "unexpected message",
    20: "bad record MAC",
    21: "decryption failed",
    22: "record overflow",
    30: "decompression failure",
    40: "handshake failure",
    41: "no certificate",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown CA",
    49: "access denied",
    50: "decode error",
    51: "decrypt error",
    60: "export restriction",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user cancelled",
    100: "no renegotiation",
    109: "missing extension",
    110: "unsupported extension",
    111: "certificate unobtainable",
    112: "unrecognized name",
    113: "bad certificate status response",
    114: "bad certificate hash value",
    115: "unknown PSK identity",
    116: "certificate required",
    120: "no application protocol",
}
HANDSHAKE_FAILURE = "alert: handshake failure"
PROTOCOL_VERSION = "alert: protocol version"
OTHER_VERSION = "it does not speak this version of TLS"
UNREADABLE_ALERT = "alert that can't be decrypted"
CLOSED = "closed"
NO_ANSWER = "no answer in time"

# OpenSSL names the alerts of SSL 3.0 and those of later versions in two ways, of the latter some without the word.
_ALERT = re.compile(r"(?:SSLV3_ALERT_|TLSV13?_(?:ALERT_)?)(\w+)")


def describe(error: OSError) -> str:
    """Return how a connection ended."""
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate does not verify"
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return CLOSED
    return (error.strerror or "network error").lower()


def alert(number: int) -> str:
    """Return an alert in words; 0 stands for one that can't be decrypted."""
    if number == 0:
        return UNREADABLE_ALERT
    return f"alert: {_NUMBERS.get(number, f'number {number}')}"


def is_alert(ended: str) -> bool:
    """Return whether a connection ended by an alert of the server, by the words of ``describe`` or ``alert``."""
    return ended.startswith("alert")


def verdict(error: ssl.SSLCertVerificationError) -> str:
    """Return why OpenSSL refused a certificate, with its number and its own message."""
    message = (error.verify_message or "no message").lower().rstrip(".")
    return f"{_VERDICTS.get(error.verify_code, 'the certificate does not verify')} ({error.verify_code}: {message})"


def _tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None) or ""  # errors that ssl raises by itself may have none
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in reason:
        return CLOSED
    if named := _ALERT.match(reason):
        return _ALERTS.get(named[1], "alert: " + named[1].lower().replace("_", " "))
    if reason in {"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"}:
        return OTHER_VERSION if reason != "WRONG_VERSION_NUMBER" else "it does not speak TLS"
    return "TLS failed: " + (reason.lower().replace("_", " ") or "unknown reason")
