"""ApsaraMQ for MQTT, API 2020-04-20: the directory, and two actions that switch an endpoint.

Alibaba publishes no action for the switch. The names come from the sandbox's settings, and what they do is assumed to
be what the console does.
"""

import threading
from collections.abc import Callable

from provisioner.sandbox.answers import Answer, ApiError, required
from provisioner.sandbox.faults import Faults
from provisioner.sandbox.hosting import HostingService
from provisioner.sandbox.machine import IN_SERVICE, Machine, Serving, machine_of
from provisioner.sandbox.settings import SandboxSettings

VERSION = "2020-04-20"


class MqttService:
    """The actions.

    Args:
        settings: the sandbox's.
        machines: the instances.
        hosting: where hosted certificates are.
        stand_in: what stands for Alibaba's own certificate, one-way.
        faults: what goes wrong.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        machines: dict[str, Machine],
        hosting: HostingService,
        stand_in: Serving,
        faults: Faults,
    ) -> None:
        self._settings = settings
        self._machines = machines
        self._hosting = hosting
        self._stand_in = stand_in
        self._faults = faults
        self._lock = threading.Lock()
        self.actions: dict[str, Callable[[dict[str, str]], Answer]] = {
            "ListInstances": self.list_instances,
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

    def switch_mutual(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication on, with a hosted certificate; the instance restarts."""
        machine = machine_of(self._machines, parameters)
        hosted = self._hosting.by_identifier(required(parameters, "CertIdentifier"))
        if hosted is None:
            raise ApiError("CertificateNotFound", "The certificate does not exist.", 404)
        if hosted.status() == "expired":
            raise ApiError("CertificateExpired", "The certificate has expired.")
        return self._switch(machine, Serving(True, hosted.chain_pem, hosted.key_pem))  # noqa: FBT003

    def switch_one_way(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication off; the instance restarts with Alibaba's own certificate."""
        return self._switch(machine_of(self._machines, parameters), self._stand_in)

    def _switch(self, machine: Machine, wanted: Serving) -> Answer:
        with self._lock:
            if machine.status != IN_SERVICE:
                raise ApiError("OperationDenied.InstanceStatus", "The instance is not in service.", 409)
            fault = self._faults.of_switch(machine.settings.id)
            machine.restart(wanted, self._stand_in, fault, self._settings.restart())
        return _success({})


def _success(more: Answer) -> Answer:
    return {"Code": "200", "Success": "true", "Message": "operation success.", **more}
