"""The owner's authority: what it accepts, and the message for everything it does not."""

import base64
import hashlib
import ssl
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.model.certificate import AuthorityFacts, DistinguishedName, Leaf
from provisioner.model.secret import Secret
from provisioner.pki import Authority
from tests.fakes.authorities import (
    CA_TRUE,
    SIGNS,
    Extension,
    Key,
    Made,
    as_sm2,
    good,
    make,
    p256,
    refusal,
    usage,
    write_key,
)
from tests.fakes.clock import START

CERTIFICATE_HINT = "check that {path} begins with -----BEGIN CERTIFICATE-----"
READ_HINT = "check that {path} exists and that this user may read it"
TEXT_HINT = "openssl x509 -in {path} -noout -text"
KEY_HINT = "check that {path} is the right file; openssl pkey -in {path} -noout tells whether it can be read"
UNCHANGED = "; nothing was changed"
CREATE_HINT = "provisioner ca create makes one; authority.certificate names it"
NOT_CRITICAL_CA: Extension = (x509.BasicConstraints(ca=True, path_length=None), False)
CA_FALSE: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)


def pem_of(body: bytes, label: str = "CERTIFICATE") -> bytes:
    """Return a PEM block around whatever body."""
    text = base64.encodebytes(body).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def odd_certificate(folder: Path, kind: str) -> bytes:
    """Return the content of a file that is no readable certificate."""
    made = good(folder, "odd")
    contents = {
        "empty": b"",
        "text": b"hello",
        "binary": made.der,
        "key": made.key_path.read_bytes(),
        "one character": b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
        "no base64": b"-----BEGIN CERTIFICATE-----\n\xff\xfe%%%%\n-----END CERTIFICATE-----\n",
        "cut off": pem_of(made.der[:-20]),
        "second one bad": made.pem.encode() + pem_of(b"nonsense"),
        "no such version": pem_of(made.der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)),
        # Naming the key identifier's extension like the other one makes two of one kind.
        "same extension twice": pem_of(made.der.replace(bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d0f"), 1)),
        "SM2": pem_of(as_sm2(made.der)),
    }
    return contents[kind]


@pytest.mark.parametrize(
    ("kind", "problem", "hint"),
    [
        ("empty", "expected a CA certificate, found no PEM certificate", CERTIFICATE_HINT),
        ("text", "expected a CA certificate, found no PEM certificate", CERTIFICATE_HINT),
        ("binary", "expected a CA certificate, found no PEM certificate", CERTIFICATE_HINT),
        ("key", "expected a CA certificate, found a private key", CERTIFICATE_HINT),
        ("one character", "a CA certificate is malformed", TEXT_HINT),
        ("no base64", "a CA certificate is malformed", TEXT_HINT),
        ("cut off", "a CA certificate is malformed", TEXT_HINT),
        ("second one bad", "a CA certificate is malformed", TEXT_HINT),
        ("no such version", "a CA certificate is malformed", TEXT_HINT),
        ("same extension twice", "a CA certificate is malformed", TEXT_HINT),
        ("SM2", "a CA certificate uses SM2, which this tool does not support", "use RSA or EC"),
    ],
)
def test_a_file_that_is_no_certificate_is_refused_by_name(tmp_path: Path, kind: str, problem: str, hint: str) -> None:
    """Whatever stands in the certificate's place, one message names the file and what is wrong with it."""
    path = tmp_path / "ca.crt"
    path.write_bytes(odd_certificate(tmp_path, kind))

    got = refusal(lambda: Authority(path).chain)

    assert got == (f"{path}: {problem}; nothing was changed", hint.format(path=path))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A certificate or a key that is a directory is refused with the system's reason."""
    path, made = tmp_path / "folder", good(tmp_path)
    path.mkdir()
    hint = READ_HINT.format(path=path)

    assert (refusal(lambda: Authority(path).chain), refusal(lambda: Authority(made.certificate_path, path).key)) == (
        (f"{path}: a CA certificate can't be read: Is a directory; nothing was changed", hint),
        (f"{path}: the CA's private key can't be read: Is a directory; nothing was changed", hint),
    )


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    """A CA that was not made yet leads to the command that makes one; a key that is missing is named."""
    path, made = tmp_path / "missing", good(tmp_path)
    reason, hint = "No such file or directory", READ_HINT.format(path=path)

    assert (refusal(lambda: Authority(path).chain), refusal(lambda: Authority(made.certificate_path, path).key)) == (
        (
            f"{path}: there is no CA certificate yet; nothing was changed",
            "provisioner ca create makes one; authority.certificate names it",
        ),
        (f"{path}: the CA's private key can't be read: {reason}; nothing was changed", hint),
    )


@pytest.mark.parametrize(
    ("extensions", "key", "problem"),
    [
        ((), None, "it has no basicConstraints"),
        ((CA_FALSE, SIGNS), None, "basicConstraints says CA:FALSE"),
        ((CA_TRUE, (usage("crl_sign"), True)), None, "its keyUsage lacks keyCertSign"),
        ((CA_TRUE, SIGNS), ed25519.Ed25519PrivateKey.generate(), "its key is neither RSA nor EC"),
    ],
)
def test_a_certificate_that_cannot_sign_others_is_no_ca(
    tmp_path: Path, extensions: tuple[Extension, ...], key: Key | None, problem: str
) -> None:
    """A certificate without the right to sign is refused, with what it lacks."""
    made = make(tmp_path, "No CA", *extensions, key=key)

    got = refusal(made.authority().facts)

    message = f"{made.certificate_path}: this is no CA certificate: {problem}; nothing was changed"
    assert got == (message, CREATE_HINT)


def odd_key(folder: Path, kind: str) -> bytes:
    """Return the content of a file that is no usable private key."""
    key = p256()
    pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    contents = {
        "empty": b"",
        "text": b"hello",
        "certificate": good(folder, "odd").pem.encode(),
        "one character": b"-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----\n",
        "cut off": pem_of(pkcs8[:-9], "PRIVATE KEY"),
        "ed25519": write_key(folder / "ed25519.key", ed25519.Ed25519PrivateKey.generate()).read_bytes(),
        "SM2": pem_of(as_sm2(pkcs8), "PRIVATE KEY"),
    }
    return contents[kind]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("empty", "expected the CA's private key, found no PEM private key"),
        ("text", "expected the CA's private key, found no PEM private key"),
        ("certificate", "expected the CA's private key, found a certificate"),
        ("one character", "the CA's private key can't be loaded: it is malformed or of an unknown kind"),
        ("cut off", "the CA's private key can't be loaded: it is malformed or of an unknown kind"),
        ("ed25519", "the CA's private key is neither RSA nor EC"),
        ("SM2", "the CA's private key uses SM2, which this tool does not support"),
    ],
)
def test_a_file_that_is_no_usable_key_is_refused_by_name(tmp_path: Path, kind: str, problem: str) -> None:
    """Whatever stands in the key's place, one message names the file and what is wrong with it."""
    made = good(tmp_path)
    made.key_path.write_bytes(odd_key(tmp_path, kind))

    got = refusal(lambda: made.authority().key)

    hint = "use RSA or EC" if kind == "SM2" else KEY_HINT.format(path=made.key_path)
    assert got == (f"{made.key_path}: {problem}; nothing was changed", hint)


