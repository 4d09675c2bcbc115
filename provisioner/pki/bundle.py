"""Purchased material: a certificate with its chain and key, whatever form it was sold in, made into one form.

Belongs here: which certificate is the server's, in which order the others stand, what is missing or too much. Does not:
whether clients trust it; that is for the rehearsal to show.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from provisioner.errors import UnusableError
from provisioner.model.certificate import Leaf
from provisioner.model.secret import Secret
from provisioner.pki import pem
from provisioner.pki.chains import Chain, climb, self_signed
from provisioner.pki.containers import read_certificates, read_key
from provisioner.pki.reading import leaf_of, name_text

_CERTIFICATE = "the server's certificate"
_KEY = "the server's private key"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Material in the form that is kept and uploaded: PEM, leaf first, the key as unencrypted PKCS#8."""

    leaf: Leaf
    chain_pem: str
    private_key: Secret


def load_bundle(certificate: Path, private_key: Path | None, password: pem.Password, *, keep_root: bool) -> Bundle:
    """Return purchased material, normalised.

    The leaf is the certificate that the key belongs to. The others follow by who signed whom, whatever order the file
    had; duplicates are dropped, and so is a second certificate of a CA that is in the chain already (a cross-signed
    one goes before a root). The rest is refused by name.

    What counts as missing: a leaf alone always lacks its issuer, and so does every certificate below one that could not
    be placed. A chain that ends in a CA whose issuer isn't there is whole: servers leave the root out.

    Args:
        certificate: PEM with the certificate and its chain, perhaps the key; or PKCS#12.
        private_key: PEM or PKCS#12 with the key; None when ``certificate`` holds it.
        password: asked for a password when key or PKCS#12 turn out to need one.
        keep_root: keep a self-signed root at the end. One that signed the leaf itself is always kept, since the service
            wants a CA below the leaf.

    Raises:
        UnusableError: a file can't be used, with what is wrong and the next step; nothing was written.
    """
    held = read_certificates(certificate, _CERTIFICATE, password, with_key=private_key is None)
    key = held.key if private_key is None else read_key(private_key, _KEY, password)
    if key is None:
        raise UnusableError(
            f"{certificate}: it holds no private key, and none is named; nothing was changed",
            hint="name the key's file in private_key",
        )
    certificates = tuple(dict.fromkeys(held.certificates))
    leaf = _leaf(certificates, key, certificate, private_key or certificate)
    chain = _chain(leaf, certificates, certificate)
    if not keep_root and len(chain) > 2 and self_signed(chain[-1]):  # noqa: PLR2004  leaf, CA, and a root to drop
        chain = chain[:-1]
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Bundle(leaf_of(leaf), pem.as_pem(chain), Secret(private))


def _leaf(certificates: Chain, key: pem.PrivateKey, path: Path, key_path: Path) -> x509.Certificate:
    matching = tuple(item for item in certificates if pem.same_key(item, key))
    if not matching:
        raise UnusableError(
            f"{key_path}: this key belongs to no certificate in {path}, which holds {_names(certificates)}; "
            "nothing was changed",
            hint="name the key with which the certificate was requested",
        )
    if len(matching) > 1:
        described = ", ".join(f"{_name(item)} until {item.not_valid_after_utc:%Y-%m-%d}" for item in matching)
        raise UnusableError(
            f"{path}: {len(matching)} certificates belong to one key: {described}; nothing was changed",
            hint=f"leave one of them in {path}",
        )
    if leaf_of(matching[0]).is_ca:
        raise UnusableError(
            f"{path}: the key belongs to {_name(matching[0])}, which is a CA certificate; nothing was changed",
            hint="name the server's own certificate and key; a CA's key is never uploaded",
        )
    return matching[0]


def _chain(leaf: x509.Certificate, certificates: Chain, path: Path) -> Chain:
    chain, rest = climb(leaf, tuple(item for item in certificates if item != leaf))
    last = chain[-1]
    issuer, whole = name_text(last.issuer), self_signed(last)
    if rest and whole:
        raise UnusableError(
            f"{path}: not part of the chain of {_name(leaf)}: {_names(rest)}; nothing was changed",
            hint=f"take it out of {path}",
        )
    namesakes = tuple(item for item in rest if item.subject == last.issuer)
    if namesakes:
        raise UnusableError(
            f"{path}: {issuer} there did not sign {_name(last)}, another certificate of that name did; "
            "nothing was changed",
            hint=f"put the right one in its place{_source(last)}",
        )
    if rest:
        raise UnusableError(
            f"{path}: missing intermediate {issuer}, which signed {_name(last)}; without it nothing leads to "
            f"{_names(rest)}; nothing was changed",
            hint=f"append it{_source(last)}, or take out what does not belong there",
        )
    if len(chain) > 1:
        return chain
    if whole:
        raise UnusableError(
            f"{path}: {_name(leaf)} signed itself, expected one that a CA signed; nothing was changed",
            hint='source = "authority" issues one',
        )
    raise UnusableError(
        f"{path}: missing intermediate {issuer}, which signed {_name(leaf)}; nothing was changed",
        hint=f"append its certificate{_source(leaf)}",
    )


def _source(certificate: x509.Certificate) -> str:
    """Return where a certificate says that its issuer's can be fetched, in words; it is not fetched here."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    urls = [
        item.access_location.value
        for item in found
        if item.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(item.access_location, x509.UniformResourceIdentifier)
        and item.access_location.value.isprintable()
    ]
    return f", it is at {urls[0]}" if urls else ""


def _name(certificate: x509.Certificate) -> str:
    return name_text(certificate.subject) or f"serial {certificate.serial_number:x}"


def _names(certificates: Chain) -> str:
    return " and ".join(_name(item) for item in certificates)
