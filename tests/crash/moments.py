"""Moments at which a run can be killed, and what its requests had come to in the cloud."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provisioner.model.instance import Status
from tests.fakes.cloud import INSTANCE, Cloud, Done, until

SETTLE = {"readings": 3, "smallest_share": 0.5, "connections": 7}
QUICK: Mapping[str, object] = {
    "deadline": "30s",
    "effect_within": "1500ms",
    "poll": "100ms",
    "status_poll": "200ms",
    "settle": {**SETTLE, "over": "300ms"},
}
# A run that waits like this is still waiting whenever the test comes to it.
ENDLESS = {**QUICK, "deadline": "20m", "settle": {**SETTLE, "over": "10m"}}
# A bad switch is judged soon, and there is time to see the rollback's wait.
UNHURRIED = {**QUICK, "settle": {**SETTLE, "over": "2s"}}


@dataclass(frozen=True, slots=True)
class Requests:
    """What was asked of the cloud, and what came of it."""

    mutual: int = 0
    one_way: int = 0
    restarts: int = 0
    uploads: int = 1
    hosted: int = 1


def requests(cloud: Cloud) -> Requests:
    """Return what was asked of a cloud so far."""
    actions = cloud.actions()
    return Requests(
        mutual=actions.count(MUTUAL),
        one_way=actions.count(ONE_WAY),
        restarts=cloud.machine.restarts,
        uploads=actions.count(UPLOAD),
        hosted=cloud.sandbox.hosting.list({})["TotalCount"],
    )


SWITCHED = Requests(mutual=1, restarts=1)
UNDONE = Requests(mutual=1, one_way=1, restarts=2)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a run.

    Attributes:
        reached: tells whether it has come.
        faults: what goes wrong with which action; an instance's id stands for its next switch.
        waiting: how the run waits.
    """

    reached: Callable[[Cloud], bool]
    faults: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, object] = field(default_factory=lambda: QUICK)


def seen_to_act(cloud: Cloud, action: str) -> bool:
    """Tell whether a run waits for a request that it has seen to act: the endpoint is down, or was until now."""
    return cloud.state_rows("SELECT action, interrupted FROM intents") == [(action, 1)]


def up_again(cloud: Cloud, action: str) -> bool:
    """Tell whether the endpoint has come up after a request that was seen to act."""
    return seen_to_act(cloud, action) and cloud.machine.status == Status.IN_SERVICE


APPLY, RESUME = ("apply", "--yes"), ("resume", "--yes")
ROLLBACK = ("rollback", "prod", "--to", "one-way", "--yes")
MUTUAL, ONE_WAY, UPLOAD = (
    "SandboxEnableMutualAuthentication",
    "SandboxEnableOneWayAuthentication",
    "UploadUserCertificate",
)
BAD = {INSTANCE: "wrong_leaf"}

MOMENTS = {
    "upload-asked": Moment(lambda cloud: requests(cloud).uploads == 1, {UPLOAD: "held"}),
    "upload-landed": Moment(lambda cloud: requests(cloud).hosted == 1, {UPLOAD: "hang"}),
    "switch-asked": Moment(lambda cloud: requests(cloud).mutual == 1, {MUTUAL: "held"}),
    "switch-landed": Moment(lambda cloud: requests(cloud).restarts == 1, {MUTUAL: "hang"}),
    "switch-down": Moment(lambda cloud: seen_to_act(cloud, "switch"), waiting=ENDLESS),
    "switch-up": Moment(lambda cloud: up_again(cloud, "switch"), waiting=ENDLESS),
    "undo-asked": Moment(lambda cloud: requests(cloud).one_way == 1, {**BAD, ONE_WAY: "held"}),
    "undo-landed": Moment(lambda cloud: requests(cloud).restarts == 2, {**BAD, ONE_WAY: "hang"}),
    "undo-down": Moment(lambda cloud: seen_to_act(cloud, "rollback"), BAD, UNHURRIED),
    "undo-up": Moment(lambda cloud: up_again(cloud, "rollback"), BAD, UNHURRIED),
}


def require_end(cloud: Cloud, done: Done, code: int, mode: str, asked: Requests) -> None:
    """Require exit code, mode, evidence and requests, an instance on hold unless it is mutual, and no open intent."""
    instance, machine = done.instance, cloud.machine
    assert (done.code, instance["mode"], instance["fingerprint_sha256"]) == (code, mode, machine.serving.leaf_sha256)
    assert (machine.serving.mutual, requests(cloud)) == (mode == "mutual", asked)
    kept = cloud.state_rows("SELECT (SELECT count(*) FROM intents), (SELECT count(*) FROM holds)")
    assert kept == [(0, 0 if mode == "mutual" else 1)]


def ended(process: subprocess.Popen[str]) -> Done:
    """Return what a process left, once it has ended."""
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)


def start_until(cloud: Cloud, name: str) -> subprocess.Popen[str]:
    """Start ``apply`` and return its process once a moment has come."""
    moment = MOMENTS[name]
    cloud.configure(waiting=moment.waiting)
    for what, fault in moment.faults.items():
        instance, action = (what, None) if what == INSTANCE else (None, what)
        cloud.sandbox.faults.arm(fault, instance_id=instance, action=action)
    process = cloud.start("apply", "--yes")
    until(lambda: process.poll() is not None or moment.reached(cloud))
    assert process.returncode is None, process.communicate()
    return process


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run as a machine that goes down does."""
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def kill_at(cloud: Cloud, name: str) -> None:
    """Kill an ``apply`` at a moment; later runs wait for a short time."""
    kill(start_until(cloud, name))
    cloud.configure(waiting=QUICK)
