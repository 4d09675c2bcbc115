"""The unattended driver: an RPC action that the configuration names. No name is built in."""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.alibaba.clients import AccountClients, Call
from provisioner.alibaba.failures import require_success
from provisioner.model.instance import EndpointState, Mode


@dataclass(frozen=True, slots=True)
class ApiCall:
    """An action, its version, and parameters in which ``{instance_id}``, ``{cert_identifier}``, ``{region}`` stand."""

    action: str
    version: str
    parameters: Mapping[str, str]


class OpenApiSwitch:
    """Implements ``ports.EndpointSwitch`` with the SDK's own signed call.

    Args:
        clients: the account's clients.
        calls: the action for each mode.
    """

    attended = False

    def __init__(self, clients: AccountClients, calls: Mapping[Mode, ApiCall]) -> None:
        self._clients = clients
        self._calls = calls

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Send the request; an OK says only that it was accepted."""
        call = self._calls[target.mode]
        values = {"instance_id": instance_id, "cert_identifier": target.identifier or "", "region": region}
        query: dict[str, object] = {name: _filled(value, values) for name, value in call.parameters.items()}
        require_success(call.action, self._clients.mqtt(region, Call(call.action, call.version, query=query)))
        return ()


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template
