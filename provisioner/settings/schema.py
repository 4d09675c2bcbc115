"""The schema of the configuration. Field descriptions become the reference in the README."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from provisioner.model.certificate import KeyType, Profile
from provisioner.model.desired import RollbackTarget
from provisioner.model.instance import Mode
from provisioner.planning import windows
from provisioner.settings.durations import parse_duration
from provisioner.settings.names import (
    check_dns_names,
    check_domain,
    check_ip_addresses,
    check_state,
    check_timezone,
    parse_endpoint,
)
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import Section, shaped
from provisioner.settings.urls import check_url, is_loopback

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Name = Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", "a name of at most 40 letters, digits, - and _")]
DnsNames = Annotated[tuple[str, ...], AfterValidator(check_dns_names)]
IpAddresses = Annotated[tuple[str, ...], AfterValidator(check_ip_addresses)]
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = {"instance_id", "cert_identifier", "region"}
LONGEST_HOSTED_NAME = 63


class Credentials(Section):
    """An access key of Alibaba Cloud."""

    access_key_id: SecretReference = Field(description="the access key's id, by reference")
    access_key_secret: SecretReference = Field(description="its secret, by reference")


class Endpoints(Section):
    """Other addresses of the cloud's APIs."""

    certificates: Annotated[str, AfterValidator(check_url)] = Field(description="URL of Certificate Management Service")
    mqtt: Annotated[str, AfterValidator(check_url)] = Field(description="URL of ApsaraMQ for MQTT")

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Endpoints":
        loopback = {is_loopback(url) for url in (self.certificates, self.mqtt)}
        if len(loopback) > 1:
            raise ValueError("either both endpoints are on loopback or neither is")
        return self

    @property
    def plain(self) -> bool:
        """Whether secrets would travel unencrypted, which only loopback may."""
        return self.certificates.startswith("http:")


class Account(Section):
    """The Alibaba Cloud account."""

    site: Literal["china", "international"] = Field(
        default="china", description="decides the hosting endpoint and the suffix of certificate identifiers"
    )
    credentials: Credentials | None = Field(
        default=None, description="access key by reference; the Alibaba Cloud default chain when left out"
    )
    endpoints: Endpoints | None = Field(
        default=None, description="other API addresses, such as the sandbox's; plain http for literal loopback only"
    )
    name_prefix: Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}", "at most 20 letters, digits and -")] = Field(
        default="provisioner", description="begins the names of hosted certificates"
    )
    unsafe_key_in_query: bool = Field(
        default=False, description="send the private key in the URL, should the service not read it from the body"
    )

    @model_validator(mode="after")
    def _explicit_on_loopback(self) -> "Account":
        if self.endpoints is not None and self.endpoints.plain and self.credentials is None:
            raise ValueError("endpoints over plain http need explicit credentials: real ones must never go there")
        return self


class AuthoritySettings(Section):
    """The owner's CA."""

    certificate: Path = Field(description="PEM file with the CA certificate, its own chain below it")
    private_key: Path | None = Field(default=None, description="PEM file with the CA's key; needed to issue")
    private_key_password: SecretReference | None = Field(default=None, description="the key's password, by reference")


class Subject(Section):
    """A subject, its fields in the order of Alibaba's guide."""

    country: Annotated[str, shaped(r"[A-Z]{2}", "two capital letters, such as CN")] | None = Field(
        default=None, description="two capital letters"
    )
    state: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="state or province"
    )
    locality: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(default=None, description="city")
    organization: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(default=None, description="company")
    organizational_unit: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="department"
    )
    email: Annotated[str, shaped(r"[\x21-\x7e]{1,128}", "an ASCII address of at most 128 characters")] | None = Field(
        default=None, description="ASCII address"
    )
    common_name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="at most 64 characters; clients go by dns_names"
    )

    @model_validator(mode="after")
    def _something(self) -> "Subject":
        if not any(self.model_dump().values()):
            raise ValueError("a subject needs at least one field, such as common_name")
        return self


RenewBefore = Annotated[int, Field(ge=0)] | None
_RENEWAL = "renewal is due so many days before expiry; a third of the lifetime when left out"


class IssuedCertificate(Section):
    """What a certificate that is issued here should be."""

    source: Literal["authority"] = Field(default="authority", description="issued here by [authority]")
    key: KeyType = Field(default=KeyType.RSA_2048, description="key type")
    valid_days: Annotated[int, Field(ge=1, le=3650)] = Field(default=500, description="lifetime in days")
    renew_before_days: RenewBefore = Field(default=None, description=_RENEWAL)
    profile: Profile = Field(
        default=Profile.STRICT, description='"guide" carries the exact extensions of Alibaba\'s guide'
    )
    dns_names: DnsNames = Field(description="names that clients may connect to; * stands for one leftmost label")
    ip_addresses: IpAddresses = Field(
        default=(), description="IP addresses that clients may connect to, beside the names"
    )
    subject: Subject = Field(description="the distinguished name")

    @model_validator(mode="after")
    def _renewal_within_lifetime(self) -> "IssuedCertificate":
        if self.renew_before_days is not None and self.renew_before_days >= self.valid_days:
            raise ValueError(f"renew_before_days must be less than valid_days ({self.valid_days})")
        return self


