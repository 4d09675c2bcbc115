"""Instances with several backends: restarts, what goes wrong with single backends, and what a test can ask and set."""

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest

from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.sandbox.certificates import KeyPair, SandboxAuthority
from provisioner.sandbox.faults import SwitchFault
from provisioner.sandbox.machine import Machine
from tests.fakes.authorities import make
from tests.sandbox.tls_client import (
    NO_CERTIFICATE,
    PATIENCE,
    REFUSED_LOGIN,
    TURNED_AWAY,
    UNKNOWN_CA,
    V12,
    V13,
    Client,
)

ID = "mqtt-cn-sandbox01"
OWNER = SandboxAuthority("Owner", path_length=0)
ONE_WAY, MUTUAL = "one_way", "mutual"


class Place:
    """A sandbox with one instance, switched by its own actions."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @property
    def machine(self) -> Machine:
        """The instance at work."""
        return self.sandbox.machine(ID)

    def request(self, mode: str, fault: str = "", seconds: float | None = None) -> None:
        """Ask for a mode, with a fault if one is named; returns at once."""
        if fault:
            self.sandbox.faults.arm(fault, instance_id=ID, seconds=seconds)
        settings = self.sandbox.settings
        if mode == ONE_WAY:
            self.sandbox.console(settings.one_way_action, {"MqttInstanceId": ID})
            return
        pair = OWNER.issue_server(["*.mqtt.aliyuncs.com"])
        hosted = self.sandbox.hosting.add("one", pair.chain_pem + OWNER.certificate_pem, pair.private_key_pem)
        self.sandbox.console(settings.mutual_action, {"MqttInstanceId": ID, "CertIdentifier": hosted})

    def switch(self, mode: str, fault: str = "", seconds: float | None = None) -> None:
        """Ask for a mode and wait until the instance is in service again."""
        self.request(mode, fault, seconds)
        until(lambda: self.machine.status == 5)

    def refuses(self) -> bool:
        """Return whether the port refuses connections."""
        listener = self.machine.listener
        try:
            socket.create_connection((listener.host, listener.port), PATIENCE).close()
        except ConnectionRefusedError:
            return True
        return False

    def modes(self) -> list[str]:
        """Return each backend's mode, ``down`` where it is."""
        return [str(one.truth()["mode"]) if one.up else "down" for one in self.machine.backends]

    def outcome(self, client: Client) -> bytes | str:
        """Return what a client without a login meets."""
        return replace(client, root=self.sandbox.certificates.root_pem + OWNER.certificate_pem).outcome(
            self.machine.listener
        )


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def place(seconds: float = 0.05, **instance: object) -> Iterator[Place]:
    """Run a sandbox with one instance that restarts in so many seconds."""
    settings = SandboxSettings((SandboxInstance(**instance),), restart_seconds=seconds)  # type: ignore[arg-type]
    with Sandbox(settings) as sandbox:
        yield Place(sandbox)


@pytest.fixture
def three() -> Iterator[Place]:
    """Lend an instance with three backends that restart together."""
    with place(backends=3) as made:
        yield made


def test_all_backends_go_together(three: Place, tmp_path: Path) -> None:
    """During the restart the port refuses; afterwards every backend demands a certificate."""
    assert three.modes() == [ONE_WAY] * 3
    three.request(MUTUAL)
    until(three.refuses)
    until(lambda: three.machine.status == 5)
    assert (three.modes(), three.machine.restarts) == ([MUTUAL] * 3, 1)
    assert [three.outcome(Client(tmp_path, V12)) for _ in range(3)] == [NO_CERTIFICATE[V12]] * 3


def test_one_by_one_the_port_stays_open(tmp_path: Path) -> None:
    """Old and new alternate in between, each backend is down in its turn, and no connection is refused."""
    course = [
        [MUTUAL] * done + rest
        for done in range(3)
        for rest in ([ONE_WAY] * (3 - done), ["down"] + [ONE_WAY] * (2 - done))
    ]
    with place(backends=3, restart_order="one_by_one", restart_spread=0.6) as three:
        three.request(MUTUAL)
        seen, outcomes = [three.modes()], set()
        while three.machine.status != 5:
            outcomes.add(three.outcome(Client(tmp_path, V12)))
            seen.append(three.modes())
    course.append([MUTUAL] * 3)
    moments = [course.index(one) for one in seen if one in course]  # a reading may fall into a change
    assert moments == sorted(moments)
    assert set(moments) >= {1, 3, 5, 6}
    assert {REFUSED_LOGIN, NO_CERTIFICATE[V12]} <= outcomes <= {REFUSED_LOGIN, NO_CERTIFICATE[V12], *TURNED_AWAY}


