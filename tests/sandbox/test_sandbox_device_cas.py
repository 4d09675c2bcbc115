"""Device CAs of the sandbox at work: who is let in changes while the endpoint serves."""

import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.sandbox.answers import ApiError
from provisioner.sandbox.broker import AmqttBroker
from provisioner.sandbox.certificates import SandboxAuthority
from provisioner.sandbox.device_cas import DeviceCAs
from provisioner.sandbox.faults import ArmedFault, SwitchFault
from provisioner.sandbox.listener import LiveDeviceCAs, ThreadedListener
from provisioner.sandbox.machine import Machine
from provisioner.sandbox.serving import Serving
from provisioner.sandbox.settings import SandboxInstance, SandboxSettings
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Made, make
from tests.sandbox.tls_client import (
    CERTIFICATES,
    NO_CERTIFICATE,
    REFUSED_LOGIN,
    STRANGERS,
    UNKNOWN_CA,
    V12,
    V13,
    Client,
    login,
    start,
)

MUTUAL = Serving(True, CERTIFICATES.server.chain_pem, CERTIFICATES.server.private_key_pem)  # noqa: FBT003
ONE_WAY = Serving(False, CERTIFICATES.server.chain_pem, CERTIFICATES.server.private_key_pem)  # noqa: FBT003
OURS, THEIRS = CERTIFICATES.device_ca_pem, STRANGERS.device_ca_pem
NAME = SandboxInstance().id
REFUSED = {UNKNOWN_CA, *NO_CERTIFICATE.values()}


class PlainListener:
    """A listener that can't change who is let in while it serves, as another broker in its place may be."""

    host, port = "127.0.0.1", 1

    def __init__(self) -> None:
        self.told: list[object] = []

    def start(
        self, *, mutual: bool, chain_pem: str, key_pem: str, device_cas_pem: Sequence[str], anonymous: bool = False
    ) -> None:
        """Note it."""
        self.told.append((mutual, tuple(device_cas_pem)))

    def stop(self) -> None:
        """Note it."""
        self.told.append("stop")

    def close(self) -> None:
        """Note it."""
        self.told.append("close")


@pytest.fixture(scope="module")
def broker() -> Iterator[AmqttBroker]:
    """Return a started broker."""
    broker = AmqttBroker(login)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker: AmqttBroker) -> Iterator[ThreadedListener]:
    """Return a listener that isn't started."""
    listener = ThreadedListener(broker.address)
    yield listener
    listener.close()


@pytest.mark.parametrize("version", [V12, V13])
def test_new_connections_meet_the_new_device_cas(listener: ThreadedListener, tmp_path: Path, version: object) -> None:
    """A CA that is added lets its devices in, one that is taken away no longer does; the certificate stays."""
    ours, theirs = (Client(tmp_path, version, pair.device) for pair in (CERTIFICATES, STRANGERS))  # type: ignore[arg-type]
    start(listener, mutual=True, cas=(OURS,))
    assert (ours.outcome(listener), theirs.outcome(listener)) == (REFUSED_LOGIN, UNKNOWN_CA)
    listener.accept_device_cas((OURS, THEIRS))
    assert (ours.outcome(listener), theirs.outcome(listener)) == (REFUSED_LOGIN, REFUSED_LOGIN)
    listener.accept_device_cas((THEIRS,))
    assert (ours.outcome(listener), theirs.outcome(listener)) == (UNKNOWN_CA, REFUSED_LOGIN)
    listener.accept_device_cas(())
    assert (ours.outcome(listener), theirs.outcome(listener)) == (UNKNOWN_CA, UNKNOWN_CA)


def test_connected_clients_stay(listener: ThreadedListener, tmp_path: Path) -> None:
    """Taking a CA away cuts nobody off at once; the next login is refused."""
    start(listener, mutual=True, cas=(OURS,))
    device = Client(tmp_path, V12, CERTIFICATES.device)
    with device.logged_in(listener) as secured:
        listener.accept_device_cas((THEIRS,))
        assert device.outcome(listener) == UNKNOWN_CA
        secured.sendall(bytes.fromhex("c000"))
        assert secured.recv(2) == bytes.fromhex("d000")


def test_without_mutual_authentication_and_while_stopped_nothing_happens(
    listener: ThreadedListener, tmp_path: Path
) -> None:
    """Nobody is asked for a certificate by it, and nothing is served by it."""
    start(listener)
    listener.accept_device_cas((OURS,))
    assert Client(tmp_path).outcome(listener) == REFUSED_LOGIN
    listener.stop()
    listener.accept_device_cas((OURS,))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((listener.host, listener.port), 5)


def test_what_cannot_be_read_changes_nothing(listener: ThreadedListener, tmp_path: Path) -> None:
    """The device CAs before stay."""
    start(listener, mutual=True, cas=(OURS,))
    with pytest.raises(ValueError, match="device CA"):
        listener.accept_device_cas(("nonsense",))
    assert Client(tmp_path, V12, CERTIFICATES.device).outcome(listener) == REFUSED_LOGIN


class Fleet:
    """A machine whose device CAs a test changes."""

    def __init__(self, listener: ThreadedListener | PlainListener, serving: Serving) -> None:
        self.registered: tuple[str, ...] = (OURS,)
        self.machine = Machine(SandboxInstance(), listener, serving, lambda: self.registered)
        self.machine.start()

    def change(self, *registered: str) -> None:
        """Change the device CAs and tell the machine."""
        self.registered = registered
        self.machine.device_cas_changed()

    def restart(self, wanted: Serving, fault: SwitchFault | None = None) -> None:
        """Restart and wait until the machine serves again."""
        self.machine.restart(wanted, ONE_WAY, ArmedFault(fault) if fault else None, 0.01)
        assert self.machine._thread is not None
        self.machine._thread.join()


