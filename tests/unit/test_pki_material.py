"""What lies in the key store, checked: permissions, keys, chains, their order and their signatures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from provisioner.model.certificate import Material
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import good, make, p256, refusal, write_key
from tests.fakes.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """Give an empty key store."""
    return Shelf(tmp_path)


def test_material_of_a_kept_leaf_is_whole(shelf: Shelf) -> None:
    """What was issued is found again with its chain, its key and no problem."""
    leaf = shelf.issue()

    got = shelf.store.material("iot", leaf.sha256)

    assert got == Material(
        leaf=leaf,
        chain=(leaf_of(shelf.authority.certificate),),
        key_matches=True,
        order_problem="",
        signature_problem="",
    )


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o602, 0o610])
def test_a_key_that_others_may_touch_is_refused(shelf: Shelf, mode: int) -> None:
    """A kept key with any right for group or others is neither checked nor given."""
    leaf = shelf.issue()
    path = shelf.at(leaf, "private-key.pem")
    path.chmod(mode)

    got = [
        refusal(partial(method, "iot", leaf.sha256)) for method in (shelf.store.material, shelf.store.private_key_pem)
    ]

    message = f"{path}: mode {mode:04o} lets others read a private key, expected 0600; nothing was changed"
    assert got == [(message, f"chmod 600 {path}; if others had access, issue a new certificate")] * 2


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_alone_is_given(shelf: Shelf, mode: int) -> None:
    """A key that only its owner may read is fine, writable or not."""
    leaf = shelf.issue()
    shelf.at(leaf, "private-key.pem").chmod(mode)

    assert shelf.problems(leaf) == (True, "", "")


def key_hint(path: Path) -> str:
    """Return the next step for a key that can't be used."""
    return f"check that {path} is the right file; openssl pkey -in {path} -noout tells whether it can be read"


@pytest.mark.parametrize("kind", ["missing", "certificate", "binary", "malformed", "encrypted", "ed25519"])
def test_a_kept_key_that_cannot_be_used_is_named(shelf: Shelf, kind: str) -> None:
    """Whatever became of a kept key, the message names the file and what is wrong, not what is in it."""
    leaf = shelf.issue()
    path = shelf.at(leaf, "private-key.pem")
    write: dict[str, Callable[[], object]] = {
        "missing": path.unlink,
        "certificate": lambda: path.write_text(shelf.authority.pem, encoding="ascii"),
        "binary": lambda: path.write_bytes(b"\xff\xfe\x00"),
        "malformed": lambda: path.write_text(
            "-----BEGIN PRIVATE KEY-----\nTm9wZQ==\n-----END PRIVATE KEY-----\n", encoding="ascii"
        ),
        "encrypted": lambda: write_key(path, p256(), b"password"),
        "ed25519": lambda: write_key(path, ed25519.Ed25519PrivateKey.generate()),
    }
    write[kind]()

    got = [
        refusal(partial(method, "iot", leaf.sha256)) for method in (shelf.store.material, shelf.store.private_key_pem)
    ]

    hint = key_hint(path)
    unloadable = "a private key can't be loaded: it is malformed or of an unknown kind"
    locked = "a private key is encrypted and no password is configured"
    problem, hint = {
        "missing": (
            "a private key can't be read: No such file or directory",
            f"check that {path} exists and that this user may read it",
        ),
        "certificate": ("expected a private key, found a certificate", hint),
        "binary": ("expected a private key, found no PEM private key", hint),
        "malformed": (unloadable, hint),
        "encrypted": (locked, 'set private_key_password = { env = "NAME" } beside private_key'),
        "ed25519": ("a private key is neither RSA nor EC", hint),
    }[kind]
    assert got == [(f"{path}: {problem}; nothing was changed", hint)] * 2


