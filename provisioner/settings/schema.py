"""The schema of the configuration. Field descriptions become the reference in the README."""

import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from provisioner.planning.stale_share import connections_needed
from provisioner.settings.certificate_schema import CertificateSettings
from provisioner.settings.instance_schema import Duration, InstanceSettings
from provisioner.settings.names import (
    check_state,
)
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import Section, shaped
from provisioner.settings.urls import check_url, is_loopback

Name = Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", "a name of at most 40 letters, digits, - and _")]
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


class ApiCall(Section):
    """An RPC action of your account; no name is built in."""

    action: Annotated[str, shaped(r"[A-Za-z][A-Za-z0-9]*", "a name of letters and digits")] = Field(
        description="the action's name"
    )
    version: Annotated[str, shaped(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a version, such as 2020-04-20")] = Field(
        default="2020-04-20", description="the API's version"
    )
    parameters: dict[str, str] = Field(
        description="its parameters; {instance_id}, {cert_identifier} and {region} are filled in; both actions need "
        "the first, mutual needs the second too"
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

    @model_validator(mode="after")
    def _aimed(self) -> "OpenApiSettings":
        for name, call, needed in (
            ("mutual", self.mutual, "instance_id"),
            ("mutual", self.mutual, "cert_identifier"),
            ("one_way", self.one_way, "instance_id"),
        ):
            if not any(f"{{{needed}}}" in value for value in call.parameters.values()):
                what = needed.partition("_")[0].replace("cert", "certificate")
                raise ValueError(f"no parameter of {name} holds {{{needed}}}: it would not say which {what} is meant")
        return self


class Switches(Section):
    """Settings of drivers."""

    openapi: OpenApiSettings | None = Field(default=None, description='needed by instances with switch = "openapi"')


class Settle(Section):
    """When the endpoint counts as settled."""

    readings: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=10, description="consecutive equal readings, at least"
    )
    over: Duration = Field(default=timedelta(seconds=30), description="the span that they cover at least")
    smallest_share: Annotated[float, Field(ge=0.001, le=0.5)] = Field(
        default=0.125,
        description="the smallest share of backends in another state to rule out; half of it takes twice the "
        "connections",
    )
    connections: Annotated[int, Field(ge=2, le=200)] = Field(
        default=12, description="connections of one reading to one address, on average; the number varies at random"
    )

    @property
    def shortest(self) -> int:
        """How many readings it takes at least."""
        return max(self.readings, math.ceil(connections_needed(self.smallest_share) / self.connections))


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
        if max(self.settle.over, (self.settle.shortest - 1) * self.poll) >= self.deadline:
            raise ValueError(
                "settle takes longer than deadline: fewer readings, a shorter span, a shorter poll, more connections, "
                "or a larger smallest_share"
            )
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