def test_a_machine_lets_in_whom_is_registered_now(listener: ThreadedListener, tmp_path: Path) -> None:
    """Over changes, over restarts, and for changes that were made while it was one-way."""
    theirs = Client(tmp_path, V12, STRANGERS.device)
    fleet = Fleet(listener, MUTUAL)
    try:
        assert theirs.outcome(listener) == UNKNOWN_CA
        fleet.change(THEIRS)
        assert theirs.outcome(listener) == REFUSED_LOGIN
        fleet.restart(ONE_WAY)
        fleet.change(OURS)
        fleet.restart(MUTUAL)
        assert theirs.outcome(listener) == UNKNOWN_CA
    finally:
        fleet.machine.stop()


def test_a_fault_that_refuses_devices_outlasts_a_registration(listener: ThreadedListener, tmp_path: Path) -> None:
    """Until the next restart."""
    ours = Client(tmp_path, V12, CERTIFICATES.device)
    fleet = Fleet(listener, ONE_WAY)
    try:
        fleet.restart(MUTUAL, SwitchFault.DEVICES_REFUSED)
        assert ours.outcome(listener) == UNKNOWN_CA
        fleet.change(OURS, THEIRS)
        assert ours.outcome(listener) == UNKNOWN_CA
        fleet.restart(MUTUAL)
        assert ours.outcome(listener) == REFUSED_LOGIN
    finally:
        fleet.machine.stop()


def test_a_listener_without_the_ability_is_restarted() -> None:
    """Only where device CAs matter: mutual and open."""
    plain = PlainListener()
    assert not isinstance(plain, LiveDeviceCAs)
    fleet = Fleet(plain, MUTUAL)
    fleet.change(OURS, THEIRS)
    assert plain.told == [(True, (OURS,)), "stop", (True, (OURS, THEIRS))]
    fleet.machine.stop()
    fleet.change(OURS)
    assert plain.told[3:] == ["close"]
    plain.told.clear()
    fleet = Fleet(plain, ONE_WAY)
    fleet.change(THEIRS)
    assert plain.told == [(False, ())]


def test_a_device_of_an_intermediate_gets_in_by_its_root(listener: ThreadedListener, tmp_path: Path) -> None:
    """The chain that the device sends is followed."""
    root = SandboxAuthority("Root", path_length=1)
    device = SandboxAuthority("Between", issuer=root).issue_client("device")
    start(listener, mutual=True, cas=(OURS,))
    assert Client(tmp_path, V12, device).outcome(listener) in REFUSED
    listener.accept_device_cas((root.certificate_pem,))
    assert Client(tmp_path, V12, device).outcome(listener) == REFUSED_LOGIN


class Office:
    """The sandbox's actions on device CAs, asked without a network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        machines: dict[str, Machine] = {}
        self.cas = DeviceCAs(SandboxSettings((SandboxInstance(device_ca_registered=False),)), machines, OURS)
        machines[NAME] = Machine(SandboxInstance(), PlainListener(), ONE_WAY)

    def make(self, name: str, *extensions: Extension, issuer: Made | None = None, days: int = 1) -> Made:
        """Make a certificate that ends so many days from now."""
        now = datetime.now(UTC)
        return make(
            self.folder, name, *extensions, issuer=issuer, begin=now - timedelta(days=9), end=now + timedelta(days=days)
        )

    def code(self) -> str:
        """Ask for a code."""
        found: str = self.cas.actions["GetRegisterCode"]({"MqttInstanceId": NAME})["RegisterCode"]
        return found

    def refusal(self, **changes: str) -> str:
        """Return the code of the error that a registration ends in; good but for the changes."""
        ca = self.make("CA", CA_TRUE, SIGNS)
        good = {"CaName": "fleet", "CaContent": ca.pem, "VerificationContent": self.make(self.code(), issuer=ca).pem}
        with pytest.raises(ApiError) as caught:
            self.cas.actions["RegisterCaCertificate"]({"MqttInstanceId": NAME} | good | changes)
        assert self.cas.active(NAME) == ()
        return caught.value.code


@pytest.mark.parametrize("field", ["CaName", "CaContent", "VerificationContent"])
def test_a_registration_wants_all_its_parameters(tmp_path: Path, field: str) -> None:
    """With the code that is documented for these actions."""
    assert Office(tmp_path).refusal(**{field: " "}) == "ParameterFieldCheckFailed"


@pytest.mark.parametrize("field", ["CaContent", "VerificationContent"])
def test_a_registration_wants_certificates(tmp_path: Path, field: str) -> None:
    """Whatever else it is sent has no content that it knows."""
    assert Office(tmp_path).refusal(**{field: "nonsense"}) == "CertificateContentError"


@pytest.mark.parametrize(
    ("extensions", "days"),
    [((), 1), (((x509.BasicConstraints(False, None), True),), 1), ((CA_TRUE, SIGNS), -1)],  # noqa: FBT003
)
def test_a_registration_wants_a_ca_in_date(tmp_path: Path, extensions: tuple[Extension, ...], days: int) -> None:
    """Its basicConstraints must say CA:TRUE (documented)."""
    office = Office(tmp_path)
    ca = office.make("Odd CA", *extensions, days=days)
    proof = office.make(office.code(), issuer=ca)
    assert office.refusal(CaContent=ca.pem, VerificationContent=proof.pem) == "CertificateContentError"


def test_a_registration_wants_a_proof_in_date(tmp_path: Path) -> None:
    """An old one proves nothing."""
    office = Office(tmp_path)
    ca = office.make("CA", CA_TRUE, SIGNS)
    old = office.make(office.code(), issuer=ca, days=-1)
    assert office.refusal(CaContent=ca.pem, VerificationContent=old.pem) == "CertificateContentError"