def test_a_stale_backend_stays_until_the_next_switch(three: Place, tmp_path: Path) -> None:
    """Its certificate and mode are the old ones, whatever the status says; the next switch takes it along."""
    three.switch(MUTUAL, "stale_backend")
    assert (three.modes(), three.machine.truth()["mode"]) == ([MUTUAL, MUTUAL, ONE_WAY], MUTUAL)
    met = [three.outcome(Client(tmp_path, V12)) for _ in range(6)]
    assert met == [NO_CERTIFICATE[V12], NO_CERTIFICATE[V12], REFUSED_LOGIN] * 2
    three.switch(ONE_WAY, "stale_backend")
    assert three.modes() == [ONE_WAY] * 3
    three.switch(MUTUAL)
    leaves = {one.truth()["leaf_sha256"] for one in three.machine.backends}
    assert (three.modes(), leaves) == ([MUTUAL] * 3, {three.machine.serving.leaf_sha256})


@pytest.mark.parametrize(
    ("fault", "meanwhile"), [("stale_backend_recovers", ONE_WAY), ("backend_late", "down"), ("backend_down", "down")]
)
def test_a_backend_comes_later_or_never(three: Place, fault: str, meanwhile: str) -> None:
    """After its seconds it is in the new state; one that is down for good comes with the next switch."""
    lasting = fault != "backend_down"
    three.switch(MUTUAL, fault, 0.3 if lasting else None)
    assert three.modes() == [MUTUAL, MUTUAL, meanwhile]
    if not lasting:
        three.switch(MUTUAL)
    until(lambda: three.modes() == [MUTUAL] * 3)


def test_a_switch_ends_what_still_goes_on(three: Place) -> None:
    """The backend that would have come into the state before does no longer."""
    three.switch(MUTUAL, "backend_late", 0.4)
    three.switch(ONE_WAY)
    time.sleep(0.5)
    assert (three.modes(), three.machine.serving.mode) == ([ONE_WAY] * 3, ONE_WAY)


def test_a_broker_comes_after_tls(three: Place, tmp_path: Path) -> None:
    """Sessions are accepted and end at their CONNECT; then logins are judged."""
    three.switch(ONE_WAY, "broker_late", 0.5)
    assert [three.outcome(Client(tmp_path, version)) for version in (V12, V13)] == [b"", b""]
    until(lambda: three.outcome(Client(tmp_path)) == REFUSED_LOGIN)


def test_a_switch_ends_the_absence_of_the_broker(three: Place, tmp_path: Path) -> None:
    """Also for a backend that comes late then."""
    three.switch(ONE_WAY, "broker_late", 60)
    three.switch(ONE_WAY, "backend_late", 0.1)
    until(lambda: three.modes() == [ONE_WAY] * 3)
    assert [three.outcome(Client(tmp_path)) for _ in range(3)] == [REFUSED_LOGIN] * 3


@pytest.mark.parametrize("version", [V12, V13])
def test_any_certificate_is_taken(three: Place, tmp_path: Path, version: object) -> None:
    """One is demanded, and it doesn't matter whose; the next switch ends that."""
    alone = make(tmp_path, "throw-away", begin=datetime.now(UTC) - timedelta(days=1))
    own = KeyPair(alone.pem, alone.pem, alone.key_path.read_text(encoding="ascii"))
    pairs = [None, SandboxAuthority("strangers").issue_client("a"), own, three.sandbox.certificates.device]
    clients = [Client(tmp_path, version, pair) for pair in pairs]  # type: ignore[arg-type]
    three.switch(MUTUAL, "takes_any_certificate")
    assert [three.outcome(one) for one in clients] == [NO_CERTIFICATE[version]] + [REFUSED_LOGIN] * 3  # type: ignore[index]
    three.switch(MUTUAL)
    assert three.outcome(clients[1]) == UNKNOWN_CA


@pytest.mark.parametrize(
    ("fault", "seconds", "expected"),
    [
        ("stale_backend", None, [ONE_WAY]),
        ("backend_down", None, ["down"]),
        ("dead", None, ["down"]),
        ("reverts", None, [ONE_WAY]),
        ("no_effect", None, [ONE_WAY]),
        ("wrong_leaf", None, [MUTUAL]),
    ],
)
def test_one_backend_has_the_fault_to_itself(fault: str, seconds: float | None, expected: list[str]) -> None:
    """An instance with one backend has no other one that would do."""
    with place() as single:
        single.switch(MUTUAL, fault, seconds)
        assert single.modes() == expected


