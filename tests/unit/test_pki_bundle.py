"""Purchased material: every form gives the same bundle, and everything else a message."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import UnusableError
from provisioner.model.secret import Secret
from provisioner.pki import load_bundle
from tests.fakes.authorities import Key, as_sm2, good, make, p256, p384, refusal, write_key
from tests.fakes.purchases import FETCHED, ISSUER_URL, NAMED, Purchase, best, locked, purchase

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, Key] = {"rsa": RSA_KEY, "p256": p256(), "p384": p384()}
STYLES = {"PKCS#8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL}
FILE_HINT = UnusableError.default_hint
KEY_HINT = "check that {path} is the right file; openssl pkey -in {path} -noout tells whether it can be read"
UNCHANGED = "; nothing was changed"


@pytest.fixture
def bought(tmp_path: Path) -> Purchase:
    """Give a purchase of an EC certificate."""
    return purchase(tmp_path)


@pytest.mark.parametrize("password", [None, "right"], ids=["clear", "encrypted"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("key", KEYS)
def test_every_form_of_a_key_becomes_pkcs8_in_clear(tmp_path: Path, key: str, style: str, password: str | None) -> None:
    """PKCS#8, PKCS#1 and SEC1, encrypted or not, give the same key."""
    bought = purchase(tmp_path, key=KEYS[key])
    bought.sell(*bought.chain)
    write_key(bought.key_path, bought.leaf.key, password.encode() if password else None, STYLES[style])

    assert bought.load(password=password) == bought.expected(*bought.chain)


def test_a_key_below_its_curve_parameters_and_beside_its_certificate_is_found(bought: Purchase) -> None:
    """One file with everything in it, remarks, carriage returns and the parameters of openssl included, will do."""
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = bought.leaf.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    remarks = "Bag Attributes\n    friendlyName: ENCRYPTED\nsubject=CN = leaf\n"
    text = parameters + key + remarks + bought.root.pem + bought.leaf.pem + bought.middle.pem
    bought.path.write_text(text.replace("\n", "\r\n"), encoding="ascii")

    assert bought.load() == bought.expected(*bought.chain)


def test_a_key_beside_the_certificate_is_not_looked_at_when_another_is_named(bought: Purchase) -> None:
    """A named key decides; nobody is asked for the password of one that isn't needed."""
    bought.sell(*bought.chain)
    other = p256().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"other")).decode()
    bought.path.write_text(bought.path.read_text(encoding="ascii") + other, encoding="ascii")

    assert bought.load() == bought.expected(*bought.chain)


@pytest.mark.parametrize("name", ["server.p12", "server.pem"])
@pytest.mark.parametrize("lock", [NoEncryption(), locked(), best()], ids=["clear", "quick", "best"])
@pytest.mark.parametrize("key", KEYS)
def test_pkcs12_is_recognised_by_its_content(
    tmp_path: Path, key: str, lock: KeySerializationEncryption, name: str
) -> None:
    """PKCS#12 gives the same as PEM, whatever its name, its key and its encryption."""
    bought = purchase(tmp_path, key=KEYS[key])
    bought.sell_pkcs12(bought.chain, lock)
    path = bought.path.rename(tmp_path / name)

    got = load_bundle(path, None, lambda: Secret("right"), keep_root=True)

    assert got == bought.expected(*bought.chain)


def test_a_password_is_asked_for_only_where_one_is_needed(bought: Purchase) -> None:
    """Neither clear PEM nor clear PKCS#12 asks."""

    def ask() -> Secret:
        raise AssertionError("asked")

    bought.sell_pkcs12(bought.chain, NoEncryption())
    as_pkcs12 = load_bundle(bought.path, None, ask, keep_root=True)
    bought.sell(*bought.chain)
    as_pem = load_bundle(bought.path, bought.key_path, ask, keep_root=True)

    assert (as_pkcs12, as_pem) == (bought.expected(*bought.chain),) * 2