class FilesCertificate(Section):
    """A certificate that you have as files, such as a purchased one; the files are its specification."""

    source: Literal["files"] = Field(description="taken from the files named here")
    certificate: Path = Field(description="PEM file with the certificate and its chain in any order, or a PKCS#12 file")
    private_key: Path | None = Field(default=None, description="PEM file with the key, unless `certificate` holds it")
    private_key_password: SecretReference | None = Field(
        default=None, description="password of the key or of the PKCS#12 file, by reference"
    )
    keep_root: bool = Field(default=False, description="send the root along when the files hold it")
    trust: Path | None = Field(
        default=None, description="PEM file with the root that clients trust; the system's store when left out"
    )
    renew_before_days: RenewBefore = Field(default=None, description=_RENEWAL)


class HostedCertificateSettings(Section):
    """A certificate that is hosted already; its identifier is its specification."""

    source: Literal["hosted"] = Field(description="hosted in Certificate Management Service already")
    identifier: Annotated[str, Field(pattern=r"^\d+-[a-z0-9-]+$")] = Field(
        description="its CertIdentifier, such as 14000001-cn-hangzhou"
    )
    trust: Path | None = Field(
        default=None, description="PEM file with the root that clients trust; the system's store when left out"
    )
    renew_before_days: RenewBefore = Field(default=None, description=_RENEWAL)


def _source(value: object) -> str:
    found = value.get("source", "authority") if isinstance(value, dict) else getattr(value, "source", "authority")
    return f"[{found}]"


# The tags are in brackets, so that they are not taken for keys in messages.
CertificateSettings = Annotated[
    Annotated[IssuedCertificate, Tag("[authority]")]
    | Annotated[FilesCertificate, Tag("[files]")]
    | Annotated[HostedCertificateSettings, Tag("[hosted]")],
    Discriminator(
        _source,
        custom_error_type="source",
        custom_error_message='source is one of "authority", "files" and "hosted"',
    ),
]


class WindowSettings(Section):
    """When unattended switches may begin."""

    cron: Annotated[str, AfterValidator(windows.check_cron)] = Field(
        description='when it opens: five fields, such as "0 2 * * SUN"'
    )
    duration: Duration = Field(description="how long it stays open; at least twice waiting.deadline")
    timezone: Annotated[str, AfterValidator(check_timezone)] = Field(
        default="UTC", description="of the cron expression, such as Asia/Shanghai"
    )


class CanarySettings(Section):
    """A real device session that proves that devices get in."""

    certificate: Path = Field(description="PEM file with a device certificate and its chain")
    private_key: Path = Field(description="PEM file with its key")
    private_key_password: SecretReference | None = Field(default=None, description="the key's password, by reference")
    client_id: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="an MQTT client id of its own, never that of a device in the field"
    )
    username: str | None = Field(default=None, description="MQTT user name; together with password")
    password: SecretReference | None = Field(default=None, description="MQTT password, by reference")
    topic: str | None = Field(default=None, description="a message is sent here and must come back; needs a login")
    trust: Path | None = Field(default=None, description="PEM file with further CAs that the canary trusts")
    clients: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(
        default=(), description="client ids of devices; those online before a switch are awaited afterwards"
    )
    clients_back_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100, description="which part of them has to be back before the deadline"
    )

    @model_validator(mode="after")
    def _login_complete(self) -> "CanarySettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together")
        if self.topic is not None and self.username is None:
            raise ValueError("topic needs username and password")
        return self


