"""The proof that a device CA's key is at hand: a validation certificate, as the service asks for one.

The service hands out a registration code and wants it back as the common name of a certificate that the CA signed
(Alibaba's public page on CA certificates). The certificate's own key pair is of the CA's kind, as on that page; it is
made in memory, needed by nobody afterwards, and dropped.
"""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from provisioner.errors import UnusableError
from provisioner.model.certificate import KeyType, Leaf
from provisioner.pki import pem
from provisioner.pki.authority import Authority
from provisioner.pki.issuing import authority_key_identifier
from provisioner.pki.making import LONGEST_COMMON_NAME, make_key, whole_seconds
from provisioner.pki.reading import leaf_of

# For clocks that are off; nobody keeps the key, so nothing hangs on the length.
_BACKDATED = timedelta(minutes=5)
_VALID_FOR = timedelta(days=30)


class LocalDeviceAuthority:
    """Implements ``ports.DeviceAuthority`` with the CA's files on this machine, read when it is made.

    Args:
        certificate: PEM file with the device CA's certificate.
        private_key: PEM file with its key.
        password: asked for the key's password when the key turns out to be encrypted.

    Raises:
        UnusableError: a file can't be read, the certificate is no CA's, or the key is not its key.
    """

    def __init__(self, certificate: Path, private_key: Path, password: pem.Password) -> None:
        self._authority = Authority(certificate, private_key, password)
        try:
            self.certificate: Leaf = leaf_of(self._authority.certificate)
        except UnusableError as error:
            raise UnusableError(error.message, hint="name the device CA's certificate with --certificate") from error
        try:
            self._key = self._authority.key
        except UnusableError as error:
            raise UnusableError(
                error.message,
                hint="check --private-key, and for an encrypted key --passphrase-env or --passphrase-file",
            ) from error

    @property
    def certificate_pem(self) -> str:
        """Its certificate alone."""
        return pem.as_pem(self._authority.chain[:1])

    def verification_pem(self, code: str, now: datetime) -> str:
        """Return a certificate that carries a registration code, signed by the CA; its own key is kept nowhere.

        Raises:
            UnusableError: the code can't stand in a certificate.
        """
        authority = self._authority.certificate
        key = make_key(KeyType.RSA_2048 if isinstance(self._key, rsa.RSAPrivateKey) else KeyType.EC_P256)
        begin = whole_seconds(max(now - _BACKDATED, authority.not_valid_before_utc))
        builder = (
            x509.CertificateBuilder()
            .subject_name(_carrying(code))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(min(begin + _VALID_FOR, authority.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority_key_identifier(authority), critical=False)
        )
        return pem.as_pem((builder.sign(self._key, hashes.SHA256()),))


def _carrying(code: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, code)])
    except ValueError as error:
        raise UnusableError(
            f"the service's registration code has {len(code)} characters, a certificate's common name holds 1 to "
            f"{LONGEST_COMMON_NAME}; nothing was registered",
            hint="run the command again: it asks for a new code",
        ) from error
