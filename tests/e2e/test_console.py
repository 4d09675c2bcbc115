"""The attended driver through the command line, its operator played by the test."""

from tests.e2e.conftest import INSTANCE, Cloud, until
from tests.e2e.test_rotation import OPENAPI, newest, operator


def test_an_attended_switch_and_its_attended_rollback(cloud: Cloud) -> None:
    """The run tells the steps and waits on the wire; a bad switch is taken back by the operator too."""
    cloud.configure(waiting={"deadline": "60s"})
    cloud.edit(OPENAPI, 'switch = "console"')
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    process = cloud.start("apply", "--yes", "--json")
    until(lambda: bool(cloud.state_rows("select 1 from intents where action = 'switch'")))
    operator(cloud, newest(cloud))
    until(lambda: cloud.machine.restarts == 1 and cloud.machine.status == 5 and cloud.machine.serving.mutual)
    until(lambda: _rolling_back(cloud))
    operator(cloud, None)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, '"rolled_back"' in out, cloud.machine.serving.mutual) == (7, True, False)
    assert err.count("Open https://mqtt.console.aliyun.com") == 2
    assert "One-way Authentication" in err


def test_an_attended_switch_that_nobody_does_is_resumable(cloud: Cloud) -> None:
    """Unchanged for the deadline is ``waiting``; ``resume`` goes on once the operator has been there."""
    cloud.configure(waiting={"deadline": "4s", "effect_within": "2s"})
    cloud.edit(OPENAPI, 'switch = "console"')
    assert cloud.apply().code == 9
    assert cloud.machine.restarts == 0
    operator(cloud, newest(cloud))
    done = cloud.run("resume", "--yes", "--json")
    assert (done.code, done.instance["outcome"]) == (0, "converged")


def _rolling_back(cloud: Cloud) -> bool:
    return bool(cloud.state_rows("select 1 from intents where action = 'rollback'"))
