"""Purchased material as openssl makes it: every form loads, and openssl accepts what becomes of it."""

import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from provisioner.model.secret import Secret
from provisioner.pki import Bundle, load_bundle
from tests.fakes.authorities import refusal

pytestmark = pytest.mark.openssl

PASSWORD = "pass phrase"
AUTHORITY = """[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:mqtt.example.com
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
RSA, EC, P384 = "genrsa 2048", "ecparam -genkey -name prime256v1", "ecparam -genkey -name secp384r1"
LOCKED = ("-passout", f"pass:{PASSWORD}")


@dataclass(frozen=True)
class Shop:
    """A folder in which openssl plays the seller: root, intermediate, and a server's certificate."""

    folder: Path

    def run(self, command: str, *more: str) -> str:
        """Run an openssl command and return what it prints."""
        done = subprocess.run(
            ["openssl", *command.split(), *more], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"openssl {command}: {done.stderr}"
        return done.stdout

    def write(self, name: str, command: str, *more: str) -> Path:
        """Write what an openssl command prints to a file."""
        path = self.folder / name
        path.write_text(self.run(command, *more), encoding="ascii")
        return path

    def certify(self, name: str, section: str, issuer: str | None) -> None:
        """Make a certificate for the key of a name."""
        if issuer is None:
            self.run(f"req -x509 -new -key {name}.key -subj /CN={name} -days 30 -config cfg -extensions ca -out {name}")
            return
        self.run(f"req -new -key {name}.key -subj /CN={name} -config cfg -out {name}.csr")
        signing = f"-CA {issuer} -CAkey {issuer}.key -CAcreateserial -extfile cfg -extensions {section}"
        self.run(f"x509 -req -in {name}.csr {signing} -days 30 -out {name}")

    def joined(self, *names: str) -> Path:
        """Return one file of several."""
        path = self.folder / "joined"
        path.write_bytes(b"".join((self.folder / name).read_bytes() for name in names))
        return path

    def load(self, certificate: Path, private_key: Path | None = None, *, keep_root: bool = False) -> Bundle:
        """Load material."""
        return load_bundle(certificate, private_key, lambda: Secret(PASSWORD), keep_root=keep_root)

    def accepted(self, bundle: Bundle) -> tuple[str, str, bool]:
        """Return what openssl says of a chain and of a key, and whether both have the same public key."""
        chain, key = self.folder / "chain.pem", self.folder / "chain.key"
        chain.write_text(bundle.chain_pem, encoding="ascii")
        key.write_text(bundle.private_key.reveal(), encoding="ascii")
        strict = "verify -x509_strict -purpose sslserver -verify_hostname mqtt.example.com"
        verdict = self.run(f"{strict} -CAfile root -untrusted chain.pem chain.pem")
        checked = self.run("pkey -in chain.key -noout -check -passin pass:")
        same = self.run("pkey -in chain.key -pubout") == self.run("x509 -in chain.pem -noout -pubkey")
        return verdict.strip(), checked.strip(), same


OPENSSL_IS_CONTENT = ("chain.pem: OK", "Key is valid", True)


def shop(folder: Path, key: str) -> Shop:
    """Return a shop that sold a certificate for a key of some kind."""
    made = Shop(folder)
    (folder / "cfg").write_text(AUTHORITY, encoding="ascii")
    for name, kind in (("root", EC), ("middle", EC), ("server", key)):
        made.write(f"{name}.key", kind)
    made.certify("root", "ca", None)
    made.certify("middle", "ca", "root")
    made.certify("server", "server", "middle")
    return made


@pytest.fixture(scope="module", params=[RSA, EC, P384], ids=["rsa", "p256", "p384"])
def sold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Give a shop that sold a certificate for each kind of key."""
    return shop(tmp_path_factory.mktemp("shop"), request.param)


def traditional(sold: Shop) -> str:
    """Return openssl's command for the older form of the server's key."""
    kind = "rsa -traditional" if "RSA" in sold.run("pkey -in server.key -noout -text") else "ec"
    return f"{kind} -in server.key"


FORMS = {
    "as made": "",
    "PKCS#8": "pkcs8 -topk8 -nocrypt -in server.key",
    "PKCS#8, AES": "pkcs8 -topk8 -in server.key",
    "PKCS#8, triple DES": "pkcs8 -topk8 -v2 des3 -in server.key",
    "PKCS#8, scrypt": "pkcs8 -topk8 -scrypt -in server.key",
    "PKCS#8, as in PKCS#12": "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in server.key",
    "older": "older",
    "older, AES-128": "older -aes128",
    "older, AES-256": "older -aes256",
    "older, triple DES": "older -des3",
}


@pytest.mark.parametrize("form", FORMS)
def test_openssl_accepts_what_becomes_of_every_key(sold: Shop, form: str) -> None:
    """Whatever form the key had, with its EC PARAMETERS block too, the chain verifies strictly and the key is its."""
    command = FORMS[form].replace("older", traditional(sold))
    locked = LOCKED if "nocrypt" not in command and form not in {"as made", "older"} else ()
    key = sold.write("server.form", command, *locked) if command else sold.folder / "server.key"

    got = sold.load(sold.joined("root", "server", "middle"), key)

    assert sold.accepted(got) == OPENSSL_IS_CONTENT
    assert got.chain_pem == (sold.joined("server", "middle").read_text(encoding="ascii"))
    assert (got.leaf.subject, got.leaf.dns_names) == ("CN=server", ("mqtt.example.com",))


ARCHIVES = {
    "present": "",
    "former": "-legacy",
    "triple DES": "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
    "certificates in clear": "-certpbe NONE",
    "all in clear": "-keypbe NONE -certpbe NONE -nomac",
}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_openssl_accepts_what_becomes_of_every_pkcs12(sold: Shop, archive: str) -> None:
    """PKCS#12 with the algorithms of now and of then gives the same chain and the same key."""
    sold.joined("middle", "root")
    made = f"pkcs12 -export -inkey server.key -in server -certfile joined {ARCHIVES[archive]} -out server.p12"
    sold.run(made, *LOCKED)

    got = sold.load(sold.folder / "server.p12", keep_root=True)

    assert sold.accepted(got) == OPENSSL_IS_CONTENT
    assert got.chain_pem == sold.joined("server", "middle", "root").read_text(encoding="ascii")


def test_what_openssl_prints_of_a_pkcs12_can_be_read(sold: Shop) -> None:
    """One file as ``openssl pkcs12`` unpacks it, with its remarks, certificates and encrypted key, will do."""
    sold.run("pkcs12 -export -inkey server.key -in server -certfile middle -name ENCRYPTED -out some.p12", *LOCKED)
    unpacked = sold.write("unpacked", "pkcs12 -in some.p12", "-passin", f"pass:{PASSWORD}", *LOCKED)

    got = sold.load(unpacked)

    assert ("friendlyName: ENCRYPTED" in unpacked.read_text(encoding="ascii"), sold.accepted(got)) == (
        True,
        OPENSSL_IS_CONTENT,
    )


@pytest.mark.parametrize("password", ["", None])
def test_an_empty_password_needs_none(tmp_path: Path, password: str | None) -> None:
    """PKCS#12 that was exported with an empty password opens without one being configured."""
    sold = shop(tmp_path, EC)
    sold.run("pkcs12 -export -inkey server.key -in server -certfile middle -passout pass: -out empty.p12")
    secret = None if password is None else Secret(password)

    got = load_bundle(tmp_path / "empty.p12", None, lambda: secret, keep_root=False)

    assert sold.accepted(got) == OPENSSL_IS_CONTENT


def test_openssls_sm2_is_refused_by_name(tmp_path: Path) -> None:
    """Certificate, key in every form, and PKCS#12 of SM2 are all told by that name."""
    sold = shop(tmp_path, EC)
    sold.write("sm2.key", "ecparam -genkey -noout -name SM2")
    sold.run("req -x509 -new -sm3 -key sm2.key -subj /CN=sm2 -days 30 -config cfg -extensions server -out sm2")
    sold.write("sm2.p8", "pkcs8 -topk8 -nocrypt -in sm2.key")
    sold.write("sm2.locked", "pkcs8 -topk8 -in sm2.key", *LOCKED)
    sold.run("pkcs12 -export -inkey sm2.key -in sm2 -out sm2.p12", *LOCKED)
    sold.run("pkcs12 -export -inkey server.key -in server -certfile sm2 -out mixed.p12", *LOCKED)
    sold.run("x509 -req -in server.csr -CA sm2 -CAkey sm2.key -CAcreateserial -sm3 -days 30 -out server.sm3")
    good, key = sold.folder / "server", sold.folder / "server.key"
    cases: dict[str, tuple[Path, Path | None]] = {
        "sm2": (sold.folder / "sm2", key),
        "sm2.key": (good, sold.folder / "sm2.key"),
        "sm2.p8": (good, sold.folder / "sm2.p8"),
        "sm2.locked": (good, sold.folder / "sm2.locked"),
        "sm2.p12": (sold.folder / "sm2.p12", None),
        "mixed.p12": (sold.folder / "mixed.p12", None),
        "server.sm3": (sold.folder / "server.sm3", key),
    }

    got = {name: refusal(partial(sold.load, *files))[0] for name, files in cases.items()}

    whats = {
        "sm2": "the server's certificate",
        "sm2.key": "the server's private key",
        "sm2.p8": "the server's private key",
        "sm2.locked": "the server's private key",
        "sm2.p12": "the private key in this PKCS#12 file",
        "mixed.p12": "a certificate in this PKCS#12 file",
        "server.sm3": "the server's certificate",
    }
    assert got == {
        name: f"{tmp_path / name}: {what} uses SM2, which this tool does not support; nothing was changed"
        for name, what in whats.items()
    }


def test_a_cipher_nobody_here_knows_is_told(tmp_path: Path) -> None:
    """A key that is encrypted with a rare cipher is told from one whose password is wrong."""
    sold = shop(tmp_path, EC)
    older = sold.write("older", "ec -aes192 -in server.key", *LOCKED)
    newer = sold.write("newer", "pkcs8 -topk8 -v2 aria-256-cbc -in server.key", *LOCKED)

    got = [refusal(partial(sold.load, sold.folder / "server", key))[0] for key in (older, newer)]

    problem = "it is encrypted with a cipher that this tool does not know"
    assert got == [
        f"{key}: the server's private key can't be loaded: {problem}; nothing was changed" for key in (older, newer)
    ]
