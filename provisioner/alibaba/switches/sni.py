"""The published driver for rotations: SetSniConfig, once mutual authentication is on."""

from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.errors import RejectedError
from provisioner.model.instance import EndpointState, Mode

_ACTION = "SetSniConfig"


class SniSwitch:
    """Implements ``ports.EndpointSwitch`` for changes from mutual to mutual.

    Documented: platinum only, with mutual authentication on; the default certificate is what is served where no mapped
    domain matches. Not documented, hence assumed: that it replaces the mapping as a whole, that it moves the default
    certificate of an instance that never had a mapping, and whether it restarts the instance. There is no action that
    reads the mapping back, so the wire tells, and mappings made elsewhere are lost.

    Args:
        clients: the account's clients.
    """

    attended = False

    def __init__(self, clients: AccountClients) -> None:
        self._clients = clients

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Send the mapping; an OK says only that it was accepted."""
        if target.mode is not Mode.MUTUAL or not target.identifier:
            raise RejectedError(f"{_ACTION}: it changes certificates in mutual mode only", action=_ACTION)
        query: dict[str, object] = {"MqttInstanceId": instance_id, "DefaultCertificate": target.identifier}
        mapping = ";".join(f"{item.domain}#{item.identifier}" for item in target.domains if item.identifier)
        if mapping:
            query["SniConfig"] = mapping
        require_success(_ACTION, self._clients.mqtt(region, Call(_ACTION, MQTT_VERSION, query=query)))
        return ()