def test_the_key_may_come_from_another_pkcs12(bought: Purchase) -> None:
    """Certificates from PEM and the key from PKCS#12, or the other way round, belong together all the same."""
    bought.sell_pkcs12([bought.leaf], locked())
    archive = bought.path.rename(bought.folder / "archive")
    bought.sell(*bought.chain)

    mixed = load_bundle(bought.path, archive, lambda: Secret("right"), keep_root=True)
    alone = refusal(lambda: load_bundle(archive, bought.key_path, lambda: Secret("right"), keep_root=True))

    assert mixed == bought.expected(*bought.chain)
    assert alone[0] == f"{archive}: missing intermediate CN=middle, which signed CN=leaf{UNCHANGED}"


ORDERS = list(itertools.permutations(("leaf", "middle", "root")))


@pytest.mark.parametrize("order", ORDERS, ids=["-".join(order) for order in ORDERS])
@pytest.mark.parametrize("keep_root", [True, False])
def test_the_root_is_kept_or_dropped_whatever_the_order(
    bought: Purchase, order: tuple[str, ...], keep_root: bool
) -> None:
    """The chain is ordered by who signed whom, and ends with the root or before it as configured."""
    made = {"leaf": bought.leaf, "middle": bought.middle, "root": bought.root}
    bought.sell(*(made[name] for name in order))

    chain = bought.chain if keep_root else bought.chain[:2]
    assert bought.load(keep_root=keep_root) == bought.expected(*chain)


@pytest.mark.parametrize("keep_root", [True, False])
def test_a_chain_without_its_root_is_whole(bought: Purchase, keep_root: bool) -> None:
    """Servers leave the root out, and so do most sellers."""
    bought.sell(bought.middle, bought.leaf)

    assert bought.load(keep_root=keep_root) == bought.expected(bought.leaf, bought.middle)


def test_a_root_that_signed_the_leaf_itself_stays(bought: Purchase) -> None:
    """Without it the chain would be the leaf alone, and the service wants a CA below it."""
    leaf = make(bought.folder, "direct", NAMED, issuer=bought.root)
    direct = Purchase(bought.folder, leaf, bought.middle, bought.root).sell(leaf, bought.root)

    assert direct.load(keep_root=False) == direct.expected(leaf, bought.root)


def test_a_certificate_that_is_there_twice_counts_once(bought: Purchase) -> None:
    """Duplicates, of the leaf too, are dropped."""
    bought.sell(bought.leaf, bought.middle, bought.leaf, bought.root, bought.middle, bought.root)

    assert bought.load() == bought.expected(*bought.chain)


def test_a_cross_signed_ca_goes_before_its_root(bought: Purchase) -> None:
    """Of two certificates of one CA the one that leads further is served, the other has no place."""
    (bought.folder / "cross").mkdir()
    elder = good(bought.folder, "elder")
    crossed = good(bought.folder / "cross", "root", issuer=elder, key=bought.root.key)
    bought.sell(bought.root, elder, crossed, bought.middle, bought.leaf)

    assert (bought.load(), bought.load(keep_root=False)) == (
        bought.expected(bought.leaf, bought.middle, crossed, elder),
        bought.expected(bought.leaf, bought.middle, crossed),
    )


def test_cas_that_signed_each_other_end_the_chain(bought: Purchase) -> None:
    """Two CAs that certify each other, without a root, make no endless chain."""
    (bought.folder / "cross").mkdir()
    one_key, two_key = p256(), p256()
    one = good(bought.folder, "one", key=one_key)
    two = good(bought.folder, "two", key=two_key)
    one_by_two = good(bought.folder / "cross", "one", issuer=two, key=one_key)
    two_by_one = good(bought.folder / "cross", "two", issuer=one, key=two_key)
    leaf = make(bought.folder, "leaf", NAMED, issuer=one)
    crossed = Purchase(bought.folder, leaf, one, two).sell(two_by_one, leaf, one_by_two)

    assert crossed.load() == crossed.expected(leaf, one_by_two, two_by_one)