@pytest.mark.parametrize("kind", ["missing", "key", "malformed"])
def test_a_kept_chain_that_cannot_be_read_is_named(shelf: Shelf, kind: str) -> None:
    """Whatever became of a kept chain, every method names the file and what is wrong with it."""
    leaf = shelf.issue()
    path = shelf.at(leaf, "chain.pem")
    path.unlink()
    if kind != "missing":
        broken = "-----BEGIN CERTIFICATE-----\nTm9wZQ==\n-----END CERTIFICATE-----\n"
        key = shelf.at(leaf, "private-key.pem").read_text(encoding="ascii")
        path.write_text({"key": key, "malformed": broken}[kind], encoding="ascii")
    methods = (
        partial(shelf.store.leaves, "iot"),
        partial(shelf.store.material, "iot", leaf.sha256),
        partial(shelf.store.chain_pem, "iot", leaf.sha256),
    )

    got = [refusal(method) for method in methods]

    problem, hint = {
        "missing": (
            "a certificate chain can't be read: No such file or directory",
            f"check that {path} exists and that this user may read it",
        ),
        "key": (
            "expected a certificate chain, found a private key",
            f"check that {path} begins with -----BEGIN CERTIFICATE-----",
        ),
        "malformed": ("a certificate chain is malformed", f"openssl x509 -in {path} -noout -text"),
    }[kind]
    assert got == [(f"{path}: {problem}; nothing was changed", hint)] * 3


def test_what_is_not_kept_cannot_be_given(shelf: Shelf) -> None:
    """Chain and key of a leaf that isn't here are refused by the file that should hold them."""
    folder = shelf.store.generation("iot", "ab" * 32)
    calls = (shelf.store.chain_pem, shelf.store.private_key_pem)

    assert [refusal(partial(call, "iot", "ab" * 32))[0] for call in calls] == [
        f"{folder / 'chain.pem'}: a certificate chain can't be read: No such file or directory; nothing was changed",
        f"{folder / 'private-key.pem'}: a private key can't be read: No such file or directory; nothing was changed",
    ]


def test_a_key_of_another_leaf_is_noticed(shelf: Shelf) -> None:
    """Material tells when key and leaf don't belong together."""
    leaf = make(shelf.folder, "leaf", issuer=shelf.authority)

    kept = shelf.keep(leaf, shelf.authority, key=make(shelf.folder, "other"))

    assert shelf.problems(kept) == (False, "", "")


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("leaf", "middle", "root"), ""),
        (("leaf", "middle"), ""),
        (("leaf", "root", "middle"), "certificate 2 is CN=root, expected the issuer CN=middle"),
        (("leaf", "root"), "certificate 2 is CN=root, expected the issuer CN=middle"),
        (("leaf", "middle", "middle"), "certificate 3 is CN=middle, expected the issuer CN=root"),
        (("root", "middle", "leaf"), "certificate 2 is CN=middle, expected the issuer CN=root"),
        (("leaf",), "it holds the leaf alone, expected its CA below it"),
    ],
)
def test_a_chain_in_the_wrong_order_is_noticed(shelf: Shelf, order: tuple[str, ...], problem: str) -> None:
    """Material tells the first place at which a certificate is not the issuer of the one above."""
    root = good(shelf.folder, "root")
    middle = good(shelf.folder, "middle", issuer=root)
    made = {"root": root, "middle": middle, "leaf": make(shelf.folder, "leaf", issuer=middle)}

    kept = shelf.keep(*(made[name] for name in order))

    found = shelf.store.material("iot", kept.sha256)
    assert found is not None
    assert (found.key_matches, found.order_problem) == (True, problem)
    assert found.chain == tuple(leaf_of(made[name].certificate) for name in order[1:])


@pytest.mark.parametrize("rsa_key", [False, True])
def test_a_namesake_that_did_not_sign_is_noticed(shelf: Shelf, rsa_key: bool) -> None:
    """A CA of the right name and another key is in order, and yet did not sign, whatever the kind of its key."""
    (shelf.folder / "namesake").mkdir()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if rsa_key else p256()
    namesake = good(shelf.folder / "namesake", key=key)
    leaf = make(shelf.folder, "leaf", issuer=shelf.authority)

    kept = shelf.keep(leaf, namesake)

    assert shelf.problems(kept) == (True, "", "CN=leaf is not signed by CN=Test CA")


def test_a_wrong_signature_further_up_is_noticed(shelf: Shelf) -> None:
    """Every signature of the chain is checked, not the leaf's alone."""
    root = good(shelf.folder, "root")
    middle = good(shelf.folder, "middle", issuer=root)
    leaf = make(shelf.folder, "leaf", issuer=middle)
    (shelf.folder / "namesake").mkdir()

    kept = shelf.keep(leaf, middle, good(shelf.folder / "namesake", "root"))

    assert shelf.problems(kept) == (True, "", "CN=middle is not signed by CN=root")