@pytest.mark.parametrize("order", ["together", "one_by_one"])
def test_a_dead_instance_refuses_until_the_next_switch(tmp_path: Path, order: str) -> None:
    """With several backends too the port is closed then, and opens again."""
    with place(backends=2, restart_order=order) as two:
        two.switch(MUTUAL, "dead")
        assert (two.modes(), two.outcome(Client(tmp_path))) == (["down"] * 2, "ConnectionRefusedError")
        two.switch(ONE_WAY)
        assert (two.modes(), two.outcome(Client(tmp_path))) == ([ONE_WAY] * 2, REFUSED_LOGIN)


def test_a_test_brings_single_backends_into_states(three: Place) -> None:
    """Each of its own, without a restart of the instance."""
    machine = three.machine
    machine.backend(1).serve(replace(machine.serving, mutual=True))
    machine.backend(2).stop()
    assert (three.modes(), machine.restarts, machine.status) == ([ONE_WAY, MUTUAL, "down"], 0, 5)
    machine.backend(2).serve(machine.serving)
    assert three.modes() == [ONE_WAY, MUTUAL, ONE_WAY]


@pytest.mark.parametrize("drops", [False, True])
def test_a_broker_may_drop_bad_logins(tmp_path: Path, *, drops: bool) -> None:
    """Without a refusing CONNACK, in both modes; a good login gets its CONNACK all the same."""
    with place(drops_logins=drops) as one:
        device = one.sandbox.certificates.device
        answers = [one.outcome(Client(tmp_path))]
        one.switch(MUTUAL)
        answers.append(one.outcome(Client(tmp_path, pair=device)))
        assert answers == [b"" if drops else REFUSED_LOGIN] * 2
        username, password = one.sandbox.canary_login(ID, "GID_a@@@b")
        client = Client(tmp_path, pair=device, root=OWNER.certificate_pem)
        with client.logged_in(one.machine.listener, username, password):
            pass


def test_what_the_instances_are_is_told_over_http(three: Place) -> None:
    """Each backend with its mode, its leaf, and whether it is up."""
    three.machine.backend(1).stop()
    (told,) = json.load(urllib.request.urlopen(f"{three.sandbox.api_url}/instances"))  # noqa: S310  loopback
    leaf = three.machine.serving.leaf_sha256
    assert told == {
        "id": ID,
        "status": 5,
        "mode": ONE_WAY,
        "leaf_sha256": leaf,
        "restarts": 0,
        "backends": [{"mode": ONE_WAY, "leaf_sha256": leaf, "up": up} for up in (True, False, True)],
    }


def arm(sandbox: Sandbox, **asked: object) -> object:
    """Arm a fault over HTTP and return the answer, or the status of a refusal."""
    try:
        with urllib.request.urlopen(f"{sandbox.api_url}/faults", json.dumps(asked).encode()) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        with error:
            return error.code


def test_seconds_are_armed_over_http(three: Place) -> None:
    """Those of a lasting fault count; others have none, and none is below 0."""
    assert arm(three.sandbox, fault="backend_late", instance=ID, seconds=0.2) == {
        "instances": {ID: ["backend_late"]},
        "actions": {},
    }
    for fault, seconds in (("dead", 1), ("backend_late", -1), ("backend_late", "soon"), ("backend_late", "inf")):
        assert arm(three.sandbox, fault=fault, instance=ID, seconds=seconds) == 400
    three.switch(MUTUAL)
    assert three.modes()[2] in {"down", MUTUAL}
    until(lambda: three.modes() == [MUTUAL] * 3)


def test_lasting_faults_have_seconds_of_their_own() -> None:
    """From the settings, when they are armed without."""
    settings = SandboxSettings(stale_seconds=1, late_seconds=2, broker_seconds=3)
    lasting = [SwitchFault.STALE_BACKEND_RECOVERS, SwitchFault.BACKEND_LATE, SwitchFault.BROKER_LATE, SwitchFault.DEAD]
    assert [settings.lasting(one) for one in lasting] == [1, 2, 3, 0]
    assert SandboxSettings().lasting(SwitchFault.STALE_BACKEND_RECOVERS) == 120


def test_an_instance_has_a_backend() -> None:
    """None at all would be no instance."""
    with pytest.raises(ValueError, match="at least 1 backend, got 0"):
        SandboxInstance(backends=0)


def test_nothing_is_left_of_a_sandbox_that_ends_in_the_middle() -> None:
    """Neither threads of listeners and balancers nor of restarts and of faults that last."""
    before = set(threading.enumerate())
    with place(backends=3) as made:
        made.switch(MUTUAL, "backend_late", 60)
    for order in ("together", "one_by_one"):
        with place(seconds=60, backends=2, restart_order=order) as made:
            made.request(MUTUAL)
    until(lambda: {thread for thread in threading.enumerate() if "sandbox-api" not in thread.name} <= before)
