"""Loading chains and keys into TLS contexts, with words for what keeps them from it."""

import ssl
from pathlib import Path

from provisioner.errors import UnusableError
from provisioner.model.secret import Secret

# OpenSSL's reasons, where Python passes them on; it hides those of reading PEM (measured, Python 3.11 to 3.13).
_REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "KEY_TYPE_MISMATCH": "the key does not belong to the certificate",
    "NO_CERTIFICATE_ASSIGNED": "the key does not belong to the certificate, not even by its kind",
    "UNKNOWN_CERTIFICATE_TYPE": "the certificate or the key is of an unknown kind",
    "EE_KEY_TOO_SMALL": "the key is too small",
    "CA_KEY_TOO_SMALL": "the key of a CA in the chain is too small",
    "CA_MD_TOO_WEAK": "a signature in the chain is too weak",
}


def load_chain(context: ssl.SSLContext, certificate: Path, private_key: Path, password: Secret | None) -> str:
    """Load a chain and its key, and return why that can't be done, nothing when it is.

    OpenSSL would ask for a missing password on the terminal; here nobody is asked.
    """
    asked: list[bool] = []

    def give() -> str:
        asked.append(True)
        return password.reveal() if password else ""

    try:
        context.load_cert_chain(certificate, private_key, password=give)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if asked and not reason:
            return "the key's password is wrong" if password else "the key is encrypted and no password is configured"
        return _REASONS.get(reason, reason.lower().replace("_", " ") or "it is malformed")
    except ValueError:
        return "the key's password is too long"
    except OSError as error:
        return (error.strerror or "it can't be read").lower()
    return ""


def load_device(context: ssl.SSLContext, certificate: Path, private_key: Path, password: Secret | None) -> None:
    """Load the canary's certificate with its chain and key. Raises ``UnusableError`` that names the file at fault."""
    problem = load_chain(context, certificate, private_key, password)
    if problem:
        path, words, key = _at_fault(certificate, private_key, problem)
        raise UnusableError(f"{path}: {words}; nothing was changed", hint=f"check {key}")


def _at_fault(certificate: Path, private_key: Path, problem: str) -> tuple[Path, str, str]:
    """Return which file can't be used, why not, and the configuration's key; the library names no file."""
    files = (
        (certificate, "the canary's certificate", "canary.certificate"),
        (private_key, "the canary's private key", "canary.private_key"),
    )
    for path, what, key in files:
        try:
            path.read_bytes()
        except OSError as unreadable:
            return path, f"{what} can't be read: {(unreadable.strerror or 'unknown reason').lower()}", key
    path, what, key = files[1]
    if "does not belong" in problem:
        return path, f"{what} does not belong to {certificate}", f"{key} and canary.certificate"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except OSError:
        return certificate, "the canary's certificate is malformed or no PEM certificate", "canary.certificate"
    about_password = "password" in problem
    return path, f"{what} can't be used: {problem}", f"{key}_password" if about_password else key
