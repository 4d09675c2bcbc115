"""What a sandbox is made of."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from provisioner.sandbox.balance import Balance
from provisioner.sandbox.endpoint import Listener
from provisioner.sandbox.faults import SwitchFault

PLATINUM = 1
PROFESSIONAL = 4
_FAITHFUL_SECONDS = (300.0, 600.0)


@dataclass(frozen=True, slots=True)
class SandboxInstance:
    """One instance.

    How the service balances is not documented; assumed: one backend behind one address, which restarts as a whole. The
    settings below ``backends`` are the other possibilities.

    Attributes:
        id: its id.
        region: its region.
        edition: ``InstanceType``.
        name: its display name.
        status: ``InstanceStatus`` at the start.
        device_ca_registered: the sandbox's device CA is registered and active.
        backends: how many backends stand behind its port; with several, a balancer of TCP stands in front.
        balance: how the balancer chooses one for a new connection.
        weights: of the backends, for ``weighted``; without them N, N-1, ... 1.
        seed: makes ``random`` the same every time.
        health_checks: the balancer passes over a backend that is down while another one is up.
        restart_order: ``together`` closes the port for the whole restart; ``one_by_one`` takes one backend after the
            other through it, while the others serve what they did before or do already.
        restart_spread: seconds that ``one_by_one`` takes for all of them; those of a restart when None.
        drops_logins: the broker closes the connection on a CONNECT with a bad login or none, and sends no CONNACK.
    """

    id: str = "mqtt-cn-sandbox01"
    region: str = "cn-hangzhou"
    edition: int = PLATINUM
    name: str = "sandbox"
    status: int = 5
    device_ca_registered: bool = True
    backends: int = 1
    balance: Balance = "round_robin"
    weights: tuple[int, ...] = ()
    seed: int | None = None
    health_checks: bool = True
    restart_order: Literal["together", "one_by_one"] = "together"
    restart_spread: float | None = None
    drops_logins: bool = False

    def __post_init__(self) -> None:
        if self.backends < 1:
            raise ValueError(f"{self.id}: an instance has at least 1 backend, got {self.backends}")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """One sandbox.

    Attributes:
        instances: its instances.
        restart_seconds: how long a restart takes.
        faithful: restarts take 5 to 10 minutes, as documented.
        port: of the API, 0 for a free one.
        mutual_action: the action that turns mutual authentication on. Alibaba publishes none: the name is made up.
        one_way_action: the action that turns it off; likewise.
        professional_lists_cas: professional has the actions on device CAs too; some pages document platinum only.
        fingerprints_of_keys: listings of hosted certificates tell fingerprints of public keys, as one document says.
        stale_seconds: how long ``stale_backend_recovers`` lasts when it is armed without seconds.
        late_seconds: how long ``backend_late`` lasts then.
        broker_seconds: how long ``broker_late`` lasts then.
        clock_ahead: how far the API's clock is ahead of this machine's, for what a wrong clock leads to.
        listener: makes the endpoint of an instance in front of a plain broker; another broker can stand in here. A
            fault that it can't play has no effect.
    """

    instances: tuple[SandboxInstance, ...] = (SandboxInstance(),)
    restart_seconds: float = 2.0
    faithful: bool = False
    port: int = 0
    mutual_action: str = "SandboxEnableMutualAuthentication"
    one_way_action: str = "SandboxEnableOneWayAuthentication"
    professional_lists_cas: bool = False
    fingerprints_of_keys: bool = False
    stale_seconds: float = 120.0
    late_seconds: float = 5.0
    broker_seconds: float = 5.0
    clock_ahead: timedelta = timedelta(0)
    listener: Callable[[tuple[str, int]], Listener] | None = None

    def restart(self) -> float:
        """Return the seconds that the next restart takes."""
        if self.faithful:
            return random.uniform(*_FAITHFUL_SECONDS)  # noqa: S311  no secret hangs on it
        return self.restart_seconds

    def lasting(self, fault: SwitchFault) -> float:
        """Return the seconds that a fault lasts unless it was armed with others; 0 for one that has no end."""
        seconds = {
            SwitchFault.STALE_BACKEND_RECOVERS: self.stale_seconds,
            SwitchFault.BACKEND_LATE: self.late_seconds,
            SwitchFault.BROKER_LATE: self.broker_seconds,
        }
        return seconds.get(fault, 0.0)
