"""Sessions of device clients: who is online."""

from provisioner.alibaba import fields
from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.ports import Clock

_ACTION = "BatchQuerySessionByClientIds"
_BATCH = 10
_PAUSE_SECONDS = 0.02


class AlibabaSessions:
    """Implements ``ports.Sessions`` with BatchQuerySessionByClientIds.

    Documented: ten clients a call, 100 calls a second for an account, and each client counts as one billed message.
    Calls are kept at half of that rate.

    Args:
        clients: the account's clients.
        clock: time between calls.
    """

    def __init__(self, clients: AccountClients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def online(self, region: str, instance_id: str, client_ids: tuple[str, ...]) -> frozenset[str]:
        """Return which of the clients are online. Raises ``ServiceError``."""
        found: set[str] = set()
        for begin in range(0, len(client_ids), _BATCH):
            if begin:
                self._clock.sleep(_PAUSE_SECONDS)
            found |= self._batch(region, instance_id, client_ids[begin : begin + _BATCH])
        return frozenset(found)

    def _batch(self, region: str, instance_id: str, client_ids: tuple[str, ...]) -> set[str]:
        query: dict[str, object] = {"InstanceId": instance_id, "ClientIdList": list(client_ids)}
        answer = self._clients.mqtt(region, Call(_ACTION, MQTT_VERSION, query=query))
        require_success(_ACTION, answer)
        items = fields.listed(_ACTION, answer, "OnlineStatusList")
        online = {str(item.get("ClientId")) for item in items if str(item.get("OnlineStatus")).lower() == "true"}
        return online & set(client_ids)
