"""The owner's authority: its certificate, its key when one has to be signed with, and what can be said against it."""

from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from provisioner.errors import UnusableError
from provisioner.model.certificate import AuthorityFacts
from provisioner.pki import pem
from provisioner.pki.reading import leaf_of


class Authority:
    """The CA whose certificates the endpoint is to serve.

    The certificate is read at first use, the key only when something is signed, and once: the consistency check of an
    RSA-2048 key costs 36 ms (measured).

    Args:
        certificate: PEM file with the CA certificate, its own chain below it if it is an intermediate.
        private_key: PEM file with its key; None where nothing will be signed.
        password: asked for the key's password when the key turns out to be encrypted.
    """

    def __init__(
        self, certificate: Path, private_key: Path | None = None, password: pem.Password = lambda: None
    ) -> None:
        self._certificate_path = certificate
        self._key_path = private_key
        self._password = password

    @cached_property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The CA certificate, then its own chain. Raises ``UnusableError`` when it is no CA."""
        found = self._found()
        problem = _not_a_ca(found[0])
        if problem:
            raise UnusableError(
                f"{self._certificate_path}: this is no CA certificate: {problem}; nothing was changed",
                hint="provisioner ca create makes one; authority.certificate names it",
            )
        return found

    def _found(self) -> tuple[x509.Certificate, ...]:
        try:
            return pem.certificates(self._certificate_path, "a CA certificate")
        except UnusableError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        raise UnusableError(
            f"{self._certificate_path}: there is no CA certificate yet; nothing was changed",
            hint="provisioner ca create makes one; authority.certificate names it",
        )

    @property
    def certificate(self) -> x509.Certificate:
        """The CA certificate itself."""
        return self.chain[0]

    @cached_property
    def key(self) -> pem.PrivateKey:
        """The CA's private key. Raises ``UnusableError``."""
        if self._key_path is None:
            raise UnusableError(
                "authority.private_key is not configured, so nothing can be signed; nothing was changed",
                hint="name the CA's key in authority.private_key",
            )
        found = pem.private_key(self._key_path, "the CA's private key", self._password)
        if not pem.same_key(self.certificate, found):
            raise UnusableError(
                f"{self._key_path}: this key does not belong to {self._certificate_path}; nothing was changed",
                hint="name the key and the certificate of the same CA",
            )
        return found

    def facts(self) -> AuthorityFacts:
        """Return what is known of the CA. Raises ``UnusableError``."""
        return AuthorityFacts(leaf_of(self.certificate), _objections(self.certificate))

    def signed(self, certificate_der: bytes) -> bool:
        """Tell whether this CA's key signed a certificate; False for anything that is none."""
        try:
            x509.load_der_x509_certificate(certificate_der).verify_directly_issued_by(self.certificate)
        except (*pem.UNREADABLE, InvalidSignature):
            return False
        return True

    def require_valid(self, now: datetime) -> None:
        """Raise ``UnusableError`` when the CA is not within its dates."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if not begin <= now < end:
            raise UnusableError(
                f"{self._certificate_path}: the CA is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, today is "
                f"{now:%Y-%m-%d}; nothing was changed",
                hint="check this machine's clock; make a new CA with: provisioner ca create",
            )

    def chain_pem(self) -> str:
        """Return what follows the leaf in a served chain: the CA certificate and its own chain."""
        return pem.as_pem(self.chain)

    def bundle_pem(self) -> str:
        """Return what devices must trust: the last certificate of the chain, the root where it is there."""
        return pem.as_pem(self.chain[-1:])


def _not_a_ca(certificate: x509.Certificate) -> str:
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return "its key is neither RSA nor EC"
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return "it has no basicConstraints"
    if not constraints.value.ca:
        return "basicConstraints says CA:FALSE"
    usage = _usage(certificate)
    return "" if usage is None or usage.key_cert_sign else "its keyUsage lacks keyCertSign"


def _objections(certificate: x509.Certificate) -> tuple[str, ...]:
    found = []
    if _usage(certificate) is None:
        found.append("it has no keyUsage extension")
    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).critical:
        found.append("its basicConstraints is not critical")
    try:
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        found.append("it has no subjectKeyIdentifier")
    return tuple(found)


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
