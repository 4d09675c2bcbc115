"""What a sandbox is made of."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from provisioner.sandbox.listener import Listener

PLATINUM = 1
PROFESSIONAL = 4
_FAITHFUL_SECONDS = (300.0, 600.0)


@dataclass(frozen=True, slots=True)
class SandboxInstance:
    """One instance.

    Attributes:
        id: its id.
        region: its region.
        edition: ``InstanceType``.
        name: its display name.
        status: ``InstanceStatus`` at the start.
        device_ca_registered: the sandbox's device CA is registered and active.
    """

    id: str = "mqtt-cn-sandbox01"
    region: str = "cn-hangzhou"
    edition: int = PLATINUM
    name: str = "sandbox"
    status: int = 5
    device_ca_registered: bool = True


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
        clock_ahead: how far the API's clock is ahead of this machine's, for what a wrong clock leads to.
        listener: makes the endpoint of an instance in front of a plain broker; another broker can stand in here.
    """

    instances: tuple[SandboxInstance, ...] = (SandboxInstance(),)
    restart_seconds: float = 2.0
    faithful: bool = False
    port: int = 0
    mutual_action: str = "SandboxEnableMutualAuthentication"
    one_way_action: str = "SandboxEnableOneWayAuthentication"
    professional_lists_cas: bool = False
    fingerprints_of_keys: bool = False
    clock_ahead: timedelta = timedelta(0)
    listener: Callable[[tuple[str, int]], Listener] | None = None

    def restart(self) -> float:
        """Return the seconds that the next restart takes."""
        if self.faithful:
            return random.uniform(*_FAITHFUL_SECONDS)  # noqa: S311  no secret hangs on it
        return self.restart_seconds
