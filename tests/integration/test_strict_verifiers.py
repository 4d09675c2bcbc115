"""What verifiers say of issued leaves: strict ones accept the profile ``strict`` and refuse ``guide``, as planned."""

import contextlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provisioner.model.certificate import DistinguishedName, KeyType, Profile
from provisioner.pki import Authority, FileKeyStore, LocalIssuer, create_authority
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, make, specification
from tests.fakes.clock import FakeClock

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
PATIENCE = 10.0
CA_KEYS = (KeyType.RSA_2048, KeyType.EC_P256, KeyType.EC_P384)
NOW = datetime.now(UTC)
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NOT_CRITICAL: Extension = (x509.BasicConstraints(ca=True, path_length=None), False)


@dataclass(frozen=True)
class Served:
    """A leaf as it lies in the key store, and the authority that clients trust."""

    authority: Authority
    folder: Path

    @property
    def chain(self) -> Path:
        """The file a server loads."""
        return self.folder / "chain.pem"

    def trusted(self) -> Path:
        """Write the bundle for clients, and return its file."""
        path = self.folder / "bundle.pem"
        path.write_text(self.authority.bundle_pem(), encoding="ascii")
        return path

    def openssl(self, *options: str, host: str = HOST) -> str:
        """Return what ``openssl verify`` says against the leaf, an empty text when nothing."""
        command = ["openssl", "verify", *options, "-purpose", "sslserver", "-verify_hostname", host, "-CAfile"]
        leaf = self.folder / "certificate.pem"
        done = subprocess.run(
            [*command, self.trusted(), "-untrusted", self.chain, leaf], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == (done.stdout == f"{leaf}: OK\n")
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def cryptography(self, host: str = HOST) -> list[x509.Certificate]:
        """Return the chain that cryptography's verifier builds. Raises ``VerificationError``."""
        leaf, *others = x509.load_pem_x509_certificates(self.chain.read_bytes())
        policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(self.authority.bundle_pem().encode())))
        return policy.time(NOW).build_server_verifier(x509.DNSName(host)).verify(leaf, others)

    def handshake(self, version: ssl.TLSVersion, *, strict: bool, host: str = HOST) -> str | None:
        """Shake hands with a server of this leaf, and return the protocol. Raises ``SSLCertVerificationError``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority.bundle_pem())
        context.minimum_version = context.maximum_version = version
        # Newer Pythons set the flag in their default context: it is set and taken away here, and never left to them.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        if not strict:
            context.verify_flags ^= ssl.VERIFY_X509_STRICT
        with (
            serving(self.folder) as port,
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            assert secured.recv(2) == b"ok"
            return secured.version()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve one TLS connection with the files of a key store's directory, and give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "private-key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=greet, args=(listener, context))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with one client and send it a word; a client that refuses is its own affair."""
    # The client is the one that judges, and tells.
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.sendall(b"ok")


def issue(folder: Path, authority: Authority, key: KeyType, profile: Profile) -> Served:
    """Issue a leaf under an authority."""
    store = FileKeyStore(folder / "keys")
    leaf = LocalIssuer(authority, store, FakeClock(NOW)).issue(specification(key, profile))
    return Served(authority, store.generation("iot", leaf.sha256))


class Shop:
    """RSA and EC authorities, and every leaf under them, each made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[KeyType, KeyType, Profile], Served] = {}
        self._authorities = {key: self._authority(key) for key in CA_KEYS}

    def served(self, ca_key: KeyType, key: KeyType, profile: Profile) -> Served:
        """Return the leaf of a key and a profile under the authority of another key."""
        wanted = (ca_key, key, profile)
        if wanted not in self._made:
            self._made[wanted] = issue(self._folder / ca_key.value, self._authorities[ca_key], key, profile)
        return self._made[wanted]

    def _authority(self, key: KeyType) -> Authority:
        certificate, private_key = (self._folder / key.value / name for name in ("ca.crt", "ca.key"))
        create_authority(
            key=key,
            subject=DistinguishedName(common_name="Test CA"),
            valid_for=timedelta(days=3650),
            certificate=certificate,
            private_key=private_key,
            passphrase=None,
            now=NOW,
        )
        return Authority(certificate, private_key)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Give authorities of the product's own making."""
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(params=CA_KEYS, ids=[f"{key.value} CA" for key in CA_KEYS])
def ca_key(request: pytest.FixtureRequest) -> KeyType:
    """Give each kind of key an authority may have."""
    return KeyType(request.param)


@pytest.fixture(params=list(KeyType), ids=[f"{key.value} leaf" for key in KeyType])
def key(request: pytest.FixtureRequest) -> KeyType:
    """Give each kind of key a leaf may have."""
    return KeyType(request.param)


@pytest.fixture
def strict(shop: Shop, ca_key: KeyType, key: KeyType) -> Served:
    """Give a leaf of the profile ``strict``."""
    return shop.served(ca_key, key, Profile.STRICT)


@pytest.fixture(params=[KeyType.RSA_2048, KeyType.EC_P256], ids=["rsa leaf", "ec leaf"])
def guide(request: pytest.FixtureRequest, shop: Shop, ca_key: KeyType) -> Served:
    """Give a leaf of the profile ``guide``, with the keys that the guide makes."""
    return shop.served(ca_key, KeyType(request.param), Profile.GUIDE)


