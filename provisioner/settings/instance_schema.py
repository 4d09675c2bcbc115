"""The schema of instances: what each should be, and what may happen to it with nobody watching."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from provisioner.model.desired import RollbackTarget
from provisioner.model.instance import Mode
from provisioner.planning import windows
from provisioner.settings.durations import parse_duration
from provisioner.settings.names import check_domain, check_timezone, parse_endpoint
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import Section, shaped

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


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
    username: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="MQTT user name; together with password"
    )
    password: SecretReference | None = Field(default=None, description="MQTT password, by reference")
    topic: Annotated[str, shaped(r"[^+#]{1,1024}", "a topic of 1 to 1024 characters without + and #")] | None = Field(
        default=None, description="a message is sent here and must come back; needs a login"
    )
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
