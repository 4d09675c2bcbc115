"""The instance directory and the sessions of devices: one suite in the fake world and on the sandbox."""

import pytest

from provisioner.alibaba import AlibabaInstances
from provisioner.errors import NotFoundError
from provisioner.model.instance import Edition, Instance, Status
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from tests.contract.place import INSTANCE, REGION, Place, account
from tests.fakes.clock import FakeClock

FLEET = tuple(f"GID_fleet@@@{number:02}" for number in range(23))


def test_an_instance_is_listed_whole(place: Place) -> None:
    """Id, name, region, edition and status, as numbers."""
    expected = Instance(INSTANCE, "one", REGION, Edition.PLATINUM, Status.IN_SERVICE)
    assert place.instances.list(REGION) == (expected,)


def test_nobody_is_online(place: Place) -> None:
    """Neither of none that were asked for, nor of many."""
    assert [place.sessions.online(REGION, INSTANCE, ids) for ids in ((), FLEET[:1], FLEET)] == [frozenset()] * 3


def test_those_who_are_online_are_told_among_many(place: Place) -> None:
    """However many are asked for; others who are online are not told, and those who left are not."""
    with place.connect(FLEET[0], FLEET[11], FLEET[22], "GID_other@@@1"):
        online = [place.sessions.online(REGION, INSTANCE, ids) for ids in (FLEET, FLEET[1:11], FLEET[22:])]
    assert online == [frozenset({FLEET[0], FLEET[11], FLEET[22]}), frozenset(), frozenset({FLEET[22]})]
    while place.sessions.online(REGION, INSTANCE, FLEET):
        place.pause()


def test_sessions_of_an_unknown_instance_are_not_found(place: Place) -> None:
    """That is an error, and not an absence."""
    with pytest.raises(NotFoundError) as caught:
        place.sessions.online(REGION, "mqtt-nowhere", FLEET)
    assert caught.value.code == "MqttInstanceNotFound"


def test_callers_of_one_region_share_a_poll() -> None:
    """For a moment one call tells all of them; later it is asked anew, and what changed is seen."""
    clock = FakeClock()
    settings = SandboxSettings((SandboxInstance("mqtt-1"), SandboxInstance("mqtt-2", edition=4, status=15)))
    with Sandbox(settings) as sandbox:
        instances = AlibabaInstances(account(sandbox), clock, fresh_for=0.2)
        first = [instances.list(REGION) for _ in range(3)]
        calls = len(sandbox.calls)
        sandbox.machine("mqtt-2").status = 5
        clock.sleep(0.3)
        later = instances.list(REGION)
    assert calls == 1
    assert [[(item.id, item.edition, item.status) for item in found] for found in (*first, later)] == [
        *[[("mqtt-1", 1, 5), ("mqtt-2", 4, 15)]] * 3,
        [("mqtt-1", 1, 5), ("mqtt-2", 4, 5)],
    ]
