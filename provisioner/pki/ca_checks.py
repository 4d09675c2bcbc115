"""What can be said against a CA and the CAs above it: what makes them unusable, and what strict verifiers object to."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from provisioner.pki.chains import Chain, order_problem, self_signed, signature_problem
from provisioner.pki.reading import name_text


def not_a_ca(certificate: x509.Certificate) -> str:
    """Return why a certificate may not sign others, or nothing."""
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return "its key is neither RSA nor EC"
    constraints = _constraints(certificate)
    if constraints is None:
        return "it has no basicConstraints"
    if not constraints.ca:
        return "basicConstraints says CA:FALSE"
    usage = _usage(certificate)
    return "" if usage is None or usage.key_cert_sign else "its keyUsage lacks keyCertSign"


def chain_problem(chain: Chain) -> str:
    """Return why no client could follow a CA's own chain up to a root, or nothing.

    The chain has to reach the root: what devices must trust can't be told otherwise, and OpenSSL by itself accepts
    nothing less as an anchor.
    """
    for certificate in chain[1:]:
        if problem := not_a_ca(certificate):
            return f"{name_text(certificate.subject)} is no CA certificate: {problem}"
    if problem := order_problem(chain):
        return f"its chain is out of order: {problem}"
    if problem := signature_problem(chain):
        return f"its chain does not verify: {problem}"
    if problem := _too_long(chain):
        return problem
    last = chain[-1]
    if self_signed(last):
        return ""
    return f"the certificate of {name_text(last.issuer)}, which issued {name_text(last.subject)}, is missing"


def objections(chain: Chain) -> tuple[str, ...]:
    """Return what strict verifiers object to in a CA and in those above it."""
    first, *above = chain
    return tuple(_objections(first)) + tuple(
        f"{name_text(certificate.subject)} above it: {problem}"
        for certificate in above
        for problem in _objections(certificate)
    )


def _too_long(chain: Chain) -> str:
    """Return which CA allows fewer CAs below it than there are (RFC 5280 4.2.1.9; self-issued ones don't count)."""
    below = 0
    for certificate in chain:
        constraints = _constraints(certificate)
        limit = constraints.path_length if constraints else None
        if limit is not None and below > limit:
            name = name_text(certificate.subject)
            return f"{name} allows {limit} CAs below it (pathlen:{limit}), and the chain has {below}"
        below += certificate.issuer != certificate.subject
    return ""


def _objections(certificate: x509.Certificate) -> Iterator[str]:
    if _usage(certificate) is None:
        yield "it has no keyUsage extension"
    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).critical:
        yield "its basicConstraints is not critical"
    if not any(isinstance(item.value, x509.SubjectKeyIdentifier) for item in certificate.extensions):
        yield "it has no subjectKeyIdentifier"
    if certificate.issuer != certificate.subject and not _names_issuer_key(certificate):
        yield "its authorityKeyIdentifier does not name its issuer's key"


def _names_issuer_key(certificate: x509.Certificate) -> bool:
    found = [item.value for item in certificate.extensions if isinstance(item.value, x509.AuthorityKeyIdentifier)]
    return any(item.key_identifier is not None for item in found)


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
