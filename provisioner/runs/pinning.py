"""The leaf that files stand for, as a value that planning can work on."""

from provisioner.model.certificate import HostedCertificate, Pinned
from provisioner.ports import CertificateIssuer, CertificateReader


def pinned_by_files(issuer: CertificateIssuer, reader: CertificateReader) -> Pinned | None:
    """Return the leaf that the owner's files hold now, None where certificates are issued. Raises ``UnusableError``."""
    chain = issuer.pinned_chain()
    if not chain:
        return None
    leaf = reader.read(chain[0])
    return Pinned(
        sha256=leaf.sha256,
        dns_names=(*leaf.dns_names, *leaf.ip_addresses),
        key=leaf.key,
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        issuers=reader.issuers(chain),
    )


def pinned_by_identifier(found: HostedCertificate) -> Pinned:
    """Return the leaf that an identifier stands for."""
    return Pinned(
        sha256=found.sha256,
        dns_names=found.dns_names,
        key=found.key or "",
        not_before=found.not_before,
        not_after=found.not_after,
        identifier=found.identifier,
    )
