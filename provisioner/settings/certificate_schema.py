"""The schema of certificates: issued here, in files, or hosted already."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from provisioner.model.certificate import KeyType, Profile
from provisioner.settings.names import check_dns_names, check_ip_addresses
from provisioner.settings.secrets import SecretReference
from provisioner.settings.section import Section, shaped

DnsNames = Annotated[tuple[str, ...], AfterValidator(check_dns_names)]
IpAddresses = Annotated[tuple[str, ...], AfterValidator(check_ip_addresses)]


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
