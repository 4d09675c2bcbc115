"""The rehearsal: one suite without sockets and with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.model.certificate import MaterialFiles
from provisioner.model.rehearsal import RehearsedSession
from provisioner.ports import Rehearsal
from provisioner.wire.rehearsal import LoopbackRehearsal
from tests.fakes.rehearsal import FakeRehearsal
from tests.fakes.theatre import FOR_SERVERS, NO_CA, SIGNING, both, names, theatre

NAMES = ("mqtt-1.mqtt.aliyuncs.com", "a.example.com")


@dataclass(frozen=True)
class House:
    """A rehearsal with a canary, the files to rehearse, and the canary's device CA."""

    rehearsal: Rehearsal
    files: MaterialFiles
    device_ca: str


@pytest.fixture(params=["fake", "loopback"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """Return files that are good for both names."""
    made = theatre(tmp_path)
    ca, device_ca = made.ca("Owner CA"), made.ca("Device CA")
    server = made.server(ca, NO_CA, SIGNING, FOR_SERVERS, names("*.mqtt.aliyuncs.com", "a.example.com"))
    files = made.files(server, ca)
    if request.param == "fake":
        yield House(FakeRehearsal(), files, device_ca.pem)
        return
    canary = made.canary(made.device(device_ca))
    yield House(LoopbackRehearsal([ca.pem], canary, timedelta(seconds=30)), files, device_ca.pem)


def good_for(*wanted: str, client_certificate: bool) -> tuple[RehearsedSession, ...]:
    """Return sessions without a fault."""
    return sum((both(name=name, client_certificate=client_certificate) for name in wanted), ())


def test_every_name_is_rehearsed_in_both_versions(house: House) -> None:
    """In the order of the names, with the canary's certificate where device CAs are known."""
    got = house.rehearsal.rehearse(NAMES, house.files, (house.device_ca,))
    assert got == good_for(*NAMES, client_certificate=True)
    assert house.rehearsal.rehearse(NAMES[1:], house.files, (house.device_ca,)) == got[2:]


def test_without_known_device_cas_the_canary_is_left_out(house: House) -> None:
    """That is no failure; it is said that it was not shown."""
    assert house.rehearsal.rehearse(NAMES[:1], house.files, ()) == good_for(NAMES[0], client_certificate=False)


def test_no_names_make_no_sessions(house: House) -> None:
    """And no error."""
    assert house.rehearsal.rehearse((), house.files, (house.device_ca,)) == ()
