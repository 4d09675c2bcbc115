"""Device CAs of an instance of ApsaraMQ for MQTT: looking at them, and changing them."""

from collections.abc import Iterator

from provisioner.alibaba import fields
from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.errors import UnansweredError
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


class AlibabaDeviceCARegistry:
    """Implements ``ports.DeviceCARegistry``. Nothing in these calls is secret, so they travel as documented."""

    def __init__(self, clients: AccountClients) -> None:
        self._clients = clients

    def register_code(self, region: str, instance_id: str) -> str:
        """Return a code to be put into a certificate that the CA signs; see ``ports.DeviceCARegistry``."""
        return self._asked("RegisterCode", region, "GetRegisterCode", {"MqttInstanceId": instance_id}, method="GET")

    def register(self, region: str, instance_id: str, name: str, certificate_pem: str, verification_pem: str) -> str:
        """Register a CA, active from then on, and return the service's text for its serial number."""
        query: dict[str, object] = {
            "MqttInstanceId": instance_id,
            "CaName": name,
            "CaContent": certificate_pem,
            "VerificationContent": verification_pem,
        }
        return self._asked("Sn", region, "RegisterCaCertificate", query)

    def activate(self, region: str, instance_id: str, serial: str) -> None:
        """Let devices of a registered CA log in again."""
        self._asked("Sn", region, "ActiveCaCertificate", {"MqttInstanceId": instance_id, "Sn": serial})

    def deactivate(self, region: str, instance_id: str, serial: str) -> None:
        """Refuse devices of a registered CA."""
        self._asked("Sn", region, "InactivateCaCertificate", {"MqttInstanceId": instance_id, "Sn": serial})

    def _asked(self, field: str, region: str, action: str, query: dict[str, object], method: str = "POST") -> str:
        answer = self._clients.mqtt(region, Call(action, MQTT_VERSION, method=method, query=query))
        require_success(action, answer)
        found = fields.text(answer.get(field))
        if not found:
            raise UnansweredError(f"{action}: the answer lacks {field}", action=action)
        return found
