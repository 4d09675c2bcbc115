"""A ready-made configuration for the sandbox: everything that a user would write by hand, in one directory.

The product is not told that it talks to a sandbox: endpoints, keys and a CA file are all that differs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import UsageError
from provisioner.model.certificate import DistinguishedName, KeyType
from provisioner.pki import create_authority
from provisioner.pki.files import write_private
from provisioner.runs.system_clock import SystemClock

if TYPE_CHECKING:
    from provisioner.sandbox import Sandbox

CLIENT_ID = "GID_ops@@@canary"
TOPIC = "provisioner/canary"
QUICK_WAITING = {
    "deadline": "12s",
    "effect_within": "6s",
    "poll": "250ms",
    "status_poll": "500ms",
    "settle": {"readings": 4, "over": "1s", "connections": 24},
}
_INSTALL = "install the extra beside this tool, from the checkout or the wheel: pip install 'PATH[sandbox]'"
_SUBJECT = DistinguishedName("CN", "ZJ", "HZ", "Example", "MQTT", "ops@example.com", "Example MQTT CA (sandbox)")


@dataclass(frozen=True, slots=True)
class SandboxFiles:
    """Where the ready-made files lie."""

    directory: Path
    configuration: Path
    authority: Path
    device_certificate: Path
    device_key: Path
    trust: Path


class SandboxWriter:
    """Writes the files of a running sandbox.

    Args:
        sandbox: the running sandbox.
        directory: where everything goes; it is made, private to its owner.
    """

    def __init__(self, sandbox: "Sandbox", directory: Path) -> None:
        self._sandbox = sandbox
        root = directory.resolve()
        self.files = SandboxFiles(
            directory=root,
            configuration=root / "provisioner.toml",
            authority=root / "ca" / "ca.crt",
            device_certificate=root / "device" / "device.crt",
            device_key=root / "device" / "device.key",
            trust=root / "device" / "sandbox-root.crt",
        )

    def write_secrets(self) -> None:
        """Write access key and canary logins."""
        self._private("secrets/access-key-id", self._sandbox.access_key_id)
        self._private("secrets/access-key-secret", self._sandbox.access_key_secret)
        for instance in self._sandbox.instances:
            _, password = self._sandbox.canary_login(instance.id, CLIENT_ID)
            self._private(f"secrets/canary-{instance.id}", password)

    def write_device(self) -> None:
        """Write the canary's device certificate and key, and the root of the stand-in for Alibaba's certificate."""
        certificates = self._sandbox.certificates
        self._private("device/device.crt", certificates.device.chain_pem)
        self._private("device/device.key", certificates.device.private_key_pem)
        self._private("device/sandbox-root.crt", certificates.root_pem)

    def create_authority(self) -> None:
        """Make the owner's CA, its key without passphrase."""
        create_authority(
            key=KeyType.EC_P256,
            subject=_SUBJECT,
            valid_for=timedelta(days=3650),
            certificate=self.files.authority,
            private_key=self.files.authority.with_suffix(".key"),
            passphrase=None,
            now=SystemClock().now(),
        )

    def write_configuration(
        self,
        names: Mapping[str, str],
        *,
        key: KeyType = KeyType.RSA_2048,
        more_names: tuple[str, ...] = (),
        waiting: Mapping[str, object] | None = None,
    ) -> Path:
        """Write the configuration, replacing an earlier one, and return its path.

        Args:
            names: names of instances in the configuration, with their ids.
            key: the key type of the server certificate.
            more_names: further DNS names of the server certificate.
            waiting: the section ``[waiting]``; the defaults of production when not given.
        """
        lines = [*self._head(key, more_names)]
        for name, instance_id in names.items():
            lines += self._instance(name, instance_id)
        lines += self._switches()
        if waiting is not None:
            lines += ["", "[waiting]", *(f"{option} = {_toml(value)}" for option, value in waiting.items())]
        self.files.configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.files.configuration

    def _head(self, key: KeyType, more_names: tuple[str, ...]) -> list[str]:
        url = self._sandbox.api_url
        reference = {
            "access_key_id": {"file": "secrets/access-key-id"},
            "access_key_secret": {"file": "secrets/access-key-secret"},
        }
        subject = {
            "country": "CN",
            "state": "ZJ",
            "locality": "HZ",
            "organization": "Example",
            "organizational_unit": "MQTT",
            "email": "ops@example.com",
            "common_name": "mqtt.example.com",
        }
        return [
            "# Made by the sandbox; everything in it is worthless elsewhere.",
            'state = "sqlite:///state/provisioner.sqlite"',
            'key_store = "state/keys"',
            "",
            "[account]",
            'site = "china"',
            f"credentials = {_toml(reference)}",
            f"endpoints = {_toml({'certificates': url, 'mqtt': url})}",
            "",
            "[authority]",
            'certificate = "ca/ca.crt"',
            'private_key = "ca/ca.key"',
            "",
            "[certificates.iot]",
            f"key = {_toml(key.value)}",
            f"dns_names = {_toml(['*.mqtt.aliyuncs.com', *more_names])}",
            f"subject = {_toml(subject)}",
        ]

    def _instance(self, name: str, instance_id: str) -> list[str]:
        host_name, address, port = self._sandbox.endpoint(instance_id)
        region = next(item.region for item in self._sandbox.instances if item.id == instance_id)
        username, _ = self._sandbox.canary_login(instance_id, CLIENT_ID)
        canary = {
            "certificate": "device/device.crt",
            "private_key": "device/device.key",
            "client_id": CLIENT_ID,
            "username": username,
            "password": {"file": f"secrets/canary-{instance_id}"},
            "topic": TOPIC,
            "trust": "device/sandbox-root.crt",
        }
        return [
            "",
            f"[instances.{name}]",
            f"id = {_toml(instance_id)}",
            f"region = {_toml(region)}",
            f"endpoint = {_toml(f'{host_name}:{port}')}",
            f"connect_to = {_toml(address)}",
            'certificate = "iot"',
            'switch = "openapi"',
            f"canary = {_toml(canary)}",
        ]

    def _switches(self) -> list[str]:
        settings = self._sandbox.settings
        mutual = {
            "action": settings.mutual_action,
            "version": "2020-04-20",
            "parameters": {"MqttInstanceId": "{instance_id}", "CertIdentifier": "{cert_identifier}"},
        }
        one_way = {
            "action": settings.one_way_action,
            "version": "2020-04-20",
            "parameters": {"MqttInstanceId": "{instance_id}"},
        }
        return ["", "[switches.openapi]", f"mutual = {_toml(mutual)}", f"one_way = {_toml(one_way)}"]

    def _private(self, name: str, text: str) -> None:
        write_private(self.files.directory / name, text.encode(), replace=True)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)


def require_sandbox() -> None:
    """Raise ``UsageError`` when the sandbox's own dependency is not installed."""
    if find_spec("amqtt") is None:
        raise UsageError("the sandbox is not installed; nothing was started", hint=_INSTALL)
