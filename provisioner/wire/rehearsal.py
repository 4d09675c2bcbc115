"""The rehearsal: the exact chain and key serve TLS on loopback, and a client judges them as devices would.

Real OpenSSL on a real socket, one connection at a time. The server's half of a session runs in one other thread, that
its alerts are those of a server in the field; sockets and thread are gone when ``rehearse`` returns, whatever happened.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from provisioner.errors import UnusableError
from provisioner.model.certificate import MaterialFiles
from provisioner.model.rehearsal import RehearsedSession
from provisioner.model.secret import Secret
from provisioner.wire import words

_LOOPBACK = "127.0.0.1"
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
# A TLS 1.3 server refuses a client only after the handshake: nothing is proven before the client has read this.
_WELCOME = b"!"


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """The canary's certificate: PEM files of the chain and of its key, and the key's password where it has one."""

    certificate: Path
    private_key: Path
    key_password: Secret | None = None


class LoopbackRehearsal:
    """Implements ``ports.Rehearsal``.

    Ordinary checks are those of OpenSSL without any flag: a trusted root, names, dates, purpose. Strict ones add
    ``X509_V_FLAG_X509_STRICT``, which Python 3.13's default context sets; here it is set and left out by hand, whatever
    the running Python does.

    Args:
        trust: PEM texts of the CAs that clients trust; None for the system's store.
        device: the canary's certificate, None to go without.
        timeout: for each step of a session.

    Raises:
        UnusableError: the trusted CAs or the canary's certificate can't be loaded.
    """

    def __init__(
        self,
        trust: Sequence[str] | None,
        device: DeviceCertificate | None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._device = device
        self._timeout = timeout.total_seconds()
        self._clients = {
            (version, strict): self._client(trust, version, strict=strict)
            for version in _VERSIONS
            for strict in (False, True)
        }

    def rehearse(
        self, names: tuple[str, ...], files: MaterialFiles, device_cas_pem: tuple[str, ...]
    ) -> tuple[RehearsedSession, ...]:
        """Serve the files and connect to them for each name, in TLS 1.2 and in TLS 1.3."""
        demanded = self._device is not None and bool(device_cas_pem)
        try:
            server = _server(files, device_cas_pem if demanded else ())
        except OSError as error:
            failure = f"chain and key can't be served: {words.loading(error)}"
            return tuple(RehearsedSession(name, version, failure) for name in names for version in _VERSIONS)
        with _stage(server, self._timeout) as stage:
            return tuple(
                self._session(stage, name, version, demanded=demanded) for name in names for version in _VERSIONS
            )

    def _session(self, stage: "_Stage", name: str, version: str, *, demanded: bool) -> RehearsedSession:
        failure = stage.shake_hands(self._clients[version, False], name)
        strict_failure = "" if failure else stage.shake_hands(self._clients[version, True], name)
        return RehearsedSession(name, version, failure, strict_failure, demanded and not failure)

    def _client(self, trust: Sequence[str] | None, version: str, *, strict: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = context.maximum_version = _VERSIONS[version]
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        if trust is None:
            context.load_default_certs()
        try:
            for text in trust or ():
                context.load_verify_locations(cadata=text)
        except (ssl.SSLError, TypeError, ValueError) as error:
            raise UnusableError(
                "the CAs that the rehearsal is to trust can't be loaded; nothing was changed",
                hint="check that the file named as trust, or the authority, holds CA certificates in PEM",
            ) from error
        if self._device is not None:
            _load_device(context, self._device)
        return context


@dataclass(frozen=True, slots=True)
class _Stage:
    """A listener on loopback, and the thread in which it serves."""

    listener: socket.socket
    server: ssl.SSLContext
    pool: ThreadPoolExecutor
    timeout: float

    def shake_hands(self, client: ssl.SSLContext, name: str) -> str:
        """Return why a session of a client did not come about, nothing when it did."""
        try:
            with socket.create_connection(self.listener.getsockname(), self.timeout) as plain:
                served = self.pool.submit(_serve, self._accept(plain.getsockname()), self.server, self.timeout)
                ended = _connect(client, plain, name)
        except OSError as error:
            return words.describe(error)
        except ValueError:  # of an empty or overlong label, before anything is sent
            return "this is not a name that can be connected to"
        return _failure(ended, served.result())

    def _accept(self, wanted: tuple[str, int]) -> socket.socket:
        """Return the server's end of a connection; other processes of this machine may knock too."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            connection, address = self.listener.accept()
            if address == wanted:
                return connection
            connection.close()
        raise TimeoutError


@contextlib.contextmanager
def _stage(server: ssl.SSLContext, timeout: float) -> Iterator[_Stage]:
    with (
        socket.create_server((_LOOPBACK, 0)) as listener,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="rehearsal") as pool,
    ):
        listener.settimeout(timeout)
        yield _Stage(listener, server, pool, timeout)


def _connect(context: ssl.SSLContext, plain: socket.socket, name: str) -> OSError | None:
    """Be the client, and return how that ended, None when it was welcomed."""
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as secured:
        try:
            secured.do_handshake()
            return None if secured.recv(len(_WELCOME)) == _WELCOME else ConnectionResetError()
        except OSError as error:
            return error


def _serve(plain: socket.socket, context: ssl.SSLContext, timeout: float) -> OSError | None:
    """Be the server, and return how that ended, None when the client was welcomed and went away."""
    plain.settimeout(timeout)
    with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secured:
        try:
            secured.do_handshake()
            secured.sendall(_WELCOME)
        except OSError as error:
            return error
        finally:
            # Closing with unread bytes would reset the connection, and the alert could be lost with it.
            with contextlib.suppress(OSError):
                while socket.socket.recv(secured, 1024):
                    pass
    return None


def _failure(client: OSError | None, server: OSError | None) -> str:
    if client is None:
        return ""
    if isinstance(client, ssl.SSLCertVerificationError):
        return words.verdict(client)
    if isinstance(server, ssl.SSLCertVerificationError):
        return f"the canary's certificate is refused: {words.verdict(server)}"
    return words.describe(client)


def _server(files: MaterialFiles, device_cas_pem: Sequence[str]) -> ssl.SSLContext:
    """Return a server of the files that demands a certificate of a device CA where some are given.

    A device CA may be an intermediate. One that can't be read lets nobody in, and keeps nobody out.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.chain, files.private_key, password="")
    if device_cas_pem:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    for text in device_cas_pem:
        with contextlib.suppress(ssl.SSLError, TypeError, ValueError):
            context.load_verify_locations(cadata=text)
    return context


def _load_device(context: ssl.SSLContext, device: DeviceCertificate) -> None:
    password = device.key_password.reveal() if device.key_password else ""
    try:
        context.load_cert_chain(device.certificate, device.private_key, password=password)
    except OSError as error:
        raise UnusableError(
            f"{device.certificate}, {device.private_key}: the canary's certificate can't be used: "
            f"{words.loading(error)}; nothing was changed",
            hint="check canary.certificate, canary.private_key and canary.private_key_password",
        ) from None
