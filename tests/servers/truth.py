"""What a port really serves, measured with programs that are not ours: ``openssl s_client`` and ``mosquitto_pub``.

A test that compares the product's verdict with this compares it with something else than our own reading of TLS.
"""

import hashlib
import re
import ssl
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox.certificates import KeyPair
from tests.servers.ports import HOST
from tests.servers.process import found

NAME = "mqtt-cn-test.mqtt.aliyuncs.com"
_WITHIN = 10.0
_LEAF = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Served:
    """What one connection without client certificate met.

    Attributes:
        leaf_sha256: the served leaf, None when none came.
        asked: whether the server asked for a client certificate, None when no leaf came.
    """

    leaf_sha256: str | None
    asked: bool | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What many connections to one port met.

    Attributes:
        served: how many met which leaf and which demand.
        let_in_with: how many devices with a certificate could publish.
        let_in_without: how many devices without one could.
    """

    served: Counter[Served]
    let_in_with: int
    let_in_without: int


@dataclass(frozen=True, slots=True)
class Device:
    """A client of the broker.

    Attributes:
        roots_pem: the roots that it trusts; it does not look at the server's name.
        pair: its certificate and key, None for a device without.
        login: user name and password, None for a device without.
    """

    roots_pem: str
    pair: KeyPair | None = None
    login: tuple[str, str] | None = None


def truth(port: int, n: int, *, device: Device) -> Truth:
    """Return what ``n`` connections of each kind met, one after the other.

    Args:
        port: a loopback port.
        n: how many; a multiple of the backends for an exact distribution over a round robin.
        device: a device that ought to be let in with its certificate.
    """
    without = Device(device.roots_pem, None, device.login)
    return Truth(served(port, n), let_in(port, n, device), let_in(port, n, without))


def served(port: int, n: int) -> Counter[Served]:
    """Return what ``n`` connections of openssl met."""
    return Counter(serves(port) for _ in range(n))


def serves(port: int, options: Sequence[str] = ()) -> Served:
    """Return what one connection of ``openssl s_client`` met."""
    said = _s_client(port, *options)
    leaf = _LEAF.search(said)
    if leaf is None:
        return Served(None, None)
    return Served(fingerprint(leaf[0]), "CertificateRequest" in said)


def alert(port: int, options: Sequence[str] = ()) -> str:
    """Return the fatal alert of a server that refuses a client without certificate, an empty text if it just closes.

    It waits for the end of the connection, and so is of no use where clients are let in.
    """
    fatal = re.search(r"<<< .*Alert .*fatal (\w+)", _s_client(port, "-ign_eof", *options))
    return fatal[1] if fatal else ""


def answer(port: int, packet: bytes) -> bytes:
    """Return the first byte that a server answers to a packet, none if it closes before."""
    command = [*_s_client_command(port), "-quiet"]  # which takes no byte of the packet for a command, and waits
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_WITHIN, process.kill)
        timer.start()
        try:
            process.stdin.write(packet)
            process.stdin.flush()
            return process.stdout.read(1)
        finally:
            timer.cancel()
            process.kill()


def _s_client_command(port: int) -> list[str]:
    return [found("openssl"), "s_client", "-connect", f"{HOST}:{port}", "-servername", NAME]


def _s_client(port: int, *options: str) -> str:
    command = [*_s_client_command(port), "-msg", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN, check=False)
    return done.stdout.decode("utf-8", errors="replace")


def fingerprint(pem: str) -> str:
    """Return the SHA-256 fingerprint of the first certificate."""
    first = _LEAF.search(pem)
    assert first is not None
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).hexdigest()


def let_in(port: int, n: int, device: Device) -> int:
    """Return how many of ``n`` attempts of ``mosquitto_pub`` were acknowledged."""
    with tempfile.TemporaryDirectory(prefix="device-") as folder:
        command = _publishing(port, device, Path(folder))
        return sum(_succeeds(command) for _ in range(n))


def _publishing(port: int, device: Device, folder: Path) -> list[str]:
    command = [found("mosquitto_pub"), "-h", HOST, "-p", str(port), "-q", "1", "-t", "truth", "-m", "truth"]
    command += ["--insecure", "--cafile", _write(folder / "roots.crt", device.roots_pem)]
    if device.pair is not None:
        command += ["--cert", _write(folder / "device.crt", device.pair.chain_pem)]
        command += ["--key", _write(folder / "device.key", device.pair.private_key_pem)]
    if device.login is not None:
        command += ["-u", device.login[0], "-P", device.login[1]]
    return command


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=_WITHIN, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _write(path: Path, text: str) -> str:
    path.touch(0o600)
    path.write_text(text, encoding="ascii")
    return str(path)