def test_swapped_files_are_recognised(tmp_path: Path) -> None:
    """A key named as certificate and a certificate named as key are both told for what they are."""
    made = good(tmp_path)
    swapped = Authority(made.key_path, made.certificate_path)

    assert refusal(swapped.facts) == (
        f"{made.key_path}: expected a CA certificate, found a private key; nothing was changed",
        CERTIFICATE_HINT.format(path=made.key_path),
    )


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_needs_its_password(tmp_path: Path, style: PrivateFormat) -> None:
    """Without password, with a wrong and with an empty one the key is refused; with the right one it opens."""
    made = good(tmp_path)
    path = write_key(made.key_path, made.key, b"right", style)

    def opened(text: str | None) -> Key:
        return Authority(made.certificate_path, path, lambda: None if text is None else Secret(text)).key

    wrong = (
        f"{path}: the CA's private key can't be loaded: its password is wrong, or it is malformed; nothing was changed",
        KEY_HINT.format(path=path),
    )
    assert [refusal(partial(opened, text)) for text in (None, "wrong", "")] == [
        (
            f"{path}: the CA's private key is encrypted and no password is configured; nothing was changed",
            'set private_key_password = { env = "NAME" } beside private_key',
        ),
        wrong,
        wrong,
    ]
    assert opened("right").public_key() == made.key.public_key()


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_in_clear_is_used_without_asking_for_a_password(tmp_path: Path, style: PrivateFormat) -> None:
    """Keys in either form load; nobody is asked for a password that is not needed."""
    made = good(tmp_path)
    write_key(made.key_path, made.key, None, style)

    def ask() -> Secret:
        raise AssertionError("asked")

    got = Authority(made.certificate_path, made.key_path, ask).key

    assert got.public_key() == made.key.public_key()


