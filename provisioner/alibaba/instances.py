"""The instance directory of ApsaraMQ for MQTT."""

import threading

from provisioner.alibaba import fields
from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.errors import UnansweredError
from provisioner.model.instance import Instance
from provisioner.ports import Clock

_ACTION = "ListInstances"


class AlibabaInstances:
    """Implements ``ports.Instances``; callers of one region share a poll.

    ListInstances filters by tags only and has no pages (documented), so one call tells all instances of a region.

    Args:
        clients: the account's clients.
        clock: time for sharing.
        fresh_for: seconds for which a poll serves later callers.
    """

    def __init__(self, clients: AccountClients, clock: Clock, fresh_for: float = 0.2) -> None:
        self._clients = clients
        self._clock = clock
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._polled: dict[str, tuple[float, tuple[Instance, ...]]] = {}

    def list(self, region: str) -> tuple[Instance, ...]:
        """Return every instance of a region that the account may see."""
        with self._lock:
            at, found = self._polled.get(region, (float("-inf"), ()))
            if self._clock.monotonic() - at > self._fresh_for:
                found = self._poll(region)
                self._polled[region] = (self._clock.monotonic(), found)
            return found

    def _poll(self, region: str) -> tuple[Instance, ...]:
        answer = self._clients.mqtt(region, Call(_ACTION, MQTT_VERSION))
        require_success(_ACTION, answer)
        found = []
        for item in fields.listed(_ACTION, answer, "Instances"):
            edition, status = fields.number(item.get("InstanceType")), fields.number(item.get("InstanceStatus"))
            if edition is None or status is None:
                raise UnansweredError(f"{_ACTION}: an instance without type or status", action=_ACTION)
            found.append(
                Instance(
                    id=fields.text(item.get("InstanceId")),
                    name=fields.text(item.get("InstanceName")),
                    region=fields.text(item.get("RegionId")) or region,
                    edition=edition,
                    status=status,
                    expires=fields.milliseconds(item.get("ExpireTime")),
                )
            )
        return tuple(found)
