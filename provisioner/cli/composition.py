"""The composition root: from a configuration to attempts with real adapters. The only place that knows all of them."""

from collections.abc import Callable, Sequence
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
    AlibabaSessions,
    ApiEndpoints,
    Site,
)
from provisioner.alibaba.switches import ApiCall, ConsoleSwitch, OpenApiSwitch, SniSwitch
from provisioner.errors import UnusableError, UsageError
from provisioner.model.certificate import MaterialFiles
from provisioner.model.instance import Mode
from provisioner.model.rehearsal import RehearsedSession
from provisioner.pki import (
    Authority,
    BundleImporter,
    DerCertificateReader,
    FileKeyStore,
    FilesIssuer,
    HostedSource,
    LocalIssuer,
)
from provisioner.planning.checks import Permissions
from provisioner.ports import Canary, CertificateIssuer, DeviceCARegistry, EndpointSwitch, EventSink, Rehearsal, each
from provisioner.runs.attempt import Attempt
from provisioner.runs.looking import Looker
from provisioner.runs.pruning import Place, Pruner
from provisioner.runs.rollback import ONE_WAY, Rollback
from provisioner.runs.seams import Reads, Records, Seams, Source
from provisioner.runs.system_clock import SystemClock
from provisioner.settings import load_settings
from provisioner.settings.certificate_schema import FilesCertificate, IssuedCertificate
from provisioner.settings.instance_schema import InstanceSettings
from provisioner.settings.schema import ApiCall as ApiCallSettings
from provisioner.state import open_state
from provisioner.wire.aliases import DnsAliases
from provisioner.wire.canary import Device, PahoCanary
from provisioner.wire.controls import StdlibControls
from provisioner.wire.probe import StdlibWireProbe
from provisioner.wire.rehearsal import DeviceCertificate, LoopbackRehearsal
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

    def unattended(self) -> list[str]:
        """Return the instances that may be rotated with nobody watching."""
        return [name for name, item in self.loaded.settings.instances.items() if item.unattended]

    def attempt(
        self, name: str, run: str, command: str, permissions: Permissions, *, resuming: bool = False
    ) -> Attempt:
        """Return an attempt on an instance."""
        return Attempt(self.loaded.desired(name), self.seams(name), run, command, permissions, resuming=resuming)

    def rollback(self, name: str, run: str, to: str | None) -> tuple[Attempt, Rollback]:
        """Return what takes an instance back.

        To one-way a canary goes along only where it can be used: nothing that lies with the certificates may stand in
        that way.
        """
        seams = self._forgiving(name) if to == ONE_WAY else self.seams(name)
        attempt = Attempt(self.loaded.desired(name), seams, run, "rollback", Permissions())
        return attempt, Rollback(attempt, seams, to)

    def pruner(self) -> Pruner:
        """Return what deletes hosted certificates that nobody needs."""
        hosted = AlibabaHostedCertificates(self._clients)
        places = []
        for name in self.loaded.settings.instances:
            desired = self.loaded.desired(name)
            domains = [item.domain for item in desired.domains]
            looker = Looker(desired.endpoint, self.seams(name).reads, domains, desired.waiting.connections)
            places.append(Place(desired, looker))
        return Pruner(
            self.loaded.settings.account.name_prefix,
            places,
            hosted=hosted,
            removal=hosted,
            intents=self.state.intents,
            history=self.state.history,
            clock=self.clock,
        )

    def seams(self, name: str, *, canary: bool = True) -> Seams:
        """Return the ports of a run on an instance, without its canary where it is not wanted."""
        instance = self.loaded.settings.instances[name]
        device = self._device(name, instance) if canary else None
        reads = Reads(
            hosted=AlibabaHostedCertificates(
                self._clients, unsafe_key_in_query=self.loaded.settings.account.unsafe_key_in_query
            ),
            instances=self._instances,
            device_cas=AlibabaDeviceCAs(self._clients),
            sessions=AlibabaSessions(self._clients, self.clock),
            resolver=SystemResolver(),
            aliases=DnsAliases(),
            probe=StdlibWireProbe(),
            canary=self._canary(name, instance, device) if device else None,
            controls=StdlibControls(device),
            issuer=self._issuer(instance.certificate),
            key_store=self._key_store,
            reader=DerCertificateReader(),
            rehearsal=self._rehearsal(name, instance, instance.certificate),
            clock=self.clock,
            sources={
                certificate: Source(self._issuer(certificate), self._rehearsal(name, instance, certificate))
                for certificate in instance.domains.values()
            },
        )
        kept = self.state
        records = Records(kept.intents, kept.holds, kept.history, kept.locks, kept.leaves, kept.backoffs, self._sink)
        rotating = SniSwitch(self._clients) if instance.rotate_with == "sni" else None
        return Seams(reads, records, self._switch(instance), rotating)

    def _forgiving(self, name: str) -> Seams:
        """Return the ports of a run, without its canary where that can't be used."""
        try:
            return self.seams(name)
        except (UnusableError, UsageError):
            return self.seams(name, canary=False)

    def _issuer(self, certificate: str) -> CertificateIssuer:
        found = self.loaded.settings.certificates[certificate]
        if isinstance(found, IssuedCertificate):
            return LocalIssuer(self._authority, self._key_store, self.clock)
        if not isinstance(found, FilesCertificate):
            return HostedSource()
        key = f"certificates.{certificate}.private_key_password"
        importer = BundleImporter(
            self.loaded.path(found.certificate),
            self.loaded.path(found.private_key) if found.private_key else None,
            lambda: self.loaded.secret(found.private_key_password, key),
            self._key_store,
            keep_root=found.keep_root,
        )
        return FilesIssuer(importer)

    def _roots(self, certificate: str) -> list[str] | None:
        """Return what clients trust for a certificate, None for the system's store."""
        found = self.loaded.settings.certificates[certificate]
        if isinstance(found, IssuedCertificate):
            return [self._authority.bundle_pem()]
        return None if found.trust is None else self._trust(found.trust, f"certificates.{certificate}.trust")

    def _rehearsal(self, name: str, instance: InstanceSettings, certificate: str) -> Rehearsal:
        """Return a rehearsal that loads its files when it is asked for: the way back goes on without them."""
        return _RehearsalOnDemand(lambda: self._loopback(name, instance, certificate))

    def _loopback(self, name: str, instance: InstanceSettings, certificate: str) -> Rehearsal:
        found, key = instance.canary, f"instances.{name}.canary.private_key_password"
        device = None
        if found is not None:
            device = DeviceCertificate(
                self.loaded.path(found.certificate),
                self.loaded.path(found.private_key),
                self.loaded.secret(found.private_key_password, key),
            )
        return LoopbackRehearsal(self._roots(certificate), device)

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

    def _device(self, name: str, instance: InstanceSettings) -> Device | None:
        """Return who the canary is, None where none is configured."""
        found = instance.canary
        if found is None:
            return None
        key = f"instances.{name}.canary"
        return Device(
            certificate=self.loaded.path(found.certificate),
            private_key=self.loaded.path(found.private_key),
            client_id=found.client_id,
            key_password=self.loaded.secret(found.private_key_password, f"{key}.private_key_password"),
            username=found.username,
            password=self.loaded.secret(found.password, f"{key}.password"),
            topic=found.topic,
        )

    def _canary(self, name: str, instance: InstanceSettings, device: Device) -> Canary:
        found = instance.canary
        named = found.trust if found is not None else None
        trusted = self._trust(named, f"instances.{name}.canary.trust") if named else []
        return PahoCanary(device, [*(self._roots(instance.certificate) or []), *trusted])

    def _trust(self, path: Path, key: str) -> list[str]:
        try:
            return [self.loaded.path(path).read_text(encoding="ascii")]
        except (OSError, UnicodeDecodeError):
            raise UnusableError(
                f"{self.loaded.path(path)}: trusted CAs can't be read; nothing was changed", hint=f"check {key}"
            ) from None

    def _switch(self, instance: InstanceSettings) -> EndpointSwitch:
        calls = self.loaded.settings.switches.openapi
        if instance.switch == "console" or calls is None:
            return ConsoleSwitch(Site(self.loaded.settings.account.site))
        return OpenApiSwitch(self._clients, {Mode.MUTUAL: _call(calls.mutual), Mode.ONE_WAY: _call(calls.one_way)})


class _RehearsalOnDemand:
    """Implements ``ports.Rehearsal`` by one that is made at its first use."""

    def __init__(self, make: Callable[[], Rehearsal]) -> None:
        self._make = make
        self._made: Rehearsal | None = None

    def rehearse(
        self, names: tuple[str, ...], files: MaterialFiles, device_cas_pem: tuple[str, ...]
    ) -> tuple[RehearsedSession, ...]:
        """Rehearse. Raises ``UnusableError``."""
        self._made = self._made or self._make()
        return self._made.rehearse(names, files, device_cas_pem)


def _call(settings: ApiCallSettings) -> ApiCall:
    return ApiCall(settings.action, settings.version, settings.parameters)
