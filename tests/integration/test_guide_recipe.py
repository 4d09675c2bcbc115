"""Alibaba's guide, carried out with openssl, against what the profile ``guide`` issues under the very same CA.

The commands and configuration files are those of the public page "Manage server certificates".
"""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from provisioner.model.certificate import DistinguishedName, KeyType, Profile, Specification
from provisioner.pki import Authority, FileKeyStore, LocalIssuer
from provisioner.pki.reading import leaf_of
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.openssl

REQUEST = """[req]
default_bits = 2048
prompt = no
default_md = sha256
distinguished_name = dn

[dn]
C=CN
ST=ZJ
L=HZ
O=ALI
OU=MQTT
emailAddress=xxx@xxx
CN=mqtt-test.xxx.aliyuncs.com
"""
EXTENSIONS = """authorityKeyIdentifier=keyid,issuer
basicConstraints=CA:FALSE
keyUsage = digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyCertSign
subjectAltName = @alt_names

[alt_names]
DNS.1=*.mqtt.aliyuncs.com
DNS.2=mqtt-test.cn-qingdao.aliyuncs.com
"""
SIGN = (
    "x509 -req -in server.csr -CA CA.crt -CAkey CA.key -CAcreateserial -out server.crt -days 500 -sha256 "
    "-extfile server.crt.cfg"
)
RSA = (
    "genrsa -out CA.key 2048",
    "req -x509 -new -sha256 -key CA.key -subj /C=CN/O=ALI/CN=Guide -days 3650 -out CA.crt",
    "req -new -sha256 -nodes -out server.csr -newkey rsa:2048 -keyout server.key -config server.csr.cfg",
    SIGN,
    "pkcs8 -topk8 -nocrypt -in server.key -out server-pkcs8.key",
)
ECC = (
    "ecparam -genkey -name prime256v1 -out CA.key",
    "req -x509 -new -sha256 -key CA.key -subj /C=CN/O=ALI/CN=Guide -days 3650 -out CA.crt",
    "ecparam -genkey -name prime256v1 -out server.key",
    "req -new -key server.key -out server.csr -config server.csr.cfg",
    SIGN,
    "pkcs8 -topk8 -nocrypt -in server.key -out server-pkcs8.key",
)
IDENTIFIER = x509.SubjectKeyIdentifier.oid.dotted_string


