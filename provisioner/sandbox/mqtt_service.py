"""ApsaraMQ for MQTT, API 2020-04-20: the directory, device CAs, and two actions that switch an endpoint.

Alibaba publishes no action for the switch. The names come from the sandbox's settings; assumed: the two actions do what
the console does, answer before the restart begins, and are refused while the instance is not in service.
"""

import threading
from collections.abc import Callable
from datetime import datetime

from cryptography import x509

from provisioner.sandbox.answers import Answer, ApiError, required, whole
from provisioner.sandbox.faults import Faults
from provisioner.sandbox.hosting import HostingService
from provisioner.sandbox.machine import IN_SERVICE, Machine, Serving
from provisioner.sandbox.settings import PLATINUM, PROFESSIONAL, SandboxSettings

VERSION = "2020-04-20"


class MqttService:
    """The actions.

    Args:
        settings: the sandbox's.
        machines: the instances.
        hosting: where hosted certificates are.
        stand_in: what stands for Alibaba's own certificate, one-way.
        device_ca_pem: the device CA that instances begin with.
        faults: what goes wrong.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        machines: dict[str, Machine],
        hosting: HostingService,
        stand_in: Serving,
        device_ca_pem: str,
        faults: Faults,
    ) -> None:
        self._settings = settings
        self._machines = machines
        self._hosting = hosting
        self._stand_in = stand_in
        self._device_ca_pem = device_ca_pem
        self._faults = faults
        self._lock = threading.Lock()
        self.actions: dict[str, Callable[[dict[str, str]], Answer]] = {
            "ListInstances": self.list_instances,
            "ListCaCertificate": self.list_device_cas,
            settings.mutual_action: self.switch_mutual,
            settings.one_way_action: self.switch_one_way,
        }

    def list_instances(self, _parameters: dict[str, str]) -> Answer:
        """ListInstances; assumed: one address answers for all regions here, while the real ones are regional."""
        return _success(
            {
                "Instances": [
                    {
                        "InstanceId": machine.settings.id,
                        "InstanceName": machine.settings.name,
                        "InstanceStatus": machine.status,
                        "InstanceType": machine.settings.edition,
                        "KernelVersion": "V3.3.0",
                        "RegionId": machine.settings.region,
                    }
                    for machine in self._machines.values()
                ]
            }
        )

    def list_device_cas(self, parameters: dict[str, str]) -> Answer:
        """ListCaCertificate, documented for platinum only.

        What other editions get is not documented; assumed: ListCaCertificate answers InstancePermissionCheckFailed.
        """
        machine = self._machine(parameters)
        page, size = whole(parameters, "PageNo"), whole(parameters, "PageSize")
        if machine.settings.edition != PLATINUM and not (
            machine.settings.edition == PROFESSIONAL and self._settings.professional_lists_cas
        ):
            raise ApiError("InstancePermissionCheckFailed", "The edition does not support this operation.")
        listed = [self._device_ca()] if machine.settings.device_ca_registered else []
        shown = listed[(page - 1) * size : page * size]
        return _success({"Data": {"CaCertificateVOS": shown, "PageNo": page, "PageSize": size, "Total": 1}})

    def switch_mutual(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication on, with a hosted certificate; the instance restarts."""
        machine = self._machine(parameters)
        hosted = self._hosting.by_identifier(required(parameters, "CertIdentifier"))
        if hosted is None:
            raise ApiError("CertificateNotFound", "The certificate does not exist.", 404)
        if hosted.status() == "expired":
            raise ApiError("CertificateExpired", "The certificate has expired.")
        devices = (self._device_ca_pem,) if machine.settings.device_ca_registered else ()
        return self._switch(machine, Serving(True, hosted.chain_pem, hosted.key_pem, devices))  # noqa: FBT003

    def switch_one_way(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication off; the instance restarts with Alibaba's own certificate."""
        return self._switch(self._machine(parameters), self._stand_in)

    def _switch(self, machine: Machine, wanted: Serving) -> Answer:
        with self._lock:
            if machine.status != IN_SERVICE:
                raise ApiError("OperationDenied.InstanceStatus", "The instance is not in service.", 409)
            fault = self._faults.of_switch(machine.settings.id)
            machine.restart(wanted, self._stand_in, fault, self._settings.restart())
        return _success({})

    def _machine(self, parameters: dict[str, str]) -> Machine:
        found = self._machines.get(required(parameters, "MqttInstanceId"))
        if found is None:
            raise ApiError("MqttInstanceNotFound", "The instance does not exist.", 500)
        return found

    def _device_ca(self) -> Answer:
        certificate = x509.load_pem_x509_certificate(self._device_ca_pem.encode())
        return {
            "CaName": "sandbox-devices",
            "CaContent": self._device_ca_pem,
            "Sn": f"{certificate.serial_number:x}",
            "Status": "1",
            "ValidBegin": _milliseconds(certificate.not_valid_before_utc),
            "ValidEnd": _milliseconds(certificate.not_valid_after_utc),
        }


def _success(more: Answer) -> Answer:
    return {"Code": "200", "Success": "true", "Message": "operation success.", **more}


def _milliseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))
