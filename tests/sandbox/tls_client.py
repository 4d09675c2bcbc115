"""TLS clients of a listener, and the material that listeners are started with, for the tests of the sandbox."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox.broker import signature_password
from provisioner.sandbox.certificates import KeyPair, SandboxCertificates
from provisioner.sandbox.endpoint import Listener

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CONNECT = bytes.fromhex("101000044d5154540402003c000474657374")
REFUSED_LOGIN = bytes.fromhex("20020005")
ACCEPTED_LOGIN = bytes.fromhex("20020000")
NO_CERTIFICATE = {V12: "SSLV3_ALERT_HANDSHAKE_FAILURE", V13: "TLSV13_ALERT_CERTIFICATE_REQUIRED"}
UNKNOWN_CA = "TLSV1_ALERT_UNKNOWN_CA"
# Python before 3.11.3 has OpenSSL take a connection that is just cut off for a session that was ended properly.
_TAKEN_FOR_PROPER = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).options & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
CUT_OFF = b"" if _TAKEN_FOR_PROPER else "UNEXPECTED_EOF_WHILE_READING"
TURNED_AWAY = {"UNEXPECTED_EOF_WHILE_READING", "SSLZeroReturnError", "ConnectionResetError"}  # in a handshake
USER = "Signature|LTAI-test|mqtt-cn-test"
SECRET = "sandbox-secret"
PATIENCE = 10.0
CERTIFICATES = SandboxCertificates()
STRANGERS = SandboxCertificates()


def login(username: str | None, password: str | None, client_id: str) -> bool:
    """Accept one account."""
    return username == USER and password == signature_password(SECRET, client_id)


def start(
    listener: Listener,
    *,
    mutual: bool = False,
    pair: KeyPair = CERTIFICATES.server,
    cas: tuple[str, ...] = (CERTIFICATES.device_ca_pem,),
    anonymous: bool = False,
) -> None:
    """Start ``listener`` with what most tests want."""
    listener.start(
        mutual=mutual,
        chain_pem=pair.chain_pem,
        key_pem=pair.private_key_pem,
        device_cas_pem=cas,
        anonymous=anonymous,
    )


@dataclass(frozen=True)
class Client:
    """A client by its TLS version and certificate, and the root that it trusts."""

    folder: Path
    version: ssl.TLSVersion | None = None
    pair: KeyPair | None = None
    root: str = CERTIFICATES.root_pem

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts the root, checked strictly."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=self.root)
        if self.version is not None:
            context.minimum_version = context.maximum_version = self.version
        if self.pair is not None:
            path = self.folder / "client.pem"
            path.write_text(self.pair.chain_pem + self.pair.private_key_pem, encoding="ascii")
            context.load_cert_chain(path)
        return context

    @contextlib.contextmanager
    def connected(self, listener: Listener) -> Iterator[ssl.SSLSocket]:
        """Connect and shake hands."""
        address = (listener.host, listener.port)
        with (
            socket.create_connection(address, PATIENCE) as plain,
            self.context().wrap_socket(
                plain, server_hostname="mqtt-cn-test.mqtt.aliyuncs.com", suppress_ragged_eofs=False
            ) as secured,
        ):
            yield secured

    @contextlib.contextmanager
    def logged_in(
        self, listener: Listener, username: str = USER, password: str = signature_password(SECRET, "GID_a@@@b")
    ) -> Iterator[ssl.SSLSocket]:
        """Connect, shake hands and log in."""
        fields = b"".join(len(text).to_bytes(2, "big") + text.encode() for text in ("GID_a@@@b", username, password))
        packet = bytes.fromhex("00044d51545404c2003c") + fields
        with self.connected(listener) as secured:
            secured.sendall(bytes([0x10, len(packet)]) + packet)
            assert secured.recv(4) == ACCEPTED_LOGIN
            yield secured

    def outcome(self, listener: Listener) -> bytes | str:
        """Return the answer to a CONNECT without login, or why there was none."""
        try:
            with self.connected(listener) as secured:
                secured.sendall(CONNECT)
                return answer(secured)
        except OSError as error:
            return _reason(error)


def answer(sock: socket.socket) -> bytes | str:
    """Return all that comes until the server ends the session properly, or how it ended otherwise."""
    received = bytearray()
    try:
        while data := sock.recv(65536):
            received += data
    except OSError as error:
        return _reason(error)
    return bytes(received)


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or type(error).__name__)


def listener_threads() -> int:
    """Count the threads of all listeners in this process."""
    return sum(thread.name.startswith("sandbox-listener-") for thread in threading.enumerate())
