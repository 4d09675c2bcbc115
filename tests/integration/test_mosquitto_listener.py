"""Mosquitto as a listener of the sandbox keeps the promises of ``Listener``."""

import contextlib
import socket
import stat
from collections.abc import Iterator

import pytest

from provisioner.sandbox.listener import Listener
from tests.servers.mosquitto import MosquittoListener
from tests.servers.tls import CERTIFICATES, PATIENCE

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def mosquitto() -> Iterator[MosquittoListener]:
    """Lend one that isn't started."""
    with contextlib.closing(MosquittoListener()) as listener:
        yield listener


def start(listener: Listener, chain_pem: str = CERTIFICATES.server.chain_pem) -> None:
    """Start it one-way."""
    key_pem = CERTIFICATES.server.private_key_pem
    listener.start(mutual=False, chain_pem=chain_pem, key_pem=key_pem, device_cas_pem=())


def accepts(listener: Listener) -> bool:
    """Tell whether the port accepts connections."""
    try:
        socket.create_connection((listener.host, listener.port), PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_port_stays_the_same_and_is_closed_between(mosquitto: MosquittoListener) -> None:
    """It accepts after each start, refuses after each stop, and nobody else gets the port in between."""
    port, seen = mosquitto.port, [accepts(mosquitto)]
    for _ in range(2):
        start(mosquitto)
        seen.append(accepts(mosquitto))
        mosquitto.stop()
        seen.append(accepts(mosquitto))

    assert (seen, mosquitto.port) == ([False, True, False, True, False], port)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((mosquitto.host, mosquitto.port))


def test_starting_twice_is_an_error_and_stopping_twice_is_not(mosquitto: MosquittoListener) -> None:
    """It is started once at a time, and never again once it is closed."""
    start(mosquitto)
    with pytest.raises(RuntimeError, match="already started"):
        start(mosquitto)
    for end in (mosquitto.stop, mosquitto.stop, mosquitto.close, mosquitto.close):
        end()
    with pytest.raises(RuntimeError, match="closed"):
        start(mosquitto)


def test_what_it_cannot_serve_is_an_error(mosquitto: MosquittoListener) -> None:
    """Material that can't be used is named by its broker's own words, and a later start works."""
    with pytest.raises(ValueError, match="Unable to load server certificate"):
        start(mosquitto, chain_pem="nothing of use")
    start(mosquitto)

    assert accepts(mosquitto)


def test_the_private_key_is_its_owners_alone(mosquitto: MosquittoListener) -> None:
    """Folder and files with keys and passwords are readable by nobody else."""
    start(mosquitto)
    folder = mosquitto._folder
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "key.pem")}

    assert modes == {folder.name: 0o700, "key.pem": 0o600}
