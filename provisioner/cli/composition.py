"""The composition root: from a configuration to attempts with real adapters. The only place that knows all of them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from provisioner.alibaba import (
    AccessKey,
    AccountClients,
    AlibabaDeviceCARegistry,
    AlibabaDeviceCAs,
    AlibabaHostedCertificates,
    AlibabaInstances,
    ApiEndpoints,
    Site,
)
from provisioner.alibaba.switches import ApiCall, ConsoleSwitch, OpenApiSwitch
from provisioner.errors import UnusableError
from provisioner.model.instance import Mode
from provisioner.pki import Authority, DerCertificateReader, FileKeyStore, LocalIssuer
from provisioner.planning.checks import Permissions
from provisioner.ports import Canary, DeviceCARegistry, EndpointSwitch, EventSink, each
from provisioner.runs.attempt import Attempt
from provisioner.runs.seams import Reads, Records, Seams
from provisioner.runs.system_clock import SystemClock
from provisioner.settings import load_settings
from provisioner.settings.schema import ApiCall as ApiCallSettings
from provisioner.settings.schema import InstanceSettings
from provisioner.state import open_state
from provisioner.wire.canary import Device, PahoCanary
from provisioner.wire.probe import StdlibWireProbe
from provisioner.wire.resolver import SystemResolver


class Composition:
    """Everything that a command on instances works with; a context manager that closes the state.

    Args:
        configuration: the file.
        sinks: readers of the events.
        create_state: make the state when it is missing; reading commands don't.
    """

    def __init__(self, configuration: Path, *, sinks: Sequence[EventSink] = (), create_state: bool = True) -> None:
        self.loaded = load_settings(configuration)
        self.clock = SystemClock()
        self._sink = each(sinks)
        self.state = open_state(self.loaded.state_path, self.clock, create=create_state)
        self.locks = self.state.locks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.state.close()

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Return the named instances, all when none is named. Raises ``UsageError``."""
        return self.loaded.instance_names(names)

    def attempt(
        self, name: str, run: str, command: str, permissions: Permissions, *, resuming: bool = False
    ) -> Attempt:
        """Return an attempt on an instance."""
        return Attempt(self.loaded.desired(name), self.seams(name), run, command, permissions, resuming=resuming)

    def seams(self, name: str) -> Seams:
        """Return the ports of a run on an instance."""
        instance = self.loaded.settings.instances[name]
        reads = Reads(
            hosted=AlibabaHostedCertificates(
                self._clients, unsafe_key_in_query=self.loaded.settings.account.unsafe_key_in_query
            ),
            instances=self._instances,
            device_cas=AlibabaDeviceCAs(self._clients),
            resolver=SystemResolver(),
            probe=StdlibWireProbe(),
            canary=self._canary(name, instance),
            issuer=LocalIssuer(self._authority, self._key_store, self.clock),
            key_store=self._key_store,
            reader=DerCertificateReader(),
            clock=self.clock,
        )
        kept = self.state
        records = Records(kept.intents, kept.holds, kept.history, kept.locks, self._sink)
        return Seams(reads, records, self._switch(instance))

    def device_ca_registry(self) -> DeviceCARegistry:
        """Return the port that changes device CAs."""
        return AlibabaDeviceCARegistry(self._clients)

    @cached_property
    def _key_store(self) -> FileKeyStore:
        return FileKeyStore(self.loaded.key_store)

    @cached_property
    def _instances(self) -> AlibabaInstances:
        return AlibabaInstances(self._clients, self.clock)

    @cached_property
    def _authority(self) -> Authority:
        found = self.loaded.authority()
        return Authority(
            self.loaded.path(found.certificate),
            self.loaded.path(found.private_key) if found.private_key else None,
            lambda: self.loaded.secret(found.private_key_password, "authority.private_key_password"),
        )

    @cached_property
    def _clients(self) -> AccountClients:
        account = self.loaded.settings.account
        key: AccessKey | None = None
        if account.credentials is not None:
            where = "account.credentials"
            found = account.credentials
            key = AccessKey(
                found.access_key_id.read(self.loaded.base, f"{where}.access_key_id"),
                found.access_key_secret.read(self.loaded.base, f"{where}.access_key_secret"),
            )
        urls = account.endpoints
        return AccountClients(
            Site(account.site), key, ApiEndpoints(urls.certificates, urls.mqtt) if urls is not None else None
        )

    def _canary(self, name: str, instance: InstanceSettings) -> Canary | None:
        found = instance.canary
        if found is None:
            return None
        key = f"instances.{name}.canary"
        device = Device(
            certificate=self.loaded.path(found.certificate),
            private_key=self.loaded.path(found.private_key),
            client_id=found.client_id,
            key_password=self.loaded.secret(found.private_key_password, f"{key}.private_key_password"),
            username=found.username,
            password=self.loaded.secret(found.password, f"{key}.password"),
            topic=found.topic,
        )
        return PahoCanary(device, [self._authority.bundle_pem(), *self._trust(found.trust)])

    def _trust(self, path: Path | None) -> list[str]:
        if path is None:
            return []
        try:
            return [self.loaded.path(path).read_text(encoding="ascii")]
        except (OSError, UnicodeDecodeError):
            raise UnusableError(
                f"{self.loaded.path(path)}: the canary's trusted CAs can't be read; nothing was changed",
                hint="check canary.trust",
            ) from None

    def _switch(self, instance: InstanceSettings) -> EndpointSwitch:
        calls = self.loaded.settings.switches.openapi
        if instance.switch == "console" or calls is None:
            return ConsoleSwitch(Site(self.loaded.settings.account.site))
        return OpenApiSwitch(self._clients, {Mode.MUTUAL: _call(calls.mutual), Mode.ONE_WAY: _call(calls.one_way)})


def _call(settings: ApiCallSettings) -> ApiCall:
    return ApiCall(settings.action, settings.version, settings.parameters)
