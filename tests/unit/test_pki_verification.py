"""The validation certificate: the proof that a device CA's key is at hand."""

import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provisioner.model.secret import Secret
from provisioner.pki import LocalDeviceAuthority
from tests.fakes.authorities import CA_TRUE, SIGNS, Key, Made, good, make, p256, refusal, write_key
from tests.fakes.clock import START

CODE = "13274673-8f90-4630-bea1-9cccb25756ad2089123456"
CERTIFICATE_HINT = "name the device CA's certificate with --certificate"
KEY_HINT = "check --private-key, and for an encrypted key --passphrase-env or --passphrase-file"


def authority(ca: Made, password: str | None = None) -> LocalDeviceAuthority:
    """Return the device authority of a CA's files."""
    return LocalDeviceAuthority(ca.certificate_path, ca.key_path, lambda: Secret(password) if password else None)


def no_password() -> Secret | None:
    """Have no password."""
    return None


def proof(ca: Made, code: str = CODE) -> x509.Certificate:
    """Return a validation certificate."""
    return x509.load_pem_x509_certificate(authority(ca).verification_pem(code, START).encode())


def test_it_carries_the_code_and_is_signed_by_the_ca(tmp_path: Path) -> None:
    """The code is the whole subject; it is no CA and is valid for a while around now."""
    ca = good(tmp_path)
    made = proof(ca)
    made.verify_directly_issued_by(ca.certificate)
    assert made.subject.rfc4514_string() == f"CN={CODE}"
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    begin = START - timedelta(minutes=5)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (begin, begin + timedelta(days=30))


@pytest.mark.parametrize(
    "key", [p256(), rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())]
)
def test_its_key_is_its_own_and_of_the_kind_of_the_ca(tmp_path: Path, key: Key) -> None:
    """Each one has a new key pair, RSA below an RSA CA and EC below an EC CA."""
    ca = good(tmp_path, key=key)
    keys = [proof(ca).public_key() for _ in range(2)]
    kind = rsa.RSAPublicKey if isinstance(key, rsa.RSAPrivateKey) else ec.EllipticCurvePublicKey
    assert [isinstance(item, kind) for item in keys] == [True, True]
    shown = {item.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for item in (*keys, key.public_key())}
    assert len(shown) == 3


def test_nothing_is_kept(tmp_path: Path) -> None:
    """No file is written, and the answer holds a certificate alone."""
    ca = good(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    text = authority(ca).verification_pem(CODE, START)
    assert sorted(tmp_path.rglob("*")) == before
    assert text.count("-----BEGIN ") == text.count("-----BEGIN CERTIFICATE-----") == 1


def test_it_does_not_outlive_the_ca(tmp_path: Path) -> None:
    """A CA that is young or ends soon bounds it."""
    begin, end = START - timedelta(minutes=1), START + timedelta(hours=1)
    made = proof(make(tmp_path, "Short", CA_TRUE, SIGNS, begin=begin, end=end))
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (begin, end)


def test_the_ca_below_it_in_a_file_is_not_sent(tmp_path: Path) -> None:
    """Of a file with a chain the first certificate is the device CA."""
    root = good(tmp_path, "Root")
    ca = good(tmp_path, "Device CA", issuer=root)
    ca.certificate_path.write_text(ca.pem + root.pem, encoding="ascii")
    assert authority(ca).certificate_pem == ca.pem


@pytest.mark.parametrize("code", ["", "x" * 65])
def test_a_code_that_fits_no_certificate_is_an_error(tmp_path: Path, code: str) -> None:
    """Nothing is cut off or padded."""
    message, hint = refusal(lambda: proof(good(tmp_path), code))
    assert message == (
        f"the service's registration code has {len(code)} characters, a certificate's common name holds 1 to 64; "
        "nothing was registered"
    )
    assert hint == "run the command again: it asks for a new code"


def test_a_certificate_that_will_not_do_is_refused_at_once(tmp_path: Path) -> None:
    """A leaf and a missing file each have their message, with the option to check."""
    ca = good(tmp_path)
    leaf = make(tmp_path, "leaf", (x509.BasicConstraints(ca=False, path_length=None), True), issuer=ca)
    missing = tmp_path / "none.crt"
    assert [
        refusal(partial(LocalDeviceAuthority, path, ca.key_path, no_password))
        for path in (leaf.certificate_path, missing)
    ] == [
        (
            f"{leaf.certificate_path}: this is no CA certificate: basicConstraints says CA:FALSE; nothing was changed",
            CERTIFICATE_HINT,
        ),
        (
            f"{missing}: a CA certificate can't be read: No such file or directory; nothing was changed",
            CERTIFICATE_HINT,
        ),
    ]


def test_a_key_that_will_not_do_is_refused_at_once(tmp_path: Path) -> None:
    """Somebody else's key and a locked key each have their message, with the options to check."""
    ca, other = good(tmp_path), good(tmp_path, "Other")
    locked = write_key(tmp_path / "locked.key", ca.key, b"secret")
    found = [
        refusal(partial(LocalDeviceAuthority, ca.certificate_path, key, no_password))
        for key in (other.key_path, locked)
    ]
    assert found == [
        (f"{other.key_path}: this key does not belong to {ca.certificate_path}; nothing was changed", KEY_HINT),
        (
            f"{locked}: the CA's private key is encrypted and no password is configured; nothing was changed",
            KEY_HINT,
        ),
    ]


def test_an_encrypted_key_is_opened_with_its_passphrase(tmp_path: Path) -> None:
    """The passphrase is asked for when it is needed."""
    ca = good(tmp_path)
    write_key(ca.key_path, ca.key, b"secret")
    made = x509.load_pem_x509_certificate(authority(ca, "secret").verification_pem(CODE, START).encode())
    made.verify_directly_issued_by(ca.certificate)


@pytest.mark.openssl
@pytest.mark.parametrize("key", [p256(), rsa.generate_private_key(65537, 2048)])
def test_openssl_accepts_it_strictly(tmp_path: Path, key: Key) -> None:
    """``openssl verify -x509_strict`` takes it at the time that it was made for."""
    ca = good(tmp_path, key=key)
    path = tmp_path / "proof.pem"
    path.write_text(authority(ca).verification_pem(CODE, START), encoding="ascii")
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(START.timestamp())), "-CAfile"]
    done = subprocess.run([*command, ca.certificate_path, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{path}: OK\n")
