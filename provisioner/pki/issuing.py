"""Issuing: a key and a certificate of the specification, signed by the owner's authority."""

from datetime import timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.errors import UnusableError
from provisioner.model.certificate import AuthorityFacts, Leaf, Profile, Specification
from provisioner.model.desired import Wanted
from provisioner.model.secret import Secret
from provisioner.pki.authority import Authority
from provisioner.pki.key_store import FileKeyStore
from provisioner.pki.making import make_key, make_name, signature_hash, whole_seconds
from provisioner.pki.pem import PrivateKey, as_pem
from provisioner.pki.profiles import fixed_extensions
from provisioner.pki.reading import leaf_of
from provisioner.ports import Clock

# Device clocks run late; a certificate from "now" would be refused by them for minutes.
_BACKDATED = timedelta(minutes=5)


class LocalIssuer:
    """Implements ``ports.CertificateIssuer`` with the authority's key on this machine.

    Args:
        authority: the owner's CA.
        key_store: where keys and certificates are kept.
        clock: the time of day.
    """

    def __init__(self, authority: Authority, key_store: FileKeyStore, clock: Clock) -> None:
        self._authority = authority
        self._key_store = key_store
        self._clock = clock

    def authority(self) -> AuthorityFacts | None:
        """Return what is known of the CA. Raises ``UnusableError``."""
        return self._authority.facts()

    def pinned_chain(self) -> tuple[bytes, ...]:
        """Return nothing: what is issued here isn't one leaf."""
        return ()

    def signed(self, certificate_der: bytes) -> bool:
        """Tell whether the CA's key signed this certificate."""
        return self._authority.signed(certificate_der)

    def issue(self, wanted: Wanted) -> Leaf:
        """Make a key and a certificate, keep both in the key store, and return the leaf. Raises ``UnusableError``."""
        if not isinstance(wanted, Specification):
            raise TypeError(f"certificate {wanted.name} is not issued by an authority")
        specification = wanted
        self._authority.require_valid(self._clock.now())
        key = make_key(specification.key)
        certificate = self._sign(specification, key)
        leaf = leaf_of(certificate)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = as_pem((certificate,)) + self._authority.chain_pem()
        self._key_store.save(specification.name, leaf, chain, Secret(private))
        return leaf

    def _sign(self, specification: Specification, key: PrivateKey) -> x509.Certificate:
        authority = self._authority.certificate
        begin = whole_seconds(max(self._clock.now() - _BACKDATED, authority.not_valid_before_utc))
        end = begin + specification.valid_for
        if end > self._authority.valid_until:
            raise UnusableError(
                f"certificate {specification.name}: it would be valid until {end:%Y-%m-%d}, its authority only until "
                f"{self._authority.valid_until:%Y-%m-%d}; nothing was changed",
                hint=f"shorten valid_days of [certificates.{specification.name}], or renew the authority",
            )
        builder = (
            x509.CertificateBuilder()
            .subject_name(make_name(specification.subject))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )
        for item in fixed_extensions(specification.profile, rsa_key=isinstance(key, rsa.RSAPrivateKey)):
            builder = builder.add_extension(item.value, critical=item.critical)
        builder = (
            builder.add_extension(_names(specification), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority_key_identifier(authority), critical=False)
        )
        signing = self._authority.key
        guide = specification.profile is Profile.GUIDE
        return builder.sign(signing, hashes.SHA256() if guide else signature_hash(signing))


def _names(specification: Specification) -> x509.SubjectAlternativeName:
    names = [x509.DNSName(name) for name in specification.dns_names]
    return x509.SubjectAlternativeName(
        [*names, *(x509.IPAddress(ip_address(address)) for address in specification.ip_addresses)]
    )


def authority_key_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the identifier as openssl's ``keyid,issuer`` does: the CA's key id, or issuer and serial without one."""
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        issuer = [x509.DirectoryName(authority.issuer)]
        return x509.AuthorityKeyIdentifier(None, issuer, authority.serial_number)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
