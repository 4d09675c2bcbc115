"""With what TLS an endpoint is served: certificate, versions, and who may connect."""

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_CERTIFICATE: Final = 11  # the handshake message
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(tls_versions: Sequence[str], chain_pem: str, key_pem: str) -> ssl.SSLContext:
    """Return a context that serves ``chain_pem`` and asks for no client certificate.

    Raises:
        ValueError: chain and key don't belong together, can't be read, or the key has a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = sorted(_VERSIONS[version] for version in tls_versions)
    context.minimum_version, context.maximum_version = versions[0], versions[-1]
    with _short_lived_file(f"{chain_pem}\n{key_pem}".encode()) as path:
        try:
            context.load_cert_chain(path, password=_no_passphrase)
        except ssl.SSLError as error:
            raise ValueError(f"chain and private key can't be used together: {error.reason}") from None
    return context


def choose_by_name(contexts: Mapping[str, ssl.SSLContext]) -> ssl.SSLContext:
    """Return the context under the empty name, which hands clients that ask for another name to that one's context."""
    default = contexts[""]

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        found = contexts.get((name or "").lower())
        if found is not None:
            connection.context = found

    if len(contexts) > 1:
        default.sni_callback = choose
    return default


def demand_client_certificate(context: ssl.SSLContext, device_cas_pem: Sequence[str], *, anonymous: bool) -> None:
    """Accept what chains to one of the device CAs, be it a root or an intermediate, and nothing else.

    No CA is trusted beside those given, so that none given means that every certificate is refused.

    Args:
        context: the server's context, changed in place.
        device_cas_pem: one PEM text per device CA.
        anonymous: accept clients without a certificate too.

    Raises:
        ValueError: a device CA can't be read.
    """
    context.verify_mode = ssl.CERT_OPTIONAL if anonymous else ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for pem in device_cas_pem:
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, TypeError, ValueError):
            raise ValueError("a device CA can't be read as a certificate in PEM") from None


def take_any_certificate(context: ssl.SSLContext) -> None:
    """Let a context that demands client certificates take any that a client proves to hold, self-signed ones too.

    Python's ssl can't leave the verification out. But OpenSSL shows each message before it judges it, so the
    certificate that a client has just sent is trusted as its own anchor in time; its purpose and dates still count.
    """

    def learn(client: ssl.SSLSocket, direction: str, _: object, __: object, kind: object, data: bytes) -> None:
        if direction == "read" and kind == _CERTIFICATE:
            for der in _listed(data):
                with contextlib.suppress(ssl.SSLError, ValueError):
                    client.context.load_verify_locations(cadata=der)  # which SNI may have chosen

    # Private, and the only way: it is in every Python since 3.8.
    context._msg_callback = learn  # type: ignore[attr-defined]  # noqa: SLF001


def _listed(message: bytes) -> Iterator[bytes]:
    """Return the certificates (DER) of a handshake message that lists some, whichever TLS version it is of.

    In each version an entry begins with a length of three bytes; what stands between two certificates of TLS 1.3 is
    passed over by looking for what can be one.
    """
    at = message.find(b"\x30\x82")
    while at >= 0:
        length = 4 + int.from_bytes(message[at + 2 : at + 4])
        yield message[at : at + length]
        at = message.find(b"\x30\x82", at + length)


def _no_passphrase() -> str:
    """Stand in for OpenSSL's question on the terminal."""
    raise ValueError("the private key must not have a passphrase")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[Path]:
    """Lend ``content`` as a file that no disk has."""
    descriptor = os.memfd_create("sandbox-key")
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")


@contextlib.contextmanager
def _on_disk(content: bytes) -> Iterator[Path]:
    """Lend ``content`` as a file that is its owner's alone, and gone when the block ends."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield Path(name)
    finally:
        Path(name).unlink()


def _short_lived_file(content: bytes) -> contextlib.AbstractContextManager[Path]:
    """Lend ``content`` as a file: Python's ssl loads private keys from files only."""
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        return _in_memory(content)
    return _on_disk(content)
