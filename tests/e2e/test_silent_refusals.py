"""The main job where the broker drops whom it refuses without a TLS alert, as a page says of the service's."""

from collections.abc import Callable

import pytest

from provisioner.model.certificate import KeyType
from tests.e2e.conftest import INSTANCE, Cloud
from tests.servers.silent import SilentListener

LIKELY = "a client without certificate was cut off without a TLS alert: likely required"


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    """Return a sandbox whose endpoint says nothing to whom it refuses."""
    return make_cloud(listener=SilentListener)


def test_a_first_switch_is_verified_by_a_device(cloud: Cloud) -> None:
    """That strangers are refused is likely, the evidence says so, and a device that gets in settles it."""
    done = cloud.apply()
    assert (done.code, done.instance["outcome"], done.instance["mode"]) == (0, "converged", "mutual")
    evidence = done.instance["evidence"]
    (address,) = evidence["addresses"]
    assert (address["client_certificate_asked"], address["client_certificate_required"]) == (True, "likely")
    assert (address["canary"], LIKELY in evidence["notes"]) == ("logged in, message there and back", True)
    assert cloud.apply().instance["outcome"] == "unchanged"


def test_refused_devices_lead_back(cloud: Cloud) -> None:
    """A device that is just cut off is a device that is refused, on a first switch and on a rotation."""
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    first = cloud.apply()
    assert (first.code, first.instance["mode"]) == (7, "one_way")
    assert cloud.apply("--release").code == 0
    before = cloud.machine.serving.leaf_sha256
    cloud.configure(key=KeyType.RSA_2048)
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    assert (cloud.apply().code, cloud.machine.serving.leaf_sha256) == (7, before)
