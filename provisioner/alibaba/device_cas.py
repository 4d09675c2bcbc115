"""Device CAs of an instance of ApsaraMQ for MQTT: looking at them and at what they signed, and changing them."""

from collections.abc import Iterator
from typing import Any

from provisioner.alibaba import fields
from provisioner.alibaba.clients import MQTT_VERSION, AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.errors import NotFoundError, UnansweredError
from provisioner.model.instance import DeviceCA

_DEVICES = "ListDeviceCertificateByCaSn"
_PAGE = 100
_MOST_PAGES = 50
_UNKNOWN = {"FindDeviceBySnError", "FindCaBySnError"}


class AlibabaDeviceCAs:
    """Implements ``ports.DeviceCAs``. The calls are documented for platinum only."""

    def __init__(self, clients: AccountClients) -> None:
        self._clients = clients

    def list(self, region: str, instance_id: str) -> tuple[DeviceCA, ...]:
        """Return all of them. Raises ``RejectedError`` where edition or permission keep the service from saying."""
        listed = self._pages(region, "ListCaCertificate", {"MqttInstanceId": instance_id}, "CaCertificateVOS")
        return tuple(
            DeviceCA(
                serial=fields.text(item.get("Sn")),
                name=fields.text(item.get("CaName")),
                active=fields.text(item.get("Status")) == "1",
                valid_from=fields.milliseconds(item.get("ValidBegin")),
                valid_until=fields.milliseconds(item.get("ValidEnd")),
                certificate_pem=str(item.get("CaContent") or ""),
            )
            for item in listed
        )

    def device_certificate_active(
        self, region: str, instance_id: str, ca_serial: str, device_serial: str
    ) -> bool | None:
        """Return whether a device certificate may connect, None where it is not known; see ``ports.DeviceCAs``.

        It is looked for among those that the CA signed, 5,000 at most. The call for a single one wants its serial
        number as the service writes it, which is not documented; assumed: in hexadecimal, with or without zeros in
        front.
        """
        query: dict[str, object] = {"MqttInstanceId": instance_id, "CaSn": ca_serial}
        wanted = fields.serial(device_serial)
        try:
            # An empty list may be left out of the answer: nobody documents one.
            for item in self._pages(region, _DEVICES, query, "DeviceCertificateVOS", none_is_fine=True):
                if wanted is not None and fields.serial(item.get("DeviceSn")) == wanted:
                    return {"0": False, "1": True}.get(fields.text(item.get("Status")))
        except NotFoundError as error:
            if error.code not in _UNKNOWN:
                raise
        return None

    def _pages(
        self, region: str, action: str, query: dict[str, object], name: str, *, none_is_fine: bool = False
    ) -> Iterator[dict[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            asked = {**query, "PageNo": page, "PageSize": _PAGE}
            answer = self._clients.mqtt(region, Call(action, MQTT_VERSION, method="GET", query=asked))
            require_success(action, answer)
            data = answer.get("Data")
            if none_is_fine and not (isinstance(data, dict) and data.get(name)):
                return
            items = fields.listed(action, answer, "Data", name)
            yield from items
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
