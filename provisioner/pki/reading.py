"""What a certificate says of itself, as a value."""

import hashlib
from unicodedata import category

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from provisioner.errors import UnusableError
from provisioner.model.certificate import DistinguishedName, Leaf, Profile
from provisioner.pki import profiles
from provisioner.pki.chaining import pem_chains_to
from provisioner.pki.pem import UNREADABLE

# The guide's fields in its order; the same order as ``DistinguishedName``.
DN_FIELDS = {
    NameOID.COUNTRY_NAME: "country",
    NameOID.STATE_OR_PROVINCE_NAME: "state",
    NameOID.LOCALITY_NAME: "locality",
    NameOID.ORGANIZATION_NAME: "organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "organizational_unit",
    NameOID.EMAIL_ADDRESS: "email",
    NameOID.COMMON_NAME: "common_name",
}
_CURVES = {"secp256r1": "ec-p256", "secp384r1": "ec-p384", "secp521r1": "ec-p521"}


class DerCertificateReader:
    """Implements ``ports.CertificateReader``."""

    def read(self, certificate_der: bytes) -> Leaf:
        """Return what a certificate says of itself. Raises ``UnusableError``."""
        try:
            return leaf_of(x509.load_der_x509_certificate(certificate_der))
        except UNREADABLE as error:
            raise UnusableError("a certificate could not be parsed") from error

    def issuers(self, chain: tuple[bytes, ...]) -> frozenset[str]:
        """Return which keys signed the certificates of a chain, by name and key identifier; none for malformed ones."""
        try:
            return issuers_of(tuple(x509.load_der_x509_certificate(item) for item in chain))
        except UNREADABLE:
            return frozenset()

    def chains_to(self, chain_pem: str, ca_pem: str) -> bool:
        """Tell whether the first certificate of a chain leads to a CA; see ``ports.CertificateReader``."""
        return pem_chains_to(chain_pem, ca_pem)


def issuers_of(chain: tuple[x509.Certificate, ...]) -> frozenset[str]:
    """Return which keys signed the certificates of a chain. Raises one of ``pem.UNREADABLE``.

    A key is told by its owner's name together with the key identifier that the signed certificate gives, so that a CA
    made anew under the same name is another one.
    """
    return frozenset(f"{item.issuer.rfc4514_string()} {_signed_by(item)}" for item in chain)


def _signed_by(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return "self" if certificate.issuer == certificate.subject else "unknown"
    if found.key_identifier is not None:
        return found.key_identifier.hex()
    return f"{found.authority_cert_serial_number:x}" if found.authority_cert_serial_number else "unknown"


def leaf_of(certificate: x509.Certificate) -> Leaf:
    """Return what a certificate says of itself. Raises one of ``pem.UNREADABLE``."""
    names = _names(certificate)
    return Leaf(
        sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        serial=certificate.serial_number,
        subject=name_text(certificate.subject),
        name=_distinguished_name(certificate.subject),
        issuer=name_text(certificate.issuer),
        dns_names=tuple(_in_one_line(name) for name in names.get_values_for_type(x509.DNSName)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=_key_name(certificate),
        profile=_profile(certificate),
        is_ca=_is_ca(certificate),
        ip_addresses=tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )


def name_text(name: x509.Name) -> str:
    """Return a name as RFC 4514 writes it, ``emailAddress`` by its word."""
    return _in_one_line(name.rfc4514_string({NameOID.EMAIL_ADDRESS: "emailAddress"}))


def _in_one_line(text: str) -> str:
    r"""Return a text whose control characters are written as RFC 4514 writes bytes, such as ``\0A`` for a newline.

    Whoever makes a certificate chooses what it says: printed as they are, they would forge lines of any output. A text
    with one is no DNS name, and stays none.
    """
    return "".join(item if item.isprintable() or category(item) == "Zs" else _as_bytes(item) for item in text)


def _as_bytes(item: str) -> str:
    return "".join(f"\\{byte:02X}" for byte in item.encode("utf-8", "surrogatepass"))


def _distinguished_name(name: x509.Name) -> DistinguishedName | None:
    values: dict[str, str] = {}
    for attribute in name:
        field = DN_FIELDS.get(attribute.oid)
        if field is None or field in values or not isinstance(attribute.value, str):
            return None
        values[field] = _in_one_line(attribute.value)
    return DistinguishedName(**values)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _key_name(certificate: x509.Certificate) -> str:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown"
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, f"ec-{key.curve.name}")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    return "ed448" if isinstance(key, ed448.Ed448PublicKey) else "unknown"


def _profile(certificate: x509.Certificate) -> Profile | None:
    """Return the profile whose extensions the certificate carries: identifiers, criticality and values."""
    key = _key_name(certificate)
    if not key.startswith(("rsa-", "ec-")):
        return None
    got = {item.oid: (item.critical, item.value) for item in certificate.extensions}
    for profile in Profile:
        fixed = {
            item.value.oid: (item.critical, item.value)
            for item in profiles.fixed_extensions(profile, rsa_key=key.startswith("rsa-"))
        }
        named = {x509.SubjectKeyIdentifier.oid, x509.AuthorityKeyIdentifier.oid, x509.SubjectAlternativeName.oid}
        plain = all(not got[oid][0] for oid in named & set(got))
        if set(got) == set(fixed) | named and plain and all(got[oid] == fixed[oid] for oid in fixed):
            return profile
    return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