def gone(folder: Path) -> Callable[..., Purchase]:
    """Return a function that sells some of many certificates by name."""
    root = good(folder, "root")
    upper = good(folder, "upper", issuer=root)
    middle = good(folder, "middle", issuer=upper)
    (folder / "namesake").mkdir()
    made = {
        "root": root,
        "upper": upper,
        "middle": middle,
        "leaf": make(folder, "leaf", NAMED, FETCHED, issuer=middle),
        "other": good(folder, "other"),
        "stray": make(folder, "stray", NAMED, issuer=middle),
        "namesake": good(folder / "namesake", "middle", issuer=upper),
        "self": make(folder, "self", NAMED),
    }

    def sell(*names: str) -> Purchase:
        """Sell them, with the key of the first."""
        return Purchase(folder, made[names[0]], middle, root).sell(*(made[name] for name in names))

    return sell


AT_URL = f", it is at {ISSUER_URL}"


@pytest.mark.parametrize(
    ("names", "problem", "hint"),
    [
        (
            ("leaf",),
            "missing intermediate CN=middle, which signed CN=leaf",
            "append its certificate" + AT_URL,
        ),
        (
            ("leaf", "upper", "root"),
            "missing intermediate CN=middle, which signed CN=leaf; without it nothing leads to CN=upper and CN=root",
            f"append it{AT_URL}, or take out what does not belong there",
        ),
        (
            ("leaf", "middle", "root"),
            "missing intermediate CN=upper, which signed CN=middle; without it nothing leads to CN=root",
            "append it, or take out what does not belong there",
        ),
        (
            ("leaf", "middle", "upper", "root", "other"),
            "not part of the chain of CN=leaf: CN=other",
            "take it out of {path}",
        ),
        (
            ("leaf", "middle", "upper", "root", "stray"),
            "not part of the chain of CN=leaf: CN=stray",
            "take it out of {path}",
        ),
        (
            ("leaf", "namesake", "upper", "root"),
            "CN=middle there did not sign CN=leaf, another certificate of that name did",
            "put the right one in its place" + AT_URL,
        ),
        (
            ("self",),
            "CN=self signed itself, expected one that a CA signed",
            'source = "authority" issues one',
        ),
        (
            ("middle", "upper", "root", "leaf"),
            "the key belongs to CN=middle, which is a CA certificate",
            "name the server's own certificate and key; a CA's key is never uploaded",
        ),
    ],
)
def test_what_is_missing_and_what_is_too_much_is_named(
    tmp_path: Path, names: tuple[str, ...], problem: str, hint: str
) -> None:
    """A gap is named by the issuer that should fill it, a stranger by its own name."""
    bought = gone(tmp_path)(*names)

    got = refusal(bought.load)

    assert got == (f"{bought.path}: {problem}{UNCHANGED}", hint.format(path=bought.path))


def test_a_renewed_certificate_beside_the_old_one_is_ambiguous(bought: Purchase) -> None:
    """Two certificates for one key: a person has to say which."""
    (bought.folder / "old").mkdir()
    old = make(bought.folder / "old", "leaf", NAMED, issuer=bought.middle, key=bought.leaf.key)
    bought.sell(bought.leaf, old, bought.middle)

    assert refusal(bought.load) == (
        f"{bought.path}: 2 certificates belong to one key: CN=leaf until 2036-02-27, CN=leaf until 2036-02-27"
        + UNCHANGED,
        f"leave one of them in {bought.path}",
    )


@pytest.mark.parametrize("key", [p256(), RSA_KEY], ids=["same kind", "another kind"])
def test_a_key_of_another_certificate_is_refused(bought: Purchase, key: Key) -> None:
    """The message names the key's file and the certificates that it does not belong to."""
    bought.sell(bought.leaf, bought.middle, key=key)

    assert refusal(bought.load) == (
        f"{bought.key_path}: this key belongs to no certificate in {bought.path}, which holds CN=leaf and CN=middle"
        + UNCHANGED,
        "name the key with which the certificate was requested",
    )


