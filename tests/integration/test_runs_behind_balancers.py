"""Whole runs behind nginx and haproxy, with mosquittos as backends, none of which was written here.

The truth is measured by openssl and mosquitto_pub, with enough connections to meet every backend.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.cli.sandbox_files import CLIENT_ID
from provisioner.model.certificate import KeyType
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from tests.fakes.cloud import INSTANCE, Cloud
from tests.servers.backends import Backends
from tests.servers.balanced import BalancedListener, MakeFront
from tests.servers.front import Method
from tests.servers.haproxy import HAProxy
from tests.servers.nginx import Nginx
from tests.servers.truth import served

pytestmark = [pytest.mark.mosquitto, pytest.mark.nginx, pytest.mark.haproxy, pytest.mark.openssl]

# The share and the number of connections are those of production; only times are short.
WAITING = {"settle": {"readings": 3, "over": "400ms", "connections": 24}, "deadline": "5s", "effect_within": "2s"}
LOOKS = 24


@dataclass(frozen=True, slots=True)
class Place:
    """A cloud whose endpoint stands behind a balancer."""

    cloud: Cloud
    listener: BalancedListener

    def truth(self) -> set[tuple[str | None, bool | None]]:
        """Return which leaves were met, and whether a certificate was asked for, as openssl tells."""
        return {(item.leaf_sha256, item.asked) for item in served(self.listener.port, LOOKS)}


Make = Callable[..., Place]


@pytest.fixture
def make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Make]:
    """Return a maker of places; all of them are stopped at the end."""
    running: list[Sandbox] = []

    def place(size: int, front: MakeFront, method: Method) -> Place:
        made: list[BalancedListener] = []

        def listener(_broker: tuple[str, int]) -> BalancedListener:
            logins = dict([sandbox.canary_login(INSTANCE, CLIENT_ID)])
            made.append(BalancedListener(Backends(size, logins), front=front, method=method))
            return made[-1]

        settings = SandboxSettings((SandboxInstance(INSTANCE),), restart_seconds=0.5, listener=listener)
        sandbox = Sandbox(settings)
        sandbox.start()
        running.append(sandbox)
        cloud = Cloud(sandbox, tmp_path / "files", capsys)
        cloud.configure(waiting=WAITING)
        return Place(cloud, made[0])

    yield place
    for sandbox in running:
        sandbox.stop()


FRONTS = pytest.mark.parametrize(
    ("size", "front", "method"),
    [
        (2, Nginx, Method.ROUND_ROBIN),
        (4, Nginx, Method.RANDOM),
        (2, HAProxy, Method.RANDOM),
        (4, HAProxy, Method.ROUND_ROBIN),
    ],
    ids=["nginx-round-robin-2", "nginx-random-4", "haproxy-random-2", "haproxy-round-robin-4"],
)


@FRONTS
def test_a_first_switch_with_a_stale_backend_is_rolled_back(
    make: Make, size: int, front: MakeFront, method: Method
) -> None:
    """Never verified: back to one-way, with the reason, and every backend is."""
    place = make(size, front, method)
    before = place.truth()
    place.listener.stale = 1
    done = place.cloud.apply()
    assert (done.code, done.instance["mode"]) == (7, "one_way"), done.instance["message"]
    assert "connections still meet the old certificate (one-way)" in done.instance["message"]
    assert place.truth() == before


@FRONTS
def test_a_backend_that_follows_is_waited_for(make: Make, size: int, front: MakeFront, method: Method) -> None:
    """Verified once it is true: every connection meets the new certificate and is asked for one."""
    place = make(size, front, method)
    place.listener.stale, place.listener.recover_after = 1, 1.5
    done = place.cloud.apply()
    assert done.code == 0, done.instance["message"]
    assert place.truth() == {(done.instance["fingerprint_sha256"], True)}
    assert done.instance["evidence"]["stale_share_ruled_out"] <= 0.125


def test_a_rotation_with_a_stale_backend_goes_back_to_the_previous_certificate(make: Make) -> None:
    """Both certificates are ours and demand one of the client; the leaf tells them apart."""
    place = make(2, Nginx, Method.ROUND_ROBIN)
    first = place.cloud.apply().instance["fingerprint_sha256"]
    place.cloud.configure(key=KeyType.RSA_2048, waiting=WAITING)
    place.listener.stale = 1
    done = place.cloud.apply()
    assert (done.code, done.instance["fingerprint_sha256"]) == (7, first), done.instance["message"]
    assert "connections still meet the old certificate (mutual)" in done.instance["message"]
    assert place.truth() == {(first, True)}


def test_a_rollback_with_a_stale_backend_needs_the_operator(make: Make) -> None:
    """Half of the connections in the state that was to be left is nothing to call verified."""
    place = make(2, HAProxy, Method.ROUND_ROBIN)
    assert place.cloud.apply().code == 0
    place.listener.stale = 1
    done = place.cloud.run("rollback", "prod", "--to", "one-way", "--yes", "--json")
    assert done.code == 8, done.instance["message"]
    assert "connections still meet the old certificate (mutual)" in done.instance["message"]
    assert len(place.truth()) == 2