def test_a_key_below_its_curve_parameters_is_found(tmp_path: Path) -> None:
    """The block of parameters that ``openssl ecparam -genkey`` writes above the key does not disturb."""
    made = good(tmp_path)
    block = pem_of(bytes.fromhex("06082a8648ce3d030107"), "EC PARAMETERS")
    made.key_path.write_bytes(block + write_key(made.key_path, made.key).read_bytes())

    assert made.authority().key.public_key() == made.key.public_key()


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """Key and certificate have to belong together, whatever the kinds of the two keys."""
    made = good(tmp_path)
    other = write_key(tmp_path / "other.key", p256())
    third = write_key(tmp_path / "rsa.key", rsa.generate_private_key(public_exponent=65537, key_size=2048))

    def opened(path: Path) -> Key:
        return Authority(made.certificate_path, path).key

    assert [refusal(partial(opened, path)) for path in (other, third)] == [
        (
            f"{path}: this key does not belong to {made.certificate_path}; nothing was changed",
            "name the key and the certificate of the same CA",
        )
        for path in (other, third)
    ]


def test_without_a_key_everything_but_signing_works(tmp_path: Path) -> None:
    """An authority without configured key tells its facts and recognises its leaves, and refuses to sign."""
    made = good(tmp_path)
    leaf = make(tmp_path, "leaf", issuer=made)
    authority = Authority(made.certificate_path)

    assert (authority.facts().objections, authority.signed(leaf.der)) == ((), True)
    assert refusal(lambda: authority.key) == (
        "authority.private_key is not configured, so nothing can be signed; nothing was changed",
        "name the CA's key in authority.private_key",
    )


def test_files_are_read_once(tmp_path: Path) -> None:
    """Certificate and key are kept after the first use."""
    made = good(tmp_path)
    authority = made.authority()
    first = (authority.chain, authority.key)
    made.certificate_path.unlink()
    made.key_path.unlink()

    assert (authority.chain, authority.key) == first


def test_facts_tell_what_the_certificate_says(tmp_path: Path) -> None:
    """The facts of a good CA are those of its certificate, without objections."""
    made = good(tmp_path, "Plant CA", key=ec.generate_private_key(ec.SECP384R1()))

    assert made.authority().facts() == AuthorityFacts(
        certificate=Leaf(
            sha256=hashlib.sha256(made.der).hexdigest(),
            serial=made.certificate.serial_number,
            subject="CN=Plant CA",
            name=DistinguishedName(common_name="Plant CA"),
            issuer="CN=Plant CA",
            dns_names=(),
            not_before=START - timedelta(days=1),
            not_after=START + timedelta(days=3650),
            key="ec-p384",
            profile=None,
            is_ca=True,
        ),
        objections=(),
        issuers=frozenset({"CN=Plant CA self", f"CN=Plant CA {key_identifier(made).hex()}"}),
    )


def key_identifier(made: Made) -> bytes:
    """Return the identifier of a certificate's own key."""
    return made.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


NO_USAGE = "it has no keyUsage extension"
NO_ISSUER = "its authorityKeyIdentifier does not name its issuer's key"
NOT_CRITICAL = "its basicConstraints is not critical"
NO_IDENTIFIER = "it has no subjectKeyIdentifier"


@pytest.mark.parametrize(
    ("extensions", "identifier", "objections"),
    [
        ((CA_TRUE, SIGNS), True, ()),
        ((CA_TRUE,), True, (NO_USAGE,)),
        ((NOT_CRITICAL_CA, SIGNS), True, (NOT_CRITICAL,)),
        ((CA_TRUE, SIGNS), False, (NO_IDENTIFIER,)),
        ((NOT_CRITICAL_CA,), False, (NO_USAGE, NOT_CRITICAL, NO_IDENTIFIER)),
    ],
)
def test_what_strict_verifiers_object_to_is_reported(
    tmp_path: Path, extensions: tuple[Extension, ...], identifier: bool, objections: tuple[str, ...]
) -> None:
    """A CA that strict verifiers refuse is accepted, and each of their objections is told."""
    made = make(tmp_path, "CA", *extensions, identifier=identifier)

    assert made.authority().facts().objections == objections