def test_a_certificate_without_any_key_is_refused(bought: Purchase) -> None:
    """No key in the file and none named: nothing could be served."""
    bought.sell(*bought.chain)
    bought.key_path.unlink()

    assert refusal(bought.load) == (
        f"{bought.path}: it holds no private key, and none is named{UNCHANGED}",
        "name the key's file in private_key",
    )


def test_passwords_that_are_missing_or_wrong_are_told(bought: Purchase) -> None:
    """Keys and PKCS#12 both say what they lack, and neither shows the password."""
    bought.sell(*bought.chain)
    write_key(bought.key_path, bought.leaf.key, b"right")
    keys = [refusal(partial(bought.load, password=text)) for text in (None, "wrong")]
    bought.key_path.unlink()
    bought.sell_pkcs12(bought.chain, locked())
    archives = [refusal(partial(bought.load, password=text)) for text in (None, "wrong")]

    where, beside = bought.path, 'set private_key_password = { env = "NAME" } beside'
    unloadable = "can't be loaded: its password is wrong, or it is malformed"
    unopened = "this PKCS#12 file can't be opened"
    needed = "it is encrypted and no password is configured, or it is malformed"
    wrong = "its password is wrong, or it is malformed or of an unknown kind"
    assert keys == [
        (
            f"{bought.key_path}: the server's private key is encrypted and no password is configured{UNCHANGED}",
            f"{beside} private_key",
        ),
        (
            f"{bought.key_path}: the server's private key {unloadable}{UNCHANGED}",
            KEY_HINT.format(path=bought.key_path),
        ),
    ]
    assert archives == [
        (
            f"{where}: {unopened}: {needed}{UNCHANGED}",
            f"{beside} certificate",
        ),
        (
            f"{where}: {unopened}: {wrong}{UNCHANGED}",
            f"openssl pkcs12 -in {where} -noout -info tells whether it opens; export it again, or as PEM",
        ),
    ]


@pytest.mark.parametrize(
    "kind", ["PKCS#7", "DER", "key", "text", "two keys", "PKCS#12 of ed25519", "no key", "ed25519"]
)
def test_files_of_another_kind_are_told_for_what_they_are(bought: Purchase, kind: str) -> None:
    """Each says what was expected and what was found, and how to convert it where that is possible."""
    where = bought.sell(*bought.chain).path
    certificates = [made.certificate for made in bought.chain]
    key = bought.key_path.read_bytes()
    clear = NoEncryption()
    ed = ed25519.Ed25519PrivateKey.generate()
    write: dict[str, Callable[[], object]] = {
        "PKCS#7": lambda: where.write_bytes(pkcs7.serialize_certificates(certificates, Encoding.PEM)),
        "DER": lambda: where.write_bytes(bought.leaf.der),
        "key": lambda: where.write_bytes(key),
        "text": lambda: where.write_bytes(b"hello"),
        "two keys": lambda: write_key(bought.key_path, p256()).write_bytes(key + bought.key_path.read_bytes()),
        "PKCS#12 of ed25519": lambda: bought.sell_pkcs12([make(bought.folder, "x", key=ed)], clear, key=ed),
        "no key": lambda: bought.key_path.write_bytes(bought.leaf.pem.encode()),
        "ed25519": lambda: write_key(bought.key_path, ed),
    }
    write[kind]()

    got = refusal(bought.load)

    expected, hint = "expected the server's certificate", f"check that {where} begins with -----BEGIN CERTIFICATE-----"
    key_hint = KEY_HINT.format(path=bought.key_path)
    assert (
        got
        == {
            "PKCS#7": (
                f"{where}: {expected} in PEM or PKCS#12, found PKCS#7{UNCHANGED}",
                f"openssl pkcs7 -print_certs -in {where} -out {where}.pem",
            ),
            "DER": (
                f"{where}: {expected} in PEM or PKCS#12, found binary DER{UNCHANGED}",
                f"openssl x509 -inform DER -in {where} -out {where}.pem",
            ),
            "key": (f"{where}: {expected}, found a private key{UNCHANGED}", hint),
            "text": (f"{where}: {expected}, found no PEM certificate{UNCHANGED}", hint),
            "two keys": (
                f"{bought.key_path}: expected the server's private key, found 2 private keys{UNCHANGED}",
                "leave the one that belongs to the certificate",
            ),
            "PKCS#12 of ed25519": (
                f"{where}: the private key in this PKCS#12 file is neither RSA nor EC{UNCHANGED}",
                KEY_HINT.format(path=where),
            ),
            "no key": (
                f"{bought.key_path}: expected the server's private key, found a certificate{UNCHANGED}",
                key_hint,
            ),
            "ed25519": (f"{bought.key_path}: the server's private key is neither RSA nor EC{UNCHANGED}", key_hint),
        }[kind]
    )