class InstanceSettings(Section):
    """One instance of ApsaraMQ for MQTT."""

    id: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="the instance's id, such as mqtt-cn-xxxxxxxx"
    )
    region: Annotated[str, shaped(r"[a-z]+(-[a-z0-9]+)+", "a region, such as cn-hangzhou")] = Field(
        description="its region, such as cn-hangzhou"
    )
    endpoint: Annotated[str, AfterValidator(parse_endpoint)] = Field(
        description="the name and port that devices use: the instance's own or your CNAME; port 8883 when left out"
    )
    connect_to: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="address to connect to instead of resolving the name (split DNS)"
    )
    certificate: str = Field(description="name of a section [certificates.NAME]")
    domains: dict[Annotated[str, AfterValidator(check_domain)], str] = Field(
        default={}, description="further domains with the certificate of each, set through the SNI mapping"
    )
    mode: Mode = Field(default=Mode.MUTUAL, description="the wanted mode")
    switch: Literal["console", "openapi"] = Field(
        default="console", description='driver: "console" waits for a person, "openapi" calls [switches.openapi]'
    )
    on_failure: tuple[RollbackTarget, ...] = Field(
        default=(RollbackTarget.PREVIOUS_CERTIFICATE, RollbackTarget.ONE_WAY),
        min_length=1,
        description='where a failed change goes back to: the first that applies; "none" leaves it',
    )
    rotate_with: Literal["switch", "sni"] = Field(
        default="switch", description='how a new certificate is set in mutual mode: "sni" is the published SetSniConfig'
    )
    sni_owns_mapping: bool = Field(
        default=False, description="this tool may replace the whole SNI mapping, which can't be read back"
    )
    unattended: bool = Field(default=False, description="rotate may act on it with nobody watching")
    allow_attended_rollback: bool = Field(
        default=False, description="rotate may act although the only way back needs a person"
    )
    on_missing_clients: Literal["warn", "rollback"] = Field(
        default="warn", description="what follows when too few of canary.clients come back"
    )
    window: WindowSettings | None = Field(
        default=None, description="when unattended switches may begin; at any time when left out"
    )
    canary: CanarySettings | None = Field(default=None, description="a real device session, recommended")

    @model_validator(mode="after")
    def _order_makes_sense(self) -> "InstanceSettings":
        if len(set(self.on_failure)) != len(self.on_failure):
            raise ValueError("on_failure names a target twice")
        if RollbackTarget.NONE in self.on_failure[:-1]:
            raise ValueError('"none" can only be the last of on_failure')
        return self

    @model_validator(mode="after")
    def _mapping_is_owned(self) -> "InstanceSettings":
        if self.rotate_with == "sni" and not self.sni_owns_mapping:
            raise ValueError(
                'rotate_with = "sni" replaces the whole SNI mapping, made elsewhere or not: it needs '
                "sni_owns_mapping = true"
            )
        if self.domains and self.rotate_with != "sni":
            raise ValueError('domains are set through the SNI mapping: they need rotate_with = "sni"')
        return self


class ApiCall(Section):
    """An RPC action of your account; no name is built in."""

    action: Annotated[str, shaped(r"[A-Za-z][A-Za-z0-9]*", "a name of letters and digits")] = Field(
        description="the action's name"
    )
    version: Annotated[str, shaped(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a version, such as 2020-04-20")] = Field(
        default="2020-04-20", description="the API's version"
    )
    parameters: dict[str, str] = Field(
        description="its parameters; {instance_id}, {cert_identifier} and {region} are filled in"
    )

    @model_validator(mode="after")
    def _placeholders_known(self) -> "ApiCall":
        used = {found for value in self.parameters.values() for found in _PLACEHOLDER.findall(value)}
        unknown = sorted(used - _PLACEHOLDERS)
        if unknown:
            raise ValueError(
                f"unknown placeholder {{{unknown[0]}}}; known are {{instance_id}}, {{cert_identifier}} and {{region}}"
            )
        return self


class OpenApiSettings(Section):
    """The two actions that switch the endpoint, for accounts that have them, and for the sandbox."""

    mutual: ApiCall = Field(description="turns mutual authentication on with a certificate")
    one_way: ApiCall = Field(description="turns it off")


class Switches(Section):
    """Settings of drivers."""

    openapi: OpenApiSettings | None = Field(default=None, description='needed by instances with switch = "openapi"')


class Settle(Section):
    """When the endpoint counts as settled."""

    readings: Annotated[int, Field(ge=2, le=1000)] = Field(default=10, description="consecutive equal readings")
    over: Duration = Field(default=timedelta(seconds=30), description="the span that they cover at least")


class Waiting(Section):
    """How a restart is waited for."""

    deadline: Duration = Field(default=timedelta(minutes=30), description="budget for one restart; extended once")
    effect_within: Duration = Field(
        default=timedelta(minutes=12),
        description="an unchanged endpoint is watched so long before a request counts as lost",
    )
    poll: Duration = Field(default=timedelta(seconds=3), description="time between readings; resolution of the outage")
    status_poll: Duration = Field(default=timedelta(seconds=15), description="time between looks at the status")
    settle: Settle = Field(default=Settle(), description="when the endpoint counts as settled")

    @model_validator(mode="after")
    def _fits(self) -> "Waiting":
        if self.effect_within >= self.deadline:
            raise ValueError("effect_within must be shorter than deadline")
        if max(self.settle.over, (self.settle.readings - 1) * self.poll) >= self.deadline:
            raise ValueError("settle takes longer than deadline: fewer readings, a shorter span, or a shorter poll")
        return self


class Settings(Section):
    """The whole configuration."""

    state: Annotated[str, AfterValidator(check_state)] = Field(
        default="sqlite:///state/provisioner.sqlite", description="state database"
    )
    key_store: Path = Field(default=Path("state/keys"), description="directory of issued certificates and keys")
    account: Account = Field(default=Account(), description="the Alibaba Cloud account")
    authority: AuthoritySettings | None = Field(default=None, description="the owner's CA")
    certificates: dict[Name, CertificateSettings] = Field(default={}, description="certificates by name")
    instances: dict[Name, InstanceSettings] = Field(default={}, description="instances by name")
    switches: Switches = Field(default=Switches(), description="settings of drivers")
    waiting: Waiting = Field(default=Waiting(), description="how a restart is waited for")
