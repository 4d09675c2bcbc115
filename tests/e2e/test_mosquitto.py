"""The main job with mosquitto as the broker behind the endpoint, which nobody here wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cli.sandbox_files import CLIENT_ID
from provisioner.model.certificate import KeyType
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from tests.e2e.conftest import INSTANCE, Cloud
from tests.servers.mosquitto import MosquittoListener

pytestmark = pytest.mark.mosquitto
MANY = 20  # connections that rule out half of the backends, as the tests' configuration asks


@pytest.fixture
def cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cloud]:
    """Return a sandbox whose endpoint is mosquitto, which lets in the canary's login alone."""

    def listener(_broker: tuple[str, int]) -> MosquittoListener:
        return MosquittoListener(dict([sandbox.canary_login(INSTANCE, CLIENT_ID)]))

    settings = SandboxSettings((SandboxInstance(INSTANCE),), restart_seconds=0.5, listener=listener)
    sandbox = Sandbox(settings)
    with sandbox:
        yield Cloud(sandbox, tmp_path / "files", capsys)


def test_the_main_job_ends_as_on_the_sandboxs_own_broker(cloud: Cloud) -> None:
    """A first switch, a converged apply and a rotation, each proven by a device's message there and back."""
    first = cloud.apply()
    again = cloud.apply()
    cloud.configure(key=KeyType.RSA_2048)
    rotated = cloud.apply()

    assert [done.instance["outcome"] for done in (first, again, rotated)] == ["converged", "unchanged", "converged"]
    assert (rotated.instance["fingerprint_sha256"], cloud.machine.restarts) == (cloud.machine.serving.leaf_sha256, 2)
    assert rotated.instance["fingerprint_sha256"] != first.instance["fingerprint_sha256"]
    for done in (first, rotated):
        (address,) = done.instance["evidence"]["addresses"]
        assert address.pop("connections") >= MANY
        assert address == {
            "address": "127.0.0.1",
            "tls_version": "TLSv1.2",
            "leaf_sha256": done.instance["fingerprint_sha256"],
            "client_certificate_asked": True,
            "client_certificate_required": "yes",
            "inferred": False,
            "anonymous_client_refused": True,
            "canary": "logged in, message there and back",
            "without_certificate": "refused by TLS: alert: handshake failure",
            "unknown_certificate": "refused by TLS: alert: unknown CA",
        }


@pytest.mark.parametrize("fault", ["wrong_leaf", "anonymous", "devices_refused"])
def test_a_bad_first_switch_is_rolled_back_to_one_way(cloud: Cloud, fault: str) -> None:
    """A broken endpoint is noticed on the wire and brought back to where it was, verified."""
    cloud.sandbox.faults.arm(fault, instance_id=INSTANCE)
    done = cloud.apply()

    assert (done.code, done.instance["outcome"], done.instance["mode"]) == (7, "rolled_back", "one_way")
    assert (cloud.machine.serving.mutual, cloud.machine.restarts) == (False, 2)


def test_a_bad_rotation_is_rolled_back_to_the_previous_certificate(cloud: Cloud) -> None:
    """Devices that the rotated endpoint refuses get in again on the certificate before."""
    first = cloud.apply().instance
    cloud.configure(key=KeyType.RSA_2048)
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    done = cloud.apply()

    assert (done.code, done.instance["fingerprint_sha256"]) == (7, first["fingerprint_sha256"])
    (address,) = done.instance["evidence"]["addresses"]
    assert address["canary"] == "logged in, message there and back"