def test_only_what_its_own_key_signed_counts_as_signed(tmp_path: Path) -> None:
    """A leaf of this CA counts; one of another CA, of a namesake, a forged one, and garbage do not."""
    made, other = good(tmp_path), good(tmp_path, "Other CA")
    (tmp_path / "namesake").mkdir()
    namesake = good(tmp_path / "namesake")
    by_rsa = good(tmp_path, "RSA CA", key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    leaf = make(tmp_path, "leaf", issuer=made)
    forged = leaf.der.replace(b"leaf", b"loaf")
    candidates = {
        "own": leaf.der,
        "itself": made.der,
        "other": make(tmp_path, "leaf of other", issuer=other).der,
        "namesake": make(tmp_path, "leaf of namesake", issuer=namesake).der,
        "RSA": make(tmp_path, "leaf of RSA", issuer=by_rsa).der,
        "forged": forged,
        "cut off": leaf.der[:-1],
        "PEM": leaf.pem.encode(),
        "text": b"garbage",
        "empty": b"",
    }

    got = {name: made.authority().signed(der) for name, der in candidates.items()}

    assert got == {name: name in {"own", "itself"} for name in candidates}


def test_a_ca_outside_its_dates_is_refused(tmp_path: Path) -> None:
    """A CA signs from its first second up to, and not at, its last."""
    begin, end = START, START + timedelta(days=365)
    made = make(tmp_path, "CA", CA_TRUE, SIGNS, begin=begin, end=end)
    authority = made.authority()
    hint = "check this machine's clock; make a new CA with: provisioner ca create"
    span = f"{made.certificate_path}: the CA is valid from 2026-03-01 to 2027-03-01, today is"

    authority.require_valid(begin)
    authority.require_valid(end - timedelta(seconds=1))

    outside = (begin - timedelta(seconds=1), begin - timedelta(days=1), end, end + timedelta(days=30))
    assert [refusal(partial(authority.require_valid, now)) for now in outside] == [
        (f"{span} {day}; nothing was changed", hint) for day in ("2026-03-01", "2026-02-28", "2027-03-01", "2027-03-31")
    ]


def test_an_intermediate_serves_its_chain_and_devices_trust_the_root(tmp_path: Path) -> None:
    """Below the leaf stand the intermediate and its root in the file's order; the bundle is the root alone."""
    root = good(tmp_path, "Root")
    intermediate = good(tmp_path, "Intermediate", issuer=root)
    intermediate.certificate_path.write_text(f"text is skipped\n{intermediate.pem}\n{root.pem}", encoding="ascii")
    authority = intermediate.authority()

    assert (authority.chain_pem(), authority.bundle_pem(), authority.facts().certificate.subject) == (
        intermediate.pem + root.pem,
        root.pem,
        "CN=Intermediate",
    )
    assert ssl.PEM_cert_to_DER_cert(authority.bundle_pem()) == root.der


def chained(folder: Path, *chain: Made) -> Authority:
    """Return the authority whose file holds these certificates in this order."""
    path = folder / "chain.crt"
    path.write_text("".join(made.pem for made in chain), encoding="ascii")
    return Authority(path, chain[0].key_path)


def limited(limit: int) -> Extension:
    """Return the constraints of a CA that allows so many CAs below it."""
    return x509.BasicConstraints(ca=True, path_length=limit), True


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("low", "top", "middle"), "its chain is out of order: certificate 2 is CN=top, expected the issuer CN=middle"),
        (("low", "top"), "its chain is out of order: certificate 2 is CN=top, expected the issuer CN=middle"),
        (("top", "middle"), "its chain is out of order: certificate 2 is CN=middle, expected the issuer CN=top"),
        (("low",), "the certificate of CN=middle, which issued CN=low, is missing"),
        (("low", "middle"), "the certificate of CN=top, which issued CN=middle, is missing"),
        (("low", "namesake", "top"), "its chain does not verify: CN=low is not signed by CN=middle"),
        (("low", "leaf"), "CN=leaf is no CA certificate: it has no basicConstraints"),
        (("low", "short", "top"), "CN=middle allows 0 CAs below it (pathlen:0), and the chain has 1"),
        (("low", "middle", "short top"), "CN=top allows 1 CAs below it (pathlen:1), and the chain has 2"),
    ],
)
def test_a_chain_that_nobody_could_follow_is_refused(tmp_path: Path, order: tuple[str, ...], problem: str) -> None:
    """The certificates above the CA lead in order up to a root that allows them all; the first break is named."""
    folders = {name: tmp_path / name for name in ("namesake", "short", "short top")}
    for folder in folders.values():
        folder.mkdir()
    top = good(tmp_path, "top")
    middle = good(tmp_path, "middle", issuer=top)
    made = {
        "top": top,
        "middle": middle,
        "low": good(tmp_path, "low", issuer=middle),
        "leaf": make(tmp_path, "leaf", issuer=top),
        "namesake": good(folders["namesake"], "middle", issuer=top),
        "short": make(folders["short"], "middle", limited(0), SIGNS, issuer=top, key=middle.key),
        "short top": make(folders["short top"], "top", limited(1), SIGNS, key=top.key),
    }
    authority = chained(tmp_path, *(made[name] for name in order))

    uses: tuple[Callable[[], object], ...] = (
        authority.facts,
        authority.chain_pem,
        authority.bundle_pem,
        lambda: authority.require_valid(START),
    )

    got = [refusal(use) for use in uses]

    path = tmp_path / "chain.crt"
    hint = f"put the CA certificate first in {path}, then each one's issuer up to the root"
    assert got == [(f"{path}: {problem}; nothing was changed", hint)] * 4
    assert authority.key.public_key() == authority.certificate.public_key()


