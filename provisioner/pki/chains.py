"""Chains of certificates: who signed whom, and where an order breaks."""

import itertools
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


def climb(leaf: x509.Certificate, others: Chain) -> tuple[Chain, Chain]:
    """Return the chain from a leaf as far up as the others lead, and those that have no place in it.

    Where a CA has several certificates for its key, a cross-signed one goes before a root, since it leads further, and
    one that ends later before one that ends sooner; the second certificate of a CA in the chain is left out of both.
    """
    chain, rest = [leaf], list(others)
    while not self_signed(chain[-1]):
        issuers = [item for item in rest if signed_by(chain[-1], item)]
        if not issuers:
            break
        best = max(issuers, key=_preference)
        chain.append(best)
        rest.remove(best)
    known = {_identity(item) for item in chain}
    return tuple(chain), tuple(item for item in rest if _identity(item) not in known)


def _preference(certificate: x509.Certificate) -> tuple[bool, datetime, bytes]:
    return (
        not self_signed(certificate),
        certificate.not_valid_after_utc,
        certificate.public_bytes(Encoding.DER),
    )


def _identity(certificate: x509.Certificate) -> tuple[x509.Name, bytes]:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.subject, key
