"""What the configuration means in the words of the model."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.model.certificate import DistinguishedName, FilesSpecification, HostedSpecification, Specification
from provisioner.model.desired import (
    CanaryPolicy,
    ClientsPolicy,
    Desired,
    Mapped,
    RotationPolicy,
    WaitingPolicy,
    Wanted,
    Window,
)
from provisioner.model.instance import Endpoint
from provisioner.model.secret import Secret
from provisioner.settings.certificate_schema import (
    CertificateSettings,
    FilesCertificate,
    HostedCertificateSettings,
    IssuedCertificate,
)
from provisioner.settings.names import split_endpoint, state_path
from provisioner.settings.schema import AuthoritySettings, Settings
from provisioner.settings.secrets import SecretReference


class LoadedSettings:
    """A configuration with the directory that its relative paths are relative to."""

    def __init__(self, settings: Settings, base: Path) -> None:
        self.settings = settings
        self.base = base

    @property
    def state_path(self) -> Path:
        """The file of the state database."""
        return self.base / state_path(self.settings.state)

    @property
    def key_store(self) -> Path:
        """The directory of the key store."""
        return self.base / self.settings.key_store

    def path(self, relative: Path) -> Path:
        """Return a path of the configuration."""
        return self.base / relative

    def secret(self, reference: SecretReference | None, key: str) -> Secret | None:
        """Return a secret, None when none is configured. Raises ``UsageError``."""
        return None if reference is None else reference.read(self.base, key)

    def authority(self) -> AuthoritySettings:
        """Return the section [authority]. Raises ``UsageError`` without one."""
        if self.settings.authority is None:
            raise UsageError(
                "the configuration has no [authority]; nothing was changed",
                hint="name certificate and private_key there",
            )
        return self.settings.authority

    def instance_names(self, wanted: Sequence[str]) -> list[str]:
        """Return the wanted instances, all when none is wanted. Raises ``UsageError`` for an unknown one."""
        known = list(self.settings.instances)
        unknown = [name for name in wanted if name not in known]
        if unknown or not known:
            what = f"no [instances.{unknown[0]}]" if unknown else "no [instances.NAME]"
            raise UsageError(
                f"the configuration has {what}; there are: {', '.join(known) or 'none'}; nothing was changed",
                hint="name one of these" if known else "add a section [instances.NAME]",
            )
        return list(dict.fromkeys(wanted)) or known

    def wanted(self, name: str) -> Wanted:
        """Return what a certificate should be, whatever its source. Raises ``UsageError`` for an unknown one."""
        found = self._certificate(name)
        days = found.renew_before_days
        lead = None if days is None else timedelta(days=days)
        if isinstance(found, FilesCertificate):
            return FilesSpecification(name, lead)
        if isinstance(found, HostedCertificateSettings):
            return HostedSpecification(name, found.identifier, lead)
        return self.specification(name)

    def _certificate(self, name: str) -> CertificateSettings:
        found = self.settings.certificates.get(name)
        if found is None:
            known = ", ".join(self.settings.certificates) or "none"
            raise UsageError(
                f"the configuration has no [certificates.{name}]; there are: {known}; nothing was changed",
                hint=f"name one of these, or add a section [certificates.{name}]",
            )
        return found

    def specification(self, name: str) -> Specification:
        """Return what a certificate that is issued here should be. Raises ``UsageError`` for another."""
        found = self._certificate(name)
        if not isinstance(found, IssuedCertificate):
            raise UsageError(
                f"certificates.{name} has the source {found.source}, so it can't be issued here; nothing was changed",
                hint=f"provisioner plan; it tells what becomes of certificates.{name}",
            )
        days = found.renew_before_days
        return Specification(
            name=name,
            key=found.key,
            valid_for=timedelta(days=found.valid_days),
            renew_before=timedelta(days=found.valid_days) / 3 if days is None else timedelta(days=days),
            profile=found.profile,
            dns_names=found.dns_names,
            subject=DistinguishedName(**found.subject.model_dump()),
            ip_addresses=found.ip_addresses,
        )

    def desired(self, name: str) -> Desired:
        """Return what an instance should be."""
        found = self.settings.instances[name]
        host, port = split_endpoint(found.endpoint)
        canary = found.canary
        return Desired(
            name=name,
            id=found.id,
            region=found.region,
            endpoint=Endpoint(host, port, found.connect_to),
            mode=found.mode,
            specification=self.wanted(found.certificate),
            hosted_prefix=self._hosted_prefix(found.certificate),
            driver=found.switch,
            on_failure=found.on_failure,
            canary=CanaryPolicy(canary is not None, logs_in=canary is not None and canary.username is not None),
            waiting=self.waiting(),
            rotation=RotationPolicy(
                unattended=found.unattended,
                allow_attended_rollback=found.allow_attended_rollback,
                window=Window(**found.window.model_dump()) if found.window else None,
                by_sni=found.rotate_with == "sni",
            ),
            clients=ClientsPolicy(
                ids=tuple(dict.fromkeys(canary.clients)) if canary else (),
                share=canary.clients_back_percent / 100 if canary else 1.0,
                rollback=found.on_missing_clients == "rollback",
            ),
            domains=tuple(
                Mapped(domain, self.wanted(certificate), self._hosted_prefix(certificate))
                for domain, certificate in found.domains.items()
            ),
        )

    def _hosted_prefix(self, certificate: str) -> str:
        return f"{self.settings.account.name_prefix}-{certificate}-"

    def waiting(self) -> WaitingPolicy:
        """Return how a restart is waited for."""
        found = self.settings.waiting
        return WaitingPolicy(
            deadline=found.deadline,
            effect_within=found.effect_within,
            readings=found.settle.readings,
            over=found.settle.over,
            smallest_share=found.settle.smallest_share,
            connections=found.settle.connections,
            poll=found.poll,
            status_poll=found.status_poll,
        )