@pytest.mark.openssl
def test_openssl_accepts_strict_leaves(strict: Served) -> None:
    """The strict and the ordinary ``openssl verify`` accept the leaf for its names, and for no other."""
    said = [strict.openssl(*options) for options in (("-x509_strict",), ())]

    assert said == ["", ""]
    assert "error 62 at 0 depth lookup: hostname mismatch" in strict.openssl(host="mqtt.example.org").lower()


def test_cryptography_accepts_strict_leaves(strict: Served) -> None:
    """The verifier of cryptography builds the chain from leaf to authority, for the leaf's names and no other."""
    leaf = x509.load_pem_x509_certificate(strict.chain.read_bytes())

    assert strict.cryptography() == [leaf, strict.authority.certificate]
    with pytest.raises(VerificationError, match="leaf certificate has no matching subjectAltName"):
        strict.cryptography("mqtt.example.org")


@pytest.mark.parametrize(("version", "name"), [(V12, "TLSv1.2"), (V13, "TLSv1.3")], ids=["tls12", "tls13"])
def test_strict_clients_shake_hands_on_strict_leaves(strict: Served, version: ssl.TLSVersion, name: str) -> None:
    """A client that verifies strictly shakes hands with a server of the leaf, for its names and no other."""
    assert (strict.handshake(version, strict=True), strict.handshake(version, strict=False)) == (name, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        strict.handshake(version, strict=True, host="mqtt.example.org")


@pytest.mark.openssl
def test_openssl_refuses_guide_leaves_where_it_is_strict(guide: Served) -> None:
    """Strict, it names ``keyCertSign`` and nothing else; ordinarily it accepts."""
    said = re.findall(r"error \d+ at .*", guide.openssl("-x509_strict"))

    assert (said, guide.openssl()) == (
        ["error 82 at 0 depth lookup: Key usage keyCertSign invalid for non-CA cert"],
        "",
    )


def test_cryptography_refuses_guide_leaves(guide: Served) -> None:
    """The verifier of cryptography, which is always strict, names ``keyCertSign``."""
    with pytest.raises(VerificationError, match="EE keyUsage must not assert keyCertSign"):
        guide.cryptography()


@pytest.mark.parametrize(("version", "name"), [(V12, "TLSv1.2"), (V13, "TLSv1.3")], ids=["tls12", "tls13"])
def test_clients_refuse_guide_leaves_where_they_are_strict(guide: Served, version: ssl.TLSVersion, name: str) -> None:
    """A strict client refuses the leaf because of ``keyCertSign``; an ordinary one shakes hands."""
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        guide.handshake(version, strict=True)

    assert (caught.value.verify_code, caught.value.verify_message) == (
        82,
        "Key usage keyCertSign invalid for non-CA cert",
    )
    assert guide.handshake(version, strict=False) == name


CAS = {
    "good": ((CA_TRUE, SIGNS), True),
    "no keyUsage": ((CA_TRUE,), True),
    "CA:TRUE not critical": ((NOT_CRITICAL, SIGNS), True),
    "no subjectKeyIdentifier": ((CA_TRUE, SIGNS), False),
}
OBJECTIONS = {
    "good": (),
    "no keyUsage": ("it has no keyUsage extension",),
    "CA:TRUE not critical": ("its basicConstraints is not critical",),
    "no subjectKeyIdentifier": ("it has no subjectKeyIdentifier",),
}


@pytest.fixture(params=CAS)
def under(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Served]:
    """Give a strict leaf under an authority of each shape."""
    extensions, identifier = CAS[request.param]
    lasting = partial(make, begin=NOW.replace(microsecond=0) - timedelta(days=1), end=NOW + timedelta(days=3650))
    made = lasting(tmp_path, "CA", *extensions, identifier=identifier)
    return request.param, issue(tmp_path, made.authority(), KeyType.EC_P256, Profile.STRICT)


@pytest.mark.openssl
def test_objections_are_what_openssl_objects_to(under: tuple[str, Served]) -> None:
    """An authority without ``keyUsage`` and its like is reported, and strict verification does fail just then."""
    shape, served = under
    found = served.authority.facts().objections

    assert (found, bool(served.openssl("-x509_strict")), served.openssl()) == (
        OBJECTIONS[shape],
        shape != "good",
        "",
    )


def test_objections_are_what_strict_clients_object_to(under: tuple[str, Served]) -> None:
    """A strict client refuses just what an authority with objections signed; an ordinary one accepts all."""
    shape, served = under
    # Without the CA's key identifier the leaf can't name it either, and that (85) is found first.
    codes = {"no keyUsage": 92, "CA:TRUE not critical": 89, "no subjectKeyIdentifier": 85}
    said: int | str | None
    try:
        said = served.handshake(V13, strict=True)
    except ssl.SSLCertVerificationError as error:
        said = error.verify_code

    assert (served.authority.facts().objections, said, served.handshake(V13, strict=False)) == (
        OBJECTIONS[shape],
        codes.get(shape, "TLSv1.3"),
        "TLSv1.3",
    )
