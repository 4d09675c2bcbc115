"""What is wanted of a certificate, whatever its source: issued here, in files, or hosted already."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Leaf, Pinned, Specification
from provisioner.model.desired import Wanted
from provisioner.planning.satisfies import differences, due

SERVICE_DOMAIN = ".mqtt.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class Aim:
    """The names and the key type that the endpoint's certificate is to have.

    ``where`` says where the names are configured; empty where somebody else put them into the certificate.
    """

    names: tuple[str, ...]
    key: str
    where: str

    def adding(self, name: str) -> str:
        """Return what to do for a further name; public CAs issue only names that their buyer owns."""
        if self.where:
            return f"add {name} to {self.where}"
        if name.lower().endswith(SERVICE_DOMAIN):
            return (
                f"no public CA issues {name}: let devices use a domain of your own that is a CNAME of the instance's "
                "name, and make it the endpoint"
            )
        return f"get a certificate that names {name}"


def aim(wanted: Wanted, pinned: Pinned | None) -> Aim:
    """Return what the new certificate will be like."""
    if isinstance(wanted, Specification):
        where = f"dns_names of [certificates.{wanted.name}]"
        return Aim((*wanted.dns_names, *wanted.ip_addresses), wanted.key.value, where)
    return Aim(pinned.dns_names if pinned else (), pinned.key if pinned else "", "")


def shortcomings(leaf: Leaf, wanted: Wanted, pinned: Pinned | None, *, signed: bool) -> tuple[str, ...]:
    """Return why a leaf is not the wanted certificate, nothing when it is; whether it is due is asked apart.

    Args:
        leaf: what the certificate says of itself.
        wanted: what it should be.
        pinned: the leaf that files or an identifier stand for.
        signed: whether the configured authority's key signed it.
    """
    if isinstance(wanted, Specification):
        return differences(leaf, wanted, signed=signed)
    if pinned is not None and pinned.sha256 == leaf.sha256:
        return ()
    which = "of the files" if isinstance(wanted, FilesSpecification) else f"of {wanted.identifier}"
    expected = f" ({pinned.sha256[:16]})" if pinned is not None and pinned.sha256 else ""
    return (f"it is not the leaf {which}{expected}",)


def renewal_reason(leaf: Leaf, wanted: Wanted, now: datetime) -> str:
    """Return why the leaf has to be renewed by now, an empty text when it doesn't."""
    return due(leaf.not_after, lead(wanted, leaf.not_after - leaf.not_before), now)


def pinned_reason(pinned: Pinned, wanted: FilesSpecification | HostedSpecification, now: datetime) -> str:
    """Return why the leaf of files or of an identifier has to be replaced by now, an empty text when it doesn't."""
    if pinned.not_after is None:
        return ""
    lifetime = pinned.not_after - pinned.not_before if pinned.not_before else timedelta(0)
    return due(pinned.not_after, lead(wanted, lifetime), now)


def lead(wanted: Wanted, lifetime: timedelta) -> timedelta:
    """Return how long before expiry a renewal is due; a third of the lifetime where nothing else is wanted."""
    return lifetime / 3 if wanted.renew_before is None else wanted.renew_before