def openssl(folder: Path, command: str) -> None:
    """Run an openssl command in a folder."""
    done = subprocess.run(["openssl", *command.split()], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"openssl {command}: {done.stderr}"


@dataclass(frozen=True)
class Result:
    """A chain and its key, as PEM texts."""

    chain: str
    key: str

    @property
    def certificates(self) -> list[x509.Certificate]:
        """The certificates of the chain."""
        return x509.load_pem_x509_certificates(self.chain.encode())

    @property
    def leaf(self) -> x509.Certificate:
        """The first of them."""
        return self.certificates[0]

    def extensions(self) -> dict[str, tuple[bool, str]]:
        """Return criticality and DER value of every extension but the key identifier, by its number."""
        found = {
            item.oid.dotted_string: (item.critical, item.value.public_bytes().hex()) for item in self.leaf.extensions
        }
        return {number: item for number, item in found.items() if number != IDENTIFIER}


@dataclass(frozen=True)
class Recipe:
    """The guide's commands in a folder, and the product beside them."""

    folder: Path
    key: KeyType

    def text(self, name: str) -> str:
        """Return a file of the folder."""
        return (self.folder / name).read_text(encoding="ascii")

    @cached_property
    def guide(self) -> Result:
        """What the guide's commands make."""
        return Result(self.text("server.crt") + self.text("CA.crt"), self.text("server-pkcs8.key"))

    @cached_property
    def ours(self) -> Result:
        """What the product issues under the same CA."""
        store = FileKeyStore(self.folder / "keys")
        authority = Authority(self.folder / "CA.crt", self.folder / "CA.key")
        subject = DistinguishedName("CN", "ZJ", "HZ", "ALI", "MQTT", "xxx@xxx", "mqtt-test.xxx.aliyuncs.com")
        leaf = LocalIssuer(authority, store, FakeClock(datetime.now(UTC))).issue(
            Specification(
                name="guide",
                key=self.key,
                valid_for=timedelta(days=500),
                renew_before=timedelta(days=60),
                profile=Profile.GUIDE,
                dns_names=("*.mqtt.aliyuncs.com", "mqtt-test.cn-qingdao.aliyuncs.com"),
                subject=subject,
            )
        )
        return Result(store.chain_pem("guide", leaf.sha256), store.private_key_pem("guide", leaf.sha256).reveal())


@pytest.fixture(scope="module", params=[(RSA, KeyType.RSA_2048), (ECC, KeyType.EC_P256)], ids=["rsa", "ecc"])
def recipe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Carry out the guide for one kind of key."""
    commands, key = request.param
    folder = tmp_path_factory.mktemp("guide")
    (folder / "server.csr.cfg").write_text(REQUEST, encoding="ascii")
    (folder / "server.crt.cfg").write_text(EXTENSIONS, encoding="ascii")
    for command in commands:
        openssl(folder, command)
    return Recipe(folder, key)


def test_the_extensions_are_the_guides(recipe: Recipe) -> None:
    """The same extensions with the same criticality and the same bytes: AKI, CA:FALSE, usages, names."""
    assert recipe.ours.extensions() == recipe.guide.extensions()
    assert sorted(recipe.guide.extensions()) == ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35"]


def test_the_key_identifier_is_computed_alike(recipe: Recipe) -> None:
    """Both leaves carry the SHA-1 of their own key, as openssl adds it by itself since version 3.0."""
    for leaf in (recipe.ours.leaf, recipe.guide.leaf):
        found = leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        computed = x509.SubjectKeyIdentifier.from_public_key(leaf.public_key())
        assert (found.critical, found.value) == (False, computed)


def test_names_are_the_guides_byte_for_byte(recipe: Recipe) -> None:
    """Subject and issuer have the same DER: order, grouping, and string types."""
    ours, guide = recipe.ours.leaf, recipe.guide.leaf

    assert (ours.subject.public_bytes(), ours.issuer.public_bytes()) == (
        guide.subject.public_bytes(),
        guide.issuer.public_bytes(),
    )


def test_signature_version_and_length_are_the_guides(recipe: Recipe) -> None:
    """The same algorithm signs, with the same CA, the same version, for the same 500 days."""

    def facts(leaf: x509.Certificate) -> tuple[object, ...]:
        return (
            leaf.signature_algorithm_oid.dotted_string,
            leaf.version,
            leaf.not_valid_after_utc - leaf.not_valid_before_utc,
            leaf.serial_number > 0,
        )

    assert facts(recipe.ours.leaf) == facts(recipe.guide.leaf)
    assert facts(recipe.guide.leaf)[2] == timedelta(days=500)


def test_the_chain_is_in_the_guides_order(recipe: Recipe) -> None:
    """Leaf, then CA, as ``cat server.crt CA.crt`` makes it, without a byte between or after."""
    ours = recipe.ours

    assert ours.chain == ours.leaf.public_bytes(Encoding.PEM).decode() + recipe.text("CA.crt")
    assert [len(ours.certificates), ours.certificates[1:]] == [2, recipe.guide.certificates[1:]]
    ours.leaf.verify_directly_issued_by(recipe.guide.certificates[1])


def test_the_key_has_the_form_the_guide_converts_to(recipe: Recipe) -> None:
    """Our key goes through the guide's ``pkcs8 -topk8 -nocrypt`` unchanged, and is of the same kind and size."""
    ours = recipe.folder / "ours.key"
    ours.write_text(recipe.ours.key, encoding="ascii")

    openssl(recipe.folder, "pkcs8 -topk8 -nocrypt -in ours.key -out ours-pkcs8.key")

    assert recipe.ours.key == recipe.text("ours-pkcs8.key")
    assert key_kind(recipe.ours.key) == key_kind(recipe.guide.key)


def key_kind(pem: str) -> tuple[object, ...]:
    """Return the first line and the parameters of a private key."""
    key = load_pem_private_key(pem.encode(), None)
    first = pem.splitlines()[0]
    if isinstance(key, rsa.RSAPrivateKey):
        return first, key.key_size, key.public_key().public_numbers().e
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return first, key.curve.name


def test_the_guides_own_leaf_is_recognised(recipe: Recipe) -> None:
    """What openssl made counts as profile ``guide``, and as signed by the authority."""
    authority = Authority(recipe.folder / "CA.crt")
    leaf, ours = leaf_of(recipe.guide.leaf), leaf_of(recipe.ours.leaf)

    assert authority.signed(recipe.guide.leaf.public_bytes(Encoding.DER))
    assert (leaf.profile, leaf.key, leaf.subject, leaf.name, leaf.dns_names, leaf.is_ca) == (
        Profile.GUIDE,
        ours.key,
        ours.subject,
        ours.name,
        ours.dns_names,
        False,
    )
