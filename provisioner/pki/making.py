"""Making keys and names, shared by certificates and authorities."""

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from provisioner.errors import UnusableError
from provisioner.model.certificate import DistinguishedName, KeyType
from provisioner.pki.pem import PrivateKey
from provisioner.pki.reading import DN_FIELDS

LONGEST_COMMON_NAME = 64
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}
_CURVES: dict[KeyType, ec.EllipticCurve] = {KeyType.EC_P256: ec.SECP256R1(), KeyType.EC_P384: ec.SECP384R1()}


def make_key(kind: KeyType) -> PrivateKey:
    """Return a new private key."""
    bits = _RSA_BITS.get(kind)
    if bits is not None:
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ec.generate_private_key(_CURVES[kind])


def signature_hash(signing: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash to sign a certificate with: SHA-256, but for P-384, which RFC 5480 pairs with SHA-384."""
    if isinstance(signing, ec.EllipticCurvePrivateKey) and isinstance(signing.curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA256()


def make_name(name: DistinguishedName) -> x509.Name:
    """Return a subject with the guide's fields in its order. Raises ``UnusableError`` for values X.509 forbids.

    cryptography picks the same string types as openssl (measured): PrintableString for the country, IA5String for the
    address, UTF8String for the rest.
    """
    values = zip(DN_FIELDS.items(), name.values(), strict=True)
    attributes = []
    for (oid, field), value in values:
        if not value:
            continue
        attribute = _attribute(oid, value)
        if attribute is None:
            limit = f", at most {LONGEST_COMMON_NAME} characters" if oid == NameOID.COMMON_NAME else ""
            raise UnusableError(
                f"subject.{field}: {value[:80]!r} ({len(value)} characters) can't stand in a certificate{limit}; "
                "nothing was changed",
                hint=f"correct subject.{field}",
            )
        attributes.append(attribute)
    return x509.Name(attributes)


def _attribute(oid: x509.ObjectIdentifier, value: str) -> x509.NameAttribute[str] | None:
    # The library checks lengths, but writes any character into a PrintableString or an IA5String.
    if oid == NameOID.COUNTRY_NAME and not (value.isascii() and value.isalpha()):
        return None
    if oid == NameOID.EMAIL_ADDRESS and not value.isascii():
        return None
    try:
        return x509.NameAttribute(oid, value)
    except ValueError:
        return None


def whole_seconds(moment: datetime) -> datetime:
    """Return a time without fractions: certificates know none."""
    return moment.replace(microsecond=0)
