"""Creating the owner's authority."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from provisioner.errors import UnusableError, UsageError
from provisioner.model.certificate import DistinguishedName, KeyType, Leaf
from provisioner.model.secret import Secret
from provisioner.pki.files import exists, write_private
from provisioner.pki.making import make_key, make_name, signature_hash, whole_seconds
from provisioner.pki.reading import leaf_of

# The most that OpenSSL reads back.
LONGEST_PASSPHRASE = 1023


def create_authority(
    *,
    key: KeyType,
    subject: DistinguishedName,
    valid_for: timedelta,
    certificate: Path,
    private_key: Path,
    passphrase: Secret | None,
    now: datetime,
) -> Leaf:
    """Make a self-signed CA that strict verifiers accept, and return what its certificate says.

    It signs server certificates only (path length 0): critical CA:TRUE, critical keyUsage keyCertSign and cRLSign, and
    key identifiers (the smallest set that all measured verifiers accept).

    Args:
        key: its key type.
        subject: its name.
        valid_for: its lifetime.
        certificate: PEM file to write; never overwritten.
        private_key: PKCS#8 PEM file to write, mode 0600; never overwritten.
        passphrase: encrypts the key; None leaves it in clear.
        now: the time of day.

    Raises:
        UsageError: one of the files exists already, or the passphrase can't be used; nothing was written.
        UnusableError: a file can't be looked at or written.
    """
    existing = [str(path) for path in (private_key, certificate) if exists(path)]
    if existing:
        raise UsageError(
            f"{' and '.join(existing)}: already there; an authority is never overwritten, nothing was changed",
            hint="provisioner ca show tells what is there; move the files away to begin anew",
        )
    lock = _lock(passphrase)
    made = make_key(key)
    name = make_name(subject)
    begin = whole_seconds(now - timedelta(minutes=5))
    identifier = x509.SubjectKeyIdentifier.from_public_key(made.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + valid_for)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    signed = builder.sign(made, signature_hash(made))
    write_private(private_key, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    try:
        write_private(certificate, signed.public_bytes(Encoding.PEM))
    except UnusableError:
        private_key.unlink(missing_ok=True)
        raise
    return leaf_of(signed)


def _lock(passphrase: Secret | None) -> KeySerializationEncryption:
    if passphrase is None:
        return NoEncryption()
    length = len(passphrase.reveal().encode())
    if not 0 < length <= LONGEST_PASSPHRASE:
        raise UsageError(
            f"the passphrase has {length} bytes, expected 1 to {LONGEST_PASSPHRASE}; nothing was changed",
            hint="choose another passphrase, or leave the key unencrypted",
        )
    return BestAvailableEncryption(passphrase.reveal().encode())


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
