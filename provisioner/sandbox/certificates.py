"""Certificates of the sandbox itself: what Alibaba serves by default, and what devices hold.

Worth nothing outside of the sandbox, yet well-formed: verifiers in strict mode accept every chain made here. Not here:
the owner's certificates, which are uploaded like to the cloud.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVED_NAME: Final = "*.mqtt.aliyuncs.com"
"""The name that the default certificate of every instance carries, as documented."""

_BACKDATED: Final = timedelta(hours=1)
_CA_LIFETIME: Final = timedelta(days=3650)
_LEAF_LIFETIME: Final = timedelta(days=397)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its private key, all in PEM; ``repr`` doesn't show the key.

    Attributes:
        certificate_pem: the leaf alone.
        chain_pem: the leaf, then the CA certificates below the root.
        private_key_pem: the key, PKCS#8 without a passphrase.
    """

    certificate_pem: str
    chain_pem: str
    private_key_pem: str = field(repr=False)


class SandboxAuthority:
    """A CA that lives in memory: a root, or an intermediate under another one.

    Args:
        common_name: the CA's name.
        issuer: the CA above; none makes a self-signed root.
        path_length: how many CAs may stand between this one and a leaf.
    """

    def __init__(self, common_name: str, *, issuer: Self | None = None, path_length: int = 0) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = issuer
        self._name = _name(common_name)
        signer = issuer or self
        builder = _builder(self._name, signer, self._key.public_key(), _CA_LIFETIME)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
        self.certificate_pem = signer.sign(builder)

    @property
    def name(self) -> x509.Name:
        """The CA's distinguished name."""
        return self._name

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The CA's public key."""
        return self._key.public_key()

    def sign(self, builder: x509.CertificateBuilder) -> str:
        """Sign what ``builder`` describes; return the certificate in PEM."""
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def issue_server(self, names: Sequence[str]) -> KeyPair:
        """Issue a server certificate for DNS names; the first one is the common name too."""
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return self._issue(names[0], ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def issue_client(self, common_name: str) -> KeyPair:
        """Issue a client certificate for a device."""
        return self._issue(common_name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, common_name: str, purpose: x509.ObjectIdentifier, *more: x509.ExtensionType) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self, key.public_key(), _LEAF_LIFETIME)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
        for extension in (x509.ExtendedKeyUsage([purpose]), *more):
            builder = builder.add_extension(extension, critical=False)
        certificate = self.sign(builder)
        return KeyPair(certificate, certificate + self._chain(), _private_pem(key))

    def _chain(self) -> str:
        return "" if self._issuer is None else self.certificate_pem + self._issuer._chain()  # noqa: SLF001 -- same class


class SandboxCertificates:
    """All certificates of one sandbox, made afresh: no two sandboxes trust each other.

    Attributes:
        root_pem: the stand-in for the public root that clients of Alibaba trust.
        server: what an instance serves out of the box, one-way: a leaf and an intermediate, as public CAs issue.
        device_ca_pem: the CA that signed ``device`` and all that ``issue_device`` returns.
        device: a ready-made device certificate.
    """

    def __init__(self) -> None:
        root = SandboxAuthority("Sandbox Global Root (not Alibaba)", path_length=1)
        intermediate = SandboxAuthority("Sandbox Global TLS CA (not Alibaba)", issuer=root)
        self._devices = SandboxAuthority("Sandbox Device CA")
        self.root_pem = root.certificate_pem
        self.server = intermediate.issue_server([SERVED_NAME])
        self.device_ca_pem = self._devices.certificate_pem
        self.device = self.issue_device("sandbox-device")

    def issue_device(self, common_name: str) -> KeyPair:
        """Issue a further device certificate, clientAuth, signed by the device CA."""
        return self._devices.issue_client(common_name)


def _builder(
    subject: x509.Name, signer: SandboxAuthority, key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    """Return what all certificates have in common.

    The key identifiers are what strict verifiers demand of every certificate, roots aside.
    """
    starts = datetime.now(UTC).replace(microsecond=0) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "provisioner sandbox")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode("ascii")
