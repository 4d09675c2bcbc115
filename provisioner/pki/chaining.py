"""Whether a certificate leads to a CA: signatures, names and the right to sign, dates aside.

Dates are the business of checks, which say so in words of their own. Whether a broker trusts a root or an intermediate
makes no difference here: the CA in question is where the path ends.
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from provisioner.errors import UnusableError
from provisioner.pki.pem import UNREADABLE


def pem_chains_to(chain_pem: str, ca_pem: str) -> bool:
    """Tell whether the first certificate of a chain leads to a CA, both in PEM.

    Raises:
        UnusableError: the chain can't be read; a CA that can't be is one that nothing leads to.
    """
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
    except UNREADABLE as error:
        raise UnusableError("a certificate chain could not be parsed") from error
    try:
        (ca, *_) = x509.load_pem_x509_certificates(ca_pem.encode())
    except UNREADABLE:
        return False
    return chains_to(chain, ca)


def chains_to(chain: Sequence[x509.Certificate], ca: x509.Certificate) -> bool:
    """Tell whether the first certificate leads to a CA, through the others in whatever order they stand."""
    return _leads(chain[0], tuple(chain[1:]), ca, passed=0)


def _leads(lower: x509.Certificate, others: tuple[x509.Certificate, ...], ca: x509.Certificate, passed: int) -> bool:
    """Follow every path upwards; ``passed`` counts the CA certificates between the leaf and the next signer."""
    if _signed(lower, ca, passed):
        return True
    return any(
        _leads(upper, (*others[:place], *others[place + 1 :]), ca, passed + 1)
        for place, upper in enumerate(others)
        if _signed(lower, upper, passed)
    )


def _signed(lower: x509.Certificate, upper: x509.Certificate, passed: int) -> bool:
    try:
        if not _may_sign(upper, passed):
            return False
        lower.verify_directly_issued_by(upper)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _may_sign(certificate: x509.Certificate, passed: int) -> bool:
    extensions = certificate.extensions
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not constraints.ca or (constraints.path_length is not None and constraints.path_length < passed):
        return False
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
