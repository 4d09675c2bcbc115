"""Creating an authority: what it says, how its files lie, and that nothing is ever overwritten."""

import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioner.errors import UsageError
from provisioner.model.certificate import DistinguishedName, KeyType, Leaf
from provisioner.model.secret import Secret
from provisioner.pki import Authority, create_authority
from tests.fakes.authorities import masked, refusal, usage
from tests.fakes.clock import START

NAME = DistinguishedName(country="CN", organization="ALI", common_name="Plant CA")


def create(
    folder: Path,
    key: KeyType = KeyType.EC_P256,
    *,
    subject: DistinguishedName = NAME,
    passphrase: Secret | None = None,
    certificate: str = "ca.crt",
    private_key: str = "ca.key",
) -> Leaf:
    """Make an authority for ten years."""
    return create_authority(
        key=key,
        subject=subject,
        valid_for=timedelta(days=3650),
        certificate=folder / certificate,
        private_key=folder / private_key,
        passphrase=passphrase,
        now=START + timedelta(microseconds=17),
    )


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of a folder and all in it."""
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]
    }


def content(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def opens(folder: Path, passphrase: str) -> bool:
    """Tell whether a passphrase opens the key, and the key belongs to the certificate."""
    authority = Authority(folder / "ca.crt", folder / "ca.key", lambda: Secret(passphrase))
    return authority.key.public_key() == authority.certificate.public_key()


@pytest.mark.parametrize("key", list(KeyType))
def test_an_authority_says_what_was_asked_for(tmp_path: Path, key: KeyType) -> None:
    """The leaf that is returned is the one that is written, with the wanted key, name and lifetime."""
    got = create(tmp_path, key)

    certificate = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    assert got == Leaf(
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        serial=certificate.serial_number,
        subject="CN=Plant CA,O=ALI,C=CN",
        name=NAME,
        issuer="CN=Plant CA,O=ALI,C=CN",
        dns_names=(),
        not_before=START - timedelta(minutes=5),
        not_after=START - timedelta(minutes=5) + timedelta(days=3650),
        key=key.value,
        profile=None,
        is_ca=True,
    )
    assert got.serial > 0


@pytest.mark.parametrize("key", list(KeyType))
def test_an_authority_carries_what_strict_verifiers_want(tmp_path: Path, key: KeyType) -> None:
    """It may sign server certificates and lists alone, and nobody has an objection."""
    create(tmp_path, key)
    authority = Authority(tmp_path / "ca.crt", tmp_path / "ca.key")

    extensions = {item.oid: (item.critical, item.value) for item in authority.certificate.extensions}

    own = x509.SubjectKeyIdentifier.from_public_key(authority.certificate.public_key())
    assert extensions == {
        x509.BasicConstraints.oid: (True, x509.BasicConstraints(ca=True, path_length=0)),
        x509.KeyUsage.oid: (True, usage("key_cert_sign", "crl_sign")),
        x509.SubjectKeyIdentifier.oid: (False, own),
        x509.AuthorityKeyIdentifier.oid: (False, x509.AuthorityKeyIdentifier(own.digest, None, None)),
    }
    by = hashes.SHA384 if key is KeyType.EC_P384 else hashes.SHA256
    assert isinstance(authority.certificate.signature_hash_algorithm, by)
    assert (authority.facts().objections, authority.key.public_key()) == ((), authority.certificate.public_key())


def test_a_passphrase_encrypts_the_key(tmp_path: Path) -> None:
    """With a passphrase the key opens with it alone; without one it lies in clear."""
    create(tmp_path, passphrase=Secret("pässphrase"))
    create(tmp_path, certificate="clear.crt", private_key="clear.key")
    locked, clear = ((tmp_path / name).read_bytes() for name in ("ca.key", "clear.key"))

    assert (locked.splitlines()[0], clear.splitlines()[0]) == (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        b"-----BEGIN PRIVATE KEY-----",
    )
    assert load_pem_private_key(clear, None).public_key() == Authority(tmp_path / "clear.crt").certificate.public_key()
    assert opens(tmp_path, "pässphrase")
    with pytest.raises(ValueError, match="Incorrect password"):
        load_pem_private_key(locked, b"wrong")


@pytest.mark.parametrize(("passphrase", "length"), [("", 0), ("ä" * 512, 1024)])
def test_a_passphrase_that_would_lock_the_key_for_good_is_refused(tmp_path: Path, passphrase: str, length: int) -> None:
    """An empty passphrase, and one longer than can be read back, are refused before anything is written."""
    got = refusal(lambda: create(tmp_path, passphrase=Secret(passphrase)), UsageError)

    assert (got, content(tmp_path)) == (
        (
            f"the passphrase has {length} bytes, expected 1 to 1023; nothing was changed",
            "choose another passphrase, or leave the key unencrypted",
        ),
        {},
    )


def test_the_longest_passphrase_opens_the_key(tmp_path: Path) -> None:
    """A passphrase of 1023 bytes is accepted and opens the key again."""
    create(tmp_path, passphrase=Secret("x" * 1023))

    assert opens(tmp_path, "x" * 1023)


@pytest.mark.parametrize("mask", [0, 0o077])
def test_files_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """New directories have mode 0700 and files 0600, under the laxest and the strictest umask; nothing else is left."""
    with masked(mask):
        create(tmp_path, certificate="new/deep/ca.crt", private_key="new/deep/ca.key")

    assert modes(tmp_path / "new") == {
        "new": 0o700,
        "new/deep": 0o700,
        "new/deep/ca.crt": 0o600,
        "new/deep/ca.key": 0o600,
    }


def test_a_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """Permissions of somebody else's directory are not touched."""
    tmp_path.chmod(0o755)

    create(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize("there", [("ca.key",), ("ca.crt",), ("ca.key", "ca.crt")])
def test_an_authority_is_never_overwritten(tmp_path: Path, there: tuple[str, ...]) -> None:
    """With the key, the certificate, or both there already, both files stay as they are."""
    for name in there:
        (tmp_path / name).write_bytes(b"precious")
    names = " and ".join(str(tmp_path / name) for name in there)

    got = refusal(lambda: create(tmp_path), UsageError)

    assert (got, content(tmp_path)) == (
        (
            f"{names}: already there; an authority is never overwritten, nothing was changed",
            "provisioner ca show tells what is there; move the files away to begin anew",
        ),
        dict.fromkeys(there, b"precious"),
    )


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    """A dangling link in the key's place is refused like a file, and nothing appears where it points."""
    (tmp_path / "ca.key").symlink_to(tmp_path / "elsewhere")

    got = refusal(lambda: create(tmp_path))

    path = tmp_path / "ca.key"
    assert (got, [item.name for item in tmp_path.iterdir()]) == (
        (
            f"{path}: exists already and is never overwritten; nothing was changed",
            "name another file, or move this one away",
        ),
        ["ca.key"],
    )


def test_one_file_for_both_is_refused(tmp_path: Path) -> None:
    """Naming one file for certificate and key leaves neither."""
    path = tmp_path / "ca.pem"

    got = refusal(lambda: create(tmp_path, certificate="ca.pem", private_key="ca.pem"))

    assert (got, content(tmp_path)) == (
        (
            f"{path}: exists already and is never overwritten; nothing was changed",
            "name another file, or move this one away",
        ),
        {},
    )


@pytest.mark.parametrize(("certificate", "private_key"), [("file/ca.pem", "ca.key"), ("ca.crt", "file/ca.pem")])
def test_a_file_that_cannot_be_written_leaves_no_half_of_an_authority(
    tmp_path: Path, certificate: str, private_key: str
) -> None:
    """When one of the two can't be written the other isn't left behind either."""
    (tmp_path / "file").write_bytes(b"in the way")

    got = refusal(lambda: create(tmp_path, certificate=certificate, private_key=private_key))

    assert (got, content(tmp_path)) == (
        (
            f"{tmp_path / 'file/ca.pem'}: can't be written: Not a directory; nothing was changed",
            "check the file named above",
        ),
        {"file": b"in the way"},
    )


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The directory that is in the way is told with the system's reason."""
    (tmp_path / "file").write_bytes(b"in the way")

    got = refusal(lambda: create(tmp_path, private_key="file/new/ca.key"))

    assert got == (
        f"{tmp_path / 'file/new'}: can't be made: Not a directory; nothing was changed",
        "check the permissions of the directory above it",
    )


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from provisioner.pki.files import write_private
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_private(Path(sys.argv[1]), b"half")
"""


def test_a_killed_write_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    """A process killed in the middle of a write leaves a hidden private file, which is in nobody's way."""
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path / "ca.key")]
    killed = subprocess.run(command, check=False, timeout=60)
    left = content(tmp_path)

    create(tmp_path)

    assert (killed.returncode, [name[:8] for name in left], [*left.values()]) == (-9, [".ca.key."], [b"half"])
    assert {*content(tmp_path)} == {*left, "ca.crt", "ca.key"}
    assert {*modes(tmp_path).values()} == {0o600, 0o700}


@pytest.mark.parametrize(
    ("subject", "message", "hint"),
    [
        (
            DistinguishedName(common_name="x" * 65),
            f"subject.common_name: '{'x' * 65}' (65 characters) can't stand in a certificate, at most 64 characters",
            "correct subject.common_name",
        ),
        (
            DistinguishedName(country="CHN", common_name="x"),
            "subject.country: 'CHN' (3 characters) can't stand in a certificate",
            "correct subject.country",
        ),
    ],
)
def test_a_name_that_cannot_stand_in_a_certificate_is_refused(
    tmp_path: Path, subject: DistinguishedName, message: str, hint: str
) -> None:
    """The field is named, and nothing is written."""
    got = refusal(lambda: create(tmp_path, subject=subject))

    assert (got, content(tmp_path)) == ((f"{message}; nothing was changed", hint), {})
