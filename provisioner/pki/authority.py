"""The owner's authority: its certificate, its key when one has to be signed with, and what can be said against it."""

from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from provisioner.errors import UnusableError
from provisioner.model.certificate import AuthorityFacts
from provisioner.pki import ca_checks, pem
from provisioner.pki.reading import issuers_of, leaf_of, name_text


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
        """The CA certificate, then what else its file holds. Raises ``UnusableError`` when it is no CA."""
        found = self._found()
        problem = ca_checks.not_a_ca(found[0])
        if problem:
            raise UnusableError(
                f"{self._certificate_path}: this is no CA certificate: {problem}; nothing was changed",
                hint="provisioner ca create makes one; authority.certificate names it",
            )
        return found

    @cached_property
    def path_to_root(self) -> tuple[x509.Certificate, ...]:
        """The CA certificate and those above it up to the root. Raises ``UnusableError`` when no client could follow.

        Serving and trusting want the whole path; who signed a certificate can be told without it.
        """
        problem = ca_checks.chain_problem(self.chain)
        if problem:
            raise UnusableError(
                f"{self._certificate_path}: {problem}; nothing was changed",
                hint=f"put the CA certificate first in {self._certificate_path}, then each one's issuer up to the root",
            )
        return self.chain

    def _found(self) -> tuple[x509.Certificate, ...]:
        try:
            return pem.certificates(self._certificate_path, "a CA certificate")
        except UnusableError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                error.hint = "provisioner ca create makes one; authority.certificate names it"
            raise

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
        issuers = issuers_of(self.path_to_root) | self._own_name()
        return AuthorityFacts(leaf_of(self.certificate), ca_checks.objections(self.path_to_root), issuers)

    def _own_name(self) -> frozenset[str]:
        """Return how a certificate that this CA signs will name it."""
        subject = self.certificate.subject.rfc4514_string()
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        except x509.ExtensionNotFound:
            return frozenset({f"{subject} {self.certificate.serial_number:x}"})
        return frozenset({f"{subject} {own.digest.hex()}"})

    def signed(self, certificate_der: bytes) -> bool:
        """Tell whether this CA's key signed a certificate; False for anything that is none."""
        try:
            x509.load_der_x509_certificate(certificate_der).verify_directly_issued_by(self.certificate)
        except (*pem.UNREADABLE, InvalidSignature):
            return False
        return True

    def require_valid(self, now: datetime) -> None:
        """Raise ``UnusableError`` when the CA, or one above it, is not within its dates."""
        for item in self.path_to_root:
            begin, end = item.not_valid_before_utc, item.not_valid_after_utc
            if not begin <= now < end:
                which = "the CA" if item == self.certificate else f"{name_text(item.subject)} above the CA"
                raise UnusableError(
                    f"{self._certificate_path}: {which} is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, today is "
                    f"{now:%Y-%m-%d}; nothing was changed",
                    hint="check this machine's clock; make a new CA with: provisioner ca create",
                )

    @property
    def valid_until(self) -> datetime:
        """When the first of the CA and those above it ends: nothing that it signs is of use any longer."""
        return min(item.not_valid_after_utc for item in self.path_to_root)

    def chain_pem(self) -> str:
        """Return what follows the leaf in a served chain: the CA certificate and those above it."""
        return pem.as_pem(self.path_to_root)

    def bundle_pem(self) -> str:
        """Return what devices must trust: the root, with which the chain ends."""
        return pem.as_pem(self.path_to_root[-1:])
