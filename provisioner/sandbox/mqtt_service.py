"""ApsaraMQ for MQTT, API 2020-04-20: the directory, and two actions that switch an endpoint.

Alibaba publishes no action for the switch. The names come from the sandbox's settings; assumed: the two actions do what
the console does, answer before the restart begins, and are refused, with codes made up here, while the instance is not
in service and for a certificate that is not hosted or has expired.
"""

import threading
from collections.abc import Callable
from dataclasses import replace

from provisioner.sandbox.answers import Answer, ApiError, required
from provisioner.sandbox.faults import Faults
from provisioner.sandbox.hosting import HostingService
from provisioner.sandbox.machine import IN_SERVICE, Machine, machine_of
from provisioner.sandbox.serving import Serving
from provisioner.sandbox.settings import PLATINUM, SandboxSettings

VERSION = "2020-04-20"
_MOST_CLIENTS = 10


class MqttService:
    """The actions.

    Args:
        settings: the sandbox's.
        machines: the instances.
        hosting: where hosted certificates are.
        stand_in: what stands for Alibaba's own certificate, one-way.
        faults: what goes wrong.
        online: tells the client ids that are online on an instance.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        machines: dict[str, Machine],
        hosting: HostingService,
        stand_in: Serving,
        *,
        faults: Faults,
        online: Callable[[str], frozenset[str]],
    ) -> None:
        self._settings = settings
        self._online = online
        self._machines = machines
        self._hosting = hosting
        self._stand_in = stand_in
        self._faults = faults
        self._lock = threading.Lock()
        self.actions: dict[str, Callable[[dict[str, str]], Answer]] = {
            "ListInstances": self.list_instances,
            "BatchQuerySessionByClientIds": self.query_sessions,
            "SetSniConfig": self.set_sni,
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

    def query_sessions(self, parameters: dict[str, str]) -> Answer:
        """BatchQuerySessionByClientIds; ten clients at most (documented)."""
        asked = [parameters[name] for name in sorted(parameters) if name.startswith("ClientIdList.")]
        found = self._machines.get(required(parameters, "InstanceId"))
        if found is None:
            raise ApiError("MqttInstanceNotFound", "The instance does not exist.", 500)
        if not 0 < len(asked) <= _MOST_CLIENTS:
            raise ApiError("ParameterFieldCheckFailed", "ClientIdList is invalid.")
        online = self._online(found.settings.id)
        return _success({"OnlineStatusList": [{"ClientId": item, "OnlineStatus": item in online} for item in asked]})

    def set_sni(self, parameters: dict[str, str]) -> Answer:
        """SetSniConfig; documented for platinum with mutual authentication on.

        Assumed: it replaces the mapping as a whole, moves the default certificate, and restarts the instance.
        """
        machine = machine_of(self._machines, parameters)
        if machine.settings.edition != PLATINUM or not machine.serving.mutual:
            raise ApiError("InstancePermissionCheckFailed", "The instance does not support this operation.")
        served = self._serving(required(parameters, "DefaultCertificate"))
        mapping = [item.split("#") for item in parameters.get("SniConfig", "").split(";") if item]
        if any(len(item) < 2 for item in mapping):  # noqa: PLR2004  domain, identifier, and a password perhaps
            raise ApiError("ParameterFieldCheckFailed", "SniConfig is invalid.")
        domains = tuple((domain, self._serving(identifier)) for domain, identifier, *_ in mapping)
        return self._switch(machine, replace(served, domains=domains))

    def switch_mutual(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication on, with a hosted certificate; the instance restarts."""
        machine = machine_of(self._machines, parameters)
        return self._switch(machine, self._serving(required(parameters, "CertIdentifier")))

    def _serving(self, identifier: str) -> Serving:
        hosted = self._hosting.by_identifier(identifier)
        if hosted is None:
            raise ApiError("CertificateNotFound", "The certificate does not exist.", 404)
        if hosted.status() == "expired":
            raise ApiError("CertificateExpired", "The certificate has expired.")
        return Serving(True, hosted.chain_pem, hosted.key_pem)  # noqa: FBT003

    def switch_one_way(self, parameters: dict[str, str]) -> Answer:
        """Turn mutual authentication off; the instance restarts with Alibaba's own certificate."""
        return self._switch(machine_of(self._machines, parameters), self._stand_in)

    def _switch(self, machine: Machine, wanted: Serving) -> Answer:
        with self._lock:
            if machine.status != IN_SERVICE:
                raise ApiError("OperationDenied.InstanceStatus", "The instance is not in service.", 409)
            fault = self._faults.of_switch(machine.settings.id)
            if fault is not None and fault.seconds is None:
                fault = replace(fault, seconds=self._settings.lasting(fault.kind))
            machine.restart(wanted, self._stand_in, fault, self._settings.restart())
        return _success({})


def _success(more: Answer) -> Answer:
    return {"Code": "200", "Success": "true", "Message": "operation success.", **more}
