"""TLS servers of every kind that a client may meet: Python's in a thread, asyncio's, and openssl's own.

Each is a context manager that gives the loopback port. Those that speak MQTT answer every CONNECT with a refused login.
"""

import asyncio
import contextlib
import os
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from provisioner.sandbox.certificates import SandboxCertificates
from tests.servers.programs import find

Conversation = Callable[[socket.socket], None]
"""What a server does with one accepted connection; the connection is closed after it."""

CERTIFICATES = SandboxCertificates()
REFUSED_LOGIN = bytes.fromhex("20020005")
PATIENCE = 20.0
_FEED_EVERY = 0.02


def context(
    folder: Path, *, demand: ssl.VerifyMode = ssl.CERT_NONE, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """Return a server's context with the sandbox's certificate.

    Args:
        folder: where files may be written.
        demand: whether a client certificate is asked for and required.
        version: the one version of TLS that is spoken, None for the usual ones.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*files(folder))
    made.verify_mode = demand
    if demand is not ssl.CERT_NONE:
        made.load_verify_locations(cadata=CERTIFICATES.device_ca_pem)
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


def files(folder: Path) -> tuple[Path, Path]:
    """Write the server's chain and key, and return their files."""
    chain, key = folder / "server.crt", folder / "server.key"
    chain.write_text(CERTIFICATES.server.chain_pem, encoding="ascii")
    key.touch(0o600)
    key.write_text(CERTIFICATES.server.private_key_pem, encoding="ascii")
    return chain, key


def mqtt(connection: socket.socket) -> None:
    """Refuse the login of a client that says anything, and wait until it is gone."""
    if connection.recv(1024):
        connection.sendall(REFUSED_LOGIN)
        drain(connection)


def drain(connection: socket.socket) -> None:
    """Read until the client is gone, and say nothing."""
    while connection.recv(4096):
        pass


def close_when_read(connection: socket.socket) -> None:
    """Read what a client says first, and say nothing."""
    connection.recv(4096)


def over_tls(context: ssl.SSLContext, speak: Conversation = mqtt) -> Conversation:
    """Return the conversation ``speak`` in TLS.

    After a refusal the client is read until it is gone: closing with unread bytes would reset the connection, and the
    reset may overtake the alert.
    """

    def converse(plain: socket.socket) -> None:
        with plain.dup() as raw:
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    speak(secured)
            except ssl.SSLError:
                raw.shutdown(socket.SHUT_WR)
                drain(raw)

    return converse


@contextlib.contextmanager
def serving(converse: Conversation, *, at_once: bool = False) -> Iterator[int]:
    """Serve one client after the other in a thread, or with ``at_once`` each in a thread of its own."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.settimeout(PATIENCE)
            with contextlib.suppress(OSError):  # what becomes of the client is what the client tells
                converse(connection)

    class AtOnce(socketserver.ThreadingTCPServer):
        daemon_threads = True  # a client that stays is not waited for
        request_queue_size = 64

    with (AtOnce if at_once else socketserver.TCPServer)(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def serving_asyncio(context: ssl.SSLContext) -> Iterator[int]:
    """Serve with asyncio, whose TLS ends a refused handshake without an alert (measured)."""
    ready: Future[tuple[int, Callable[[], object]]] = Future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if await reader.read(1024):
                writer.write(REFUSED_LOGIN)
                await reader.read()
        writer.close()

    async def serve() -> None:
        stopping = asyncio.Event()
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            stop = partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set)
            ready.set_result((server.sockets[0].getsockname()[1], stop))
            await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, stop = ready.result(PATIENCE)
    try:
        yield port
    finally:
        stop()
        thread.join()


@contextlib.contextmanager
def serving_openssl(folder: Path, *options: str) -> Iterator[int]:
    """Serve with ``openssl s_server``; it sends what it is fed, which is a refused login again and again."""
    chain, key = files(folder)
    above, devices = folder / "above.crt", folder / "devices.crt"
    above.write_text(CERTIFICATES.server.chain_pem.removeprefix(CERTIFICATES.server.certificate_pem), encoding="ascii")
    devices.write_text(CERTIFICATES.device_ca_pem, encoding="ascii")
    found = find("openssl")
    assert found is not None
    command = [found, "s_server", "-accept", "127.0.0.1:0", "-cert", str(chain), "-cert_chain", str(above)]
    command += ["-key", str(key), "-CAfile", str(devices), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = next(text for text in process.stdout if text.startswith(b"ACCEPT"))
        stopping = threading.Event()
        feeder = threading.Thread(target=_feed, args=(process.stdin.fileno(), stopping))
        feeder.start()
        try:
            yield int(line.rpartition(b":")[2])
        finally:
            stopping.set()
            feeder.join()
            process.kill()


def _feed(descriptor: int, stopping: threading.Event) -> None:
    with contextlib.suppress(OSError):  # the server has ended by itself
        while not stopping.wait(_FEED_EVERY):
            os.write(descriptor, REFUSED_LOGIN)
