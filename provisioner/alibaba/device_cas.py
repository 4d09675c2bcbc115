"""Device CAs of an instance of ApsaraMQ for MQTT."""

from collections.abc import Iterator

from provisioner.alibaba import fields
from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.model.instance import DeviceCA

_ACTION = "ListCaCertificate"
_PAGE = 100
_MOST_PAGES = 50


class AlibabaDeviceCAs:
    """Implements ``ports.DeviceCAs``. The call is documented for platinum only."""

    def __init__(self, clients: AccountClients) -> None:
        self._clients = clients

    def list(self, region: str, instance_id: str) -> tuple[DeviceCA, ...]:
        """Return all of them. Raises ``RejectedError`` where edition or permission keep the service from saying."""
        return tuple(self._pages(region, instance_id))

    def _pages(self, region: str, instance_id: str) -> Iterator[DeviceCA]:
        for page in range(1, _MOST_PAGES + 1):
            query: dict[str, object] = {"MqttInstanceId": instance_id, "PageNo": page, "PageSize": _PAGE}
            answer = self._clients.mqtt(region, Call(_ACTION, MQTT_VERSION, method="GET", query=query))
            require_success(_ACTION, answer)
            items = fields.listed(_ACTION, answer, "Data", "CaCertificateVOS")
            for item in items:
                yield DeviceCA(
                    serial=fields.text(item.get("Sn")),
                    name=fields.text(item.get("CaName")),
                    active=fields.text(item.get("Status")) == "1",
                    valid_from=fields.milliseconds(item.get("ValidBegin")),
                    valid_until=fields.milliseconds(item.get("ValidEnd")),
                    certificate_pem=str(item.get("CaContent") or ""),
                )
            if len(items) < _PAGE:  # the documented total is ambiguous
                return
