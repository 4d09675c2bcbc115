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
from provisioner.wire.loading import load_chain, load_device

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

    Each session is up to three connections: one judged by OpenSSL's ordinary checks, one by its strict ones
    (``X509_V_FLAG_X509_STRICT``, which Python 3.13's default context sets; here it is set and left out by hand), and
    one on which the canary's certificate is demanded. They are apart because OpenSSL completes a chain of one
    certificate from the CAs that its own side trusts (measured): on the first two the server trusts nobody, on the
    third the client does so, and what is served and what is sent is just what the files hold.

    Args:
        trust: PEM texts of the CAs that clients trust; None for the system's store.
        device: the canary's certificate, None to go without.
        timeout: for each step of a connection.

    Raises:
        UnusableError: the trusted CAs or the canary's certificate can't be loaded.
    """

    def __init__(
        self,
        trust: Sequence[str] | None,
        device: DeviceCertificate | None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._ordinary = {version: _judge(version, trust) for version in _VERSIONS}
        self._strict = {version: _judge(version, trust) for version in _VERSIONS}
        for context in self._strict.values():
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        self._devices = {version: _device(version, device) for version in _VERSIONS} if device else {}

    def rehearse(
        self, names: tuple[str, ...], files: MaterialFiles, device_cas_pem: tuple[str, ...]
    ) -> tuple[RehearsedSession, ...]:
        """Serve the files and connect to them for each name, in TLS 1.2 and in TLS 1.3."""
        open_to_all, demanding = _server(), _server()
        for server in (open_to_all, demanding):
            if problem := load_chain(server, files.chain, files.private_key, None):
                failure = f"chain and key can't be served: {problem}"
                return tuple(RehearsedSession(name, version, failure) for name in names for version in _VERSIONS)
        _demand(demanding, device_cas_pem)
        with _stage(self._timeout) as stage:
            play = _Play(stage, open_to_all, demanding if device_cas_pem else None)
            return tuple(self._session(play, name, version) for name in names for version in _VERSIONS)

    def _session(self, play: "_Play", name: str, version: str) -> RehearsedSession:
        failure = play.stage.shake_hands(self._ordinary[version], play.open_to_all, name)
        if failure:
            return RehearsedSession(name, version, failure)
        strict_failure = play.stage.shake_hands(self._strict[version], play.open_to_all, name)
        device = self._devices.get(version)
        if device is None or play.demanding is None:
            return RehearsedSession(name, version, "", strict_failure)
        failure = play.stage.shake_hands(device, play.demanding, name)
        return RehearsedSession(name, version, failure, strict_failure, client_certificate=not failure)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A listener on loopback, and the thread in which it serves."""

    listener: socket.socket
    pool: ThreadPoolExecutor
    timeout: float

    def shake_hands(self, client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str:
        """Return why client and server did not come together, nothing when they did."""
        if not _connectable(name):
            return "this is not a name that can be connected to"
        try:
            with socket.create_connection(self.listener.getsockname(), self.timeout) as plain:
                served = self.pool.submit(_serve, self._accept(plain.getsockname()), server, self.timeout)
                ended = _connect(client, plain, name)
        except OSError as error:
            return words.describe(error)
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


@dataclass(frozen=True, slots=True)
class _Play:
    """Where the sessions take place, and with which servers: one for everybody, one for devices if they are known."""

    stage: _Stage
    open_to_all: ssl.SSLContext
    demanding: ssl.SSLContext | None


@contextlib.contextmanager
def _stage(timeout: float) -> Iterator[_Stage]:
    with (
        socket.create_server((_LOOPBACK, 0)) as listener,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="rehearsal") as pool,
    ):
        listener.settimeout(timeout)
        yield _Stage(listener, pool, timeout)


def _connect(context: ssl.SSLContext, plain: socket.socket, name: str) -> OSError | None:
    """Be the client, and return how that ended, None when it was welcomed."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as secured:
        try:
            secured.do_handshake()
            return None if secured.recv(len(_WELCOME)) == _WELCOME else ConnectionResetError()
        except OSError as error:
            return error


def _serve(plain: socket.socket, context: ssl.SSLContext, timeout: float) -> OSError | None:
    """Be the server, and return how that ended, None when the client was welcomed and went away."""
    try:
        with plain:
            plain.settimeout(timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secured:
                _welcome(secured)
    except OSError as error:
        return error
    return None


def _welcome(secured: ssl.SSLSocket) -> None:
    try:
        secured.do_handshake()
        secured.sendall(_WELCOME)
    finally:
        # Closing with unread bytes would reset the connection, and an alert could be lost with it.
        with contextlib.suppress(OSError):
            while socket.socket.recv(secured, 1024):
                pass


def _failure(client: OSError | None, server: OSError | None) -> str:
    if client is None:
        return ""
    if isinstance(client, ssl.SSLCertVerificationError):
        return words.verdict(client)
    if isinstance(server, ssl.SSLCertVerificationError):
        return f"the canary's certificate is refused: {words.verdict(server)}"
    # A server that gave up waiting closes, and that is all that its client sees.
    return words.describe(server if isinstance(server, TimeoutError) else client)


def _connectable(name: str) -> bool:
    """Tell whether a client could ask for a name: Python's own check leaves a socket behind."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return bool(name) and not name.startswith(".")


def _judge(version: str, trust: Sequence[str] | None) -> ssl.SSLContext:
    """Return a client that judges what it is served."""
    context = _client(version)
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
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
    return context


def _device(version: str, device: DeviceCertificate) -> ssl.SSLContext:
    """Return a client with the canary's certificate that judges nothing: what is served was judged before."""
    context = _client(version)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    load_device(context, device.certificate, device.private_key, device.key_password)
    return context


def _client(version: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = _VERSIONS[version]
    return context


def _server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _demand(context: ssl.SSLContext, device_cas_pem: Sequence[str]) -> None:
    """Demand certificates of the device CAs, which may be intermediates.

    A device CA that can't be read lets nobody in, and keeps nobody out.
    """
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    for text in device_cas_pem:
        with contextlib.suppress(ssl.SSLError, TypeError, ValueError):
            context.load_verify_locations(cadata=text)