def test_path_lengths_that_suffice_are_accepted(tmp_path: Path) -> None:
    """A limit counts the CAs below, and not those that a CA issued to itself under another key."""
    top = make(tmp_path, "top", limited(1), SIGNS)
    (tmp_path / "again").mkdir()
    again = make(tmp_path / "again", "top", limited(1), SIGNS, issuer=top)
    middle = make(tmp_path, "middle", limited(0), SIGNS, issuer=again)

    authority = chained(tmp_path, middle, again, top)

    assert (authority.chain_pem(), authority.bundle_pem()) == (middle.pem + again.pem + top.pem, top.pem)


def test_objections_to_the_cas_above_are_told_by_name(tmp_path: Path) -> None:
    """Strict verifiers look at every CA of the chain, and want an intermediate to name its issuer's key."""
    root = make(tmp_path, "Root", NOT_CRITICAL_CA, identifier=False)
    by_key = x509.AuthorityKeyIdentifier(b"any", None, None)
    by_name = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(root.certificate.subject)], 1)
    chains = (
        make(tmp_path, "By key", CA_TRUE, SIGNS, (by_key, False), issuer=root),
        make(tmp_path, "By name", CA_TRUE, SIGNS, (by_name, False), issuer=root),
        good(tmp_path, "Without", issuer=root),
    )
    above = tuple(f"CN=Root above it: {problem}" for problem in (NO_USAGE, NOT_CRITICAL, NO_IDENTIFIER))

    got = [chained(tmp_path, made, root).facts().objections for made in chains]

    assert got == [above, (NO_ISSUER, *above), (NO_ISSUER, *above)]


def test_a_root_outside_its_dates_is_refused_by_name(tmp_path: Path) -> None:
    """An intermediate in date under a root that is not signs nothing that anybody accepts."""
    root = make(tmp_path, "Root", CA_TRUE, SIGNS, end=START + timedelta(days=9))
    authority = chained(tmp_path, good(tmp_path, "Intermediate", issuer=root), root)

    got = refusal(lambda: authority.require_valid(START + timedelta(days=9)))

    span = "is valid from 2026-02-28 to 2026-03-10, today is 2026-03-10"
    message = f"{tmp_path / 'chain.crt'}: CN=Root above the CA {span}{UNCHANGED}"
    hint = "check this machine's clock; make a new CA with: provisioner ca create"
    assert (got, authority.valid_until) == ((message, hint), START + timedelta(days=9))
