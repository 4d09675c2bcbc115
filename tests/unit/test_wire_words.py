"""How connections end, in words of our own."""

import errno
import ssl

import pytest

from provisioner.wire import words


def tls_error(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    """Return an error as the ssl module raises it."""
    error = kind(1, f"[SSL: {reason}] secret text (_ssl.c:992)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError("The handshake operation timed out"), "no answer in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "secret text"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "secret text"), words.CLOSED),
        (BrokenPipeError(errno.EPIPE, "secret text"), words.CLOSED),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (OSError(), "network error"),
        (tls_error("CERTIFICATE_VERIFY_FAILED", ssl.SSLCertVerificationError), "its certificate does not verify"),
        (tls_error("UNEXPECTED_EOF_WHILE_READING", ssl.SSLEOFError), words.CLOSED),
        (tls_error("UNEXPECTED_EOF_WHILE_READING"), words.CLOSED),
        (tls_error("", ssl.SSLZeroReturnError), words.CLOSED),
        (tls_error("WRONG_VERSION_NUMBER"), "it does not speak TLS"),
        (tls_error("UNSUPPORTED_PROTOCOL"), "it does not speak this version of TLS"),
        (tls_error("NO_PROTOCOLS_AVAILABLE"), "it does not speak this version of TLS"),
        (tls_error("BAD_SIGNATURE"), "TLS failed: bad signature"),
        (tls_error("SSLV3_ROLLBACK_ATTACK"), "TLS failed: sslv3 rollback attack"),
        (tls_error(""), "TLS failed: unknown reason"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), "alert: protocol version"),
        (tls_error("TLSV1_ALERT_INTERNAL_ERROR"), "alert: internal error"),
        (tls_error("TLSV1_UNRECOGNIZED_NAME"), "alert: unrecognized name"),
        (tls_error("TLSV1_ALERT_DECRYPT_ERROR"), "alert: decrypt error"),
        (tls_error("TLSV13_ALERT_MISSING_EXTENSION"), "alert: missing extension"),
        (tls_error("TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE"), "alert: bad certificate status response"),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), words.HANDSHAKE_FAILURE),
    ],
    ids=str,
)
def test_each_end_has_its_words(error: OSError, expected: str) -> None:
    """The same end has the same words, whichever layer noticed it."""
    assert words.describe(error) == expected


@pytest.mark.parametrize(
    "reason",
    [
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_ACCESS_DENIED",
    ],
)
def test_alerts_about_the_client_certificate_are_refusals(reason: str) -> None:
    """Every alert with which a server refuses a client certificate counts as a refusal."""
    assert words.describe(tls_error(reason)) in words.CLIENT_REFUSALS


@pytest.mark.parametrize(
    "reason",
    [
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
        "TLSV1_CERTIFICATE_UNOBTAINABLE",
        "CERTIFICATE_VERIFY_FAILED",
        "UNEXPECTED_EOF_WHILE_READING",
    ],
)
def test_other_ends_are_no_refusals(reason: str) -> None:
    """What may have other causes than the client certificate does not count as a refusal by itself."""
    assert words.describe(tls_error(reason)) not in words.CLIENT_REFUSALS


def test_texts_of_tls_errors_are_not_repeated() -> None:
    """Only the reason's name is used, never the text beside it, and without a name there is none."""
    assert words.describe(ssl.SSLError(1, "secret text")) == "TLS failed: unknown reason"
