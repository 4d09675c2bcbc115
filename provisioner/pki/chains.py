"""Chains of certificates: who signed whom, and where an order breaks."""

import itertools

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from provisioner.pki import pem
from provisioner.pki.reading import name_text

Chain = tuple[x509.Certificate, ...]


def signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Tell whether ``upper`` issued ``lower``, by name and by signature."""
    try:
        lower.verify_directly_issued_by(upper)
    except (*pem.UNREADABLE, InvalidSignature):
        return False
    return True


def self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is its own issuer: a root, or a leaf without CA."""
    return signed_by(certificate, certificate)


def order_problem(chain: Chain) -> str:
    """Return the first place where a certificate is not named as the issuer of the one above it, or nothing."""
    for number, (lower, upper) in enumerate(itertools.pairwise(chain), start=2):
        if lower.issuer != upper.subject:
            got, expected = name_text(upper.subject), name_text(lower.issuer)
            return f"certificate {number} is {got}, expected the issuer {expected}"
    return ""


def signature_problem(chain: Chain) -> str:
    """Return the first place where a certificate did not sign the one above it, or nothing."""
    for lower, upper in itertools.pairwise(chain):
        if not signed_by(lower, upper):
            return f"{name_text(lower.subject)} is not signed by {name_text(upper.subject)}"
    return ""