def test_pkcs12_that_lacks_what_is_wanted_is_told(bought: Purchase) -> None:
    """Certificates alone are fine beside a key; a key alone is fine as the key; neither does for the other."""
    bought.sell(*bought.chain)
    leaf, *above = (made.certificate for made in bought.chain)
    keyless, bare = bought.folder / "keyless", bought.folder / "bare"
    lock = NoEncryption()
    keyless.write_bytes(pkcs12.serialize_key_and_certificates(None, None, leaf, above, lock))
    bare.write_bytes(pkcs12.serialize_key_and_certificates(None, bought.leaf.key, None, None, lock))

    def load(certificate: Path, private_key: Path | None) -> object:
        return load_bundle(certificate, private_key, lambda: None, keep_root=True)

    whole = bought.expected(*bought.chain)
    assert (load(keyless, bought.key_path), load(bought.path, bare)) == (whole, whole)
    assert [refusal(partial(load, *files))[0] for files in ((keyless, None), (bare, None), (bought.path, keyless))] == [
        f"{keyless}: it holds no private key, and none is named{UNCHANGED}",
        f"{bare}: expected the server's certificate, found PKCS#12 without certificates{UNCHANGED}",
        f"{keyless}: expected the server's private key, found PKCS#12 without a key{UNCHANGED}",
    ]


def pem_of(der: bytes, label: str) -> str:
    """Return a PEM block around whatever body."""
    import base64  # noqa: PLC0415  needed here alone

    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def test_sm2_is_refused_by_name(bought: Purchase) -> None:
    """A certificate or a key of SM2's curve is told by its name."""
    where = bought.sell(*bought.chain).path
    pkcs8 = bought.leaf.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    where.write_text(pem_of(as_sm2(bought.leaf.der), "CERTIFICATE"), encoding="ascii")
    certificate = refusal(bought.load)
    bought.sell(*bought.chain)
    bought.key_path.write_text(pem_of(as_sm2(pkcs8), "PRIVATE KEY"), encoding="ascii")
    key = refusal(bought.load)
    bought.key_path.write_text(pem_of(pkcs8, "SM2 PRIVATE KEY"), encoding="ascii")
    label = refusal(bought.load)

    refused = f"uses SM2, which this tool does not support{UNCHANGED}"
    assert (certificate, key, label) == (
        (f"{where}: the server's certificate {refused}", "use RSA or EC"),
        (f"{bought.key_path}: the server's private key {refused}", "use RSA or EC"),
        (f"{bought.key_path}: the server's private key {refused}", "use RSA or EC"),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("form", ["PEM", "PKCS#12"])
def test_damaged_files_are_refused_and_never_break(bought: Purchase, form: str, data: st.DataObject) -> None:
    """Whatever bytes are exchanged, cut off or doubled, the end is a bundle or a message without the key in it."""
    if form == "PEM":
        bought.sell(*bought.chain)
        bought.path.write_bytes(bought.path.read_bytes() + bought.key_path.read_bytes())
        bought.key_path.unlink()
    else:
        bought.sell_pkcs12(bought.chain, locked(b"sesame73"))
    content = bytearray(bought.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    bought.path.write_bytes(content)
    try:
        got = bought.load(password="sesame73")
    except UnusableError as error:
        text = f"{error.message} {error.hint}"
        assert (UNCHANGED in text, "sesame73" in text) == (True, False)
    else:
        assert got.leaf.dns_names == ("mqtt.example.com",)
