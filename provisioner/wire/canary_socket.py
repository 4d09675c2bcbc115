"""The TLS sockets that the canary hands to paho: they verify the endpoint's name, and keep what paho does not tell."""

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from provisioner.wire import words

# A TLS 1.3 server refuses a client certificate only after the handshake; CONNECT must not be written before that.
_GRACE = 0.25


class NamedContext(ssl.SSLContext):
    """Asks for and verifies the endpoint's name, whatever address the client connects to."""

    host = ""
    made: "AttentiveSocket | None" = None

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:  # noqa: ANN401  paho decides what it passes
        """Return the session's socket."""
        options["server_hostname"] = self.host
        made = super().wrap_socket(sock, *args, **options)
        assert isinstance(made, AttentiveSocket)
        self.made = made
        return made


class AttentiveSocket(ssl.SSLSocket):
    """Listens for a late refusal after the handshake, and keeps what paho does not pass on.

    Attributes:
        leaf: the served leaf in DER, None when the handshake did not come so far.
        ended: how the session ended, in words, while paho read.
    """

    leaf: bytes | None = None
    ended: str = ""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, and listen for a while where the refusal may still come. Raises ``OSError``."""
        try:
            super().do_handshake(block)
        finally:
            self.leaf = self._served()
        if self.version() == "TLSv1.3":
            self._listen()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return decrypted bytes. Raises ``OSError``."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.ended = words.describe(error)  # paho makes "connection lost" of every error
            raise

    def _served(self) -> bytes | None:
        """Return the served leaf; of a handshake that failed only Python 3.13 and later tell it."""
        try:
            return self.getpeercert(binary_form=True)
        except ValueError:
            read: Callable[[], Sequence[bytes]] | None = getattr(self, "get_unverified_chain", None)
            return next(iter(read()), None) if read else None

    def _listen(self) -> None:
        timeout = self.gettimeout()
        self.settimeout(_GRACE)
        try:
            if not self.recv(1):
                raise ConnectionResetError
        except TimeoutError:
            return
        finally:
            self.settimeout(timeout)
