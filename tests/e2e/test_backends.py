"""Endpoints of several backends, and brokers and servers that mislead a single look, on the sandbox."""

from collections.abc import Callable, Mapping

import pytest

from provisioner.sandbox import SandboxInstance
from tests.fakes.cloud import INSTANCE, Cloud, until

# As many connections as in production; only times are short.
SURE: dict[str, object] = {
    "settle": {"readings": 3, "over": "400ms", "connections": 24},
    "deadline": "4s",
    "effect_within": "2s",
}
PATIENT = SURE | {"deadline": "20s"}
MakeCloud = Callable[..., Cloud]


def cloud_of(make_cloud: MakeCloud, waiting: Mapping[str, object], **instance: object) -> Cloud:
    """Return a sandbox whose instance has these properties."""
    cloud = make_cloud(SandboxInstance(INSTANCE, **instance))  # type: ignore[arg-type]
    cloud.configure(waiting=waiting)
    return cloud


def modes(cloud: Cloud) -> set[tuple[str, str]]:
    """Return what the backends are in truth."""
    seen = (backend.truth() for backend in cloud.machine.backends)
    return {(str(item["mode"]), str(item["leaf_sha256"])) for item in seen}


@pytest.mark.parametrize("balance", ["weighted", "least_connections"])
def test_a_stale_backend_is_not_verified(make_cloud: MakeCloud, balance: str) -> None:
    """Rolled back at the deadline with the reason, and every backend is back."""
    cloud = cloud_of(make_cloud, SURE, backends=3, balance=balance)
    before = modes(cloud)
    cloud.sandbox.faults.arm("stale_backend", instance_id=INSTANCE)
    done = cloud.apply()
    assert (done.code, done.instance["mode"]) == (7, "one_way"), done.instance["message"]
    assert "connections still meet the old certificate (one-way)" in done.instance["message"]
    assert modes(cloud) == before


@pytest.mark.parametrize(
    ("fault", "seconds"), [("stale_backend_recovers", 1.5), ("backend_late", 1.5), ("broker_late", 1.5)]
)
def test_what_comes_late_is_waited_for(make_cloud: MakeCloud, fault: str, seconds: float) -> None:
    """A restart looks like that, so that it costs time alone."""
    cloud = cloud_of(make_cloud, PATIENT, backends=2)
    cloud.sandbox.faults.arm(fault, instance_id=INSTANCE, seconds=seconds)
    done = cloud.apply()
    assert (done.code, cloud.machine.restarts) == (0, 1), done.instance["message"]
    assert modes(cloud) == {("mutual", done.instance["fingerprint_sha256"])}


def test_backends_that_come_back_one_by_one_are_waited_for(make_cloud: MakeCloud) -> None:
    """While the first are in the new state and the last in the old one, nothing is settled."""
    cloud = cloud_of(make_cloud, PATIENT, backends=4, restart_order="one_by_one", restart_spread=3.0)
    done = cloud.apply()
    assert (done.code, cloud.machine.restarts) == (0, 1), done.instance["message"]
    assert modes(cloud) == {("mutual", done.instance["fingerprint_sha256"])}


@pytest.mark.parametrize("fault", ["takes_any_certificate", "anonymous"])
@pytest.mark.parametrize("drops_logins", [True, False])
def test_an_endpoint_that_lets_in_who_should_be_refused_is_rolled_back(
    make_cloud: MakeCloud, fault: str, drops_logins: bool
) -> None:
    """The controls show it, also where the broker drops who does not log in."""
    cloud = cloud_of(make_cloud, SURE, drops_logins=drops_logins)
    cloud.sandbox.faults.arm(fault, instance_id=INSTANCE)
    done = cloud.apply()
    assert (done.code, done.instance["mode"]) == (7, "one_way"), done.instance["message"]
    assert not cloud.machine.serving.mutual


def test_a_broker_that_drops_who_does_not_log_in_is_managed_there_and_back(make_cloud: MakeCloud) -> None:
    """Sessions that log in show what a probe can't."""
    cloud = cloud_of(make_cloud, PATIENT, drops_logins=True)
    assert cloud.apply().code == 0
    done = cloud.run("rollback", "prod", "--to", "one-way", "--yes", "--json")
    assert (done.code, done.instance["outcome"], cloud.machine.serving.mutual) == (0, "converged", False)


def test_status_tells_how_many_connections_meet_the_old_certificate(make_cloud: MakeCloud) -> None:
    """While a change is under way, in the words of the change."""
    cloud = cloud_of(make_cloud, SURE | {"deadline": "60s"}, backends=2)
    cloud.sandbox.faults.arm("stale_backend", instance_id=INSTANCE)
    process = cloud.start("apply", "--yes")
    until(lambda: cloud.machine.restarts == 1 and len(modes(cloud)) == 2)
    (instance,) = cloud.run("status", "--json").document["instances"]
    assert "connections still meet the old certificate (one-way)" in instance["wire"]
    process.terminate()
