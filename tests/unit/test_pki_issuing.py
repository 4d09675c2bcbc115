"""Issued leaves: their names, extensions, dates and keys."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioner.model.certificate import DistinguishedName, KeyType, Leaf, Profile, Specification
from provisioner.pki import Authority, FileKeyStore, LocalIssuer
from provisioner.pki.reading import leaf_of
from provisioner.planning.satisfies import differences
from tests.fakes.authorities import (
    CA_TRUE,
    SIGNS,
    SUBJECT,
    Key,
    Made,
    good,
    make,
    p256,
    p384,
    refusal,
    specification,
    usage,
)
from tests.fakes.clock import START, FakeClock

NAMES = x509.SubjectAlternativeName([x509.DNSName("*.mqtt.aliyuncs.com"), x509.DNSName("mqtt.example.com")])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
GUIDE_USAGE = usage("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign")
UNCHANGED = "; nothing was changed"


class Workshop:
    """An issuer with its key store in a folder."""

    def __init__(self, folder: Path, made: Made, now: datetime = START) -> None:
        self.made = made
        self.store = FileKeyStore(folder / "keys")
        self.issuer = LocalIssuer(made.authority(), self.store, FakeClock(now))

    def issue(self, wanted: Specification) -> tuple[x509.Certificate, ...]:
        """Issue, and return the chain that is kept."""
        leaf = self.issuer.issue(wanted)
        return tuple(x509.load_pem_x509_certificates(self.store.chain_pem(wanted.name, leaf.sha256).encode()))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give an issuer with a good EC authority."""
    return Workshop(tmp_path, good(tmp_path))


def extensions(certificate: x509.Certificate) -> dict[str, tuple[bool, x509.ExtensionType]]:
    """Return the extensions by their number."""
    return {item.oid.dotted_string: (item.critical, item.value) for item in certificate.extensions}


@pytest.mark.parametrize(
    ("profile", "key", "of_profile"),
    [
        (
            Profile.STRICT,
            KeyType.RSA_2048,
            {"2.5.29.15": (True, usage("digital_signature", "key_encipherment")), "2.5.29.37": (False, SERVER)},
        ),
        (
            Profile.STRICT,
            KeyType.EC_P256,
            {"2.5.29.15": (True, usage("digital_signature")), "2.5.29.37": (False, SERVER)},
        ),
        (Profile.GUIDE, KeyType.RSA_2048, {"2.5.29.15": (False, GUIDE_USAGE)}),
        (Profile.GUIDE, KeyType.EC_P256, {"2.5.29.15": (False, GUIDE_USAGE)}),
    ],
)
def test_a_leaf_carries_exactly_the_extensions_of_its_profile(
    workshop: Workshop, profile: Profile, key: KeyType, of_profile: dict[str, tuple[bool, x509.ExtensionType]]
) -> None:
    """Nothing is missing, nothing is added, and only what the profile marks is critical."""
    leaf = workshop.issue(specification(key, profile))[0]

    authority = x509.SubjectKeyIdentifier.from_public_key(workshop.made.certificate.public_key())
    assert extensions(leaf) == of_profile | {
        "2.5.29.19": (profile is Profile.STRICT, NO_CA),
        "2.5.29.17": (False, NAMES),
        "2.5.29.14": (False, x509.SubjectKeyIdentifier.from_public_key(leaf.public_key())),
        "2.5.29.35": (False, x509.AuthorityKeyIdentifier(authority.digest, None, None)),
    }


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("key", list(KeyType))
def test_the_leaf_returned_is_the_leaf_kept(workshop: Workshop, key: KeyType, profile: Profile) -> None:
    """What issuing returns describes the kept certificate, the specification and the clock."""
    got = workshop.issuer.issue(specification(key, profile))

    certificate = x509.load_pem_x509_certificate(workshop.store.chain_pem("iot", got.sha256).encode())
    assert got == Leaf(
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        serial=certificate.serial_number,
        subject="CN=mqtt.example.com,emailAddress=ops@example.com,OU=MQTT,O=ALI,L=HZ,ST=ZJ,C=CN",
        name=SUBJECT,
        issuer="CN=Test CA",
        dns_names=("*.mqtt.aliyuncs.com", "mqtt.example.com"),
        not_before=START - timedelta(minutes=5),
        not_after=START - timedelta(minutes=5) + timedelta(days=500),
        key=key.value,
        profile=profile,
        is_ca=False,
    )
    assert workshop.store.leaves("iot") == (got,)


@pytest.mark.parametrize(
    ("ca_key", "profile", "by"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), Profile.STRICT, hashes.SHA256),
        (rsa.generate_private_key(public_exponent=65537, key_size=3072), Profile.STRICT, hashes.SHA256),
        (p256(), Profile.STRICT, hashes.SHA256),
        (p384(), Profile.STRICT, hashes.SHA384),
        (p384(), Profile.GUIDE, hashes.SHA256),
    ],
)
@pytest.mark.parametrize("key", [KeyType.RSA_2048, KeyType.EC_P256, KeyType.EC_P384])
def test_the_hash_follows_the_authoritys_key(
    tmp_path: Path, ca_key: Key, profile: Profile, by: type[hashes.HashAlgorithm], key: KeyType
) -> None:
    """SHA-256, and SHA-384 under a P-384 authority unless the guide decides; whatever the leaf's own key."""
    workshop = Workshop(tmp_path, good(tmp_path, key=ca_key))

    leaf, authority = workshop.issue(specification(key, profile))

    leaf.verify_directly_issued_by(authority)
    assert (authority, leaf.version) == (workshop.made.certificate, x509.Version.v3)
    assert isinstance(leaf.signature_hash_algorithm, by)
    assert workshop.issuer.signed(leaf.public_bytes(Encoding.DER))
    assert workshop.issuer.authority() == workshop.made.authority().facts()


def test_the_subject_has_the_order_and_string_types_of_the_guide(workshop: Workshop) -> None:
    """C, ST, L, O, OU, emailAddress, CN: as openssl encodes them, one field to a set."""
    leaf = workshop.issue(specification())[0]

    assert [(part.oid._name, part.value, part._type.name, len(rdn)) for rdn in leaf.subject.rdns for part in rdn] == [
        ("countryName", "CN", "PrintableString", 1),
        ("stateOrProvinceName", "ZJ", "UTF8String", 1),
        ("localityName", "HZ", "UTF8String", 1),
        ("organizationName", "ALI", "UTF8String", 1),
        ("organizationalUnitName", "MQTT", "UTF8String", 1),
        ("emailAddress", "ops@example.com", "IA5String", 1),
        ("commonName", "mqtt.example.com", "UTF8String", 1),
    ]


def test_fields_that_are_not_given_are_left_out(workshop: Workshop) -> None:
    """A subject of a few fields keeps their order; other alphabets stay what they are."""
    wanted = DistinguishedName(common_name="mqtt", locality="杭州", country="CN")

    leaf = workshop.issue(specification(subject=wanted))[0]

    assert ([(part.oid, part.value) for part in leaf.subject], leaf_of(leaf).name) == (
        [(NameOID.COUNTRY_NAME, "CN"), (NameOID.LOCALITY_NAME, "杭州"), (NameOID.COMMON_NAME, "mqtt")],
        wanted,
    )


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        (
            DistinguishedName(common_name="x" * 65),
            f"common_name: '{'x' * 65}' (65 characters) can't stand in a certificate, at most 64 characters",
        ),
        (
            DistinguishedName(common_name="\x1b" + "y" * 900),
            f"common_name: '\\x1b{'y' * 79}' (901 characters) can't stand in a certificate, at most 64 characters",
        ),
        (DistinguishedName(country="CHN"), "country: 'CHN' (3 characters) can't stand in a certificate"),
        (DistinguishedName(country="\x1b]"), "country: '\\x1b]' (2 characters) can't stand in a certificate"),
        (DistinguishedName(email="杭@x.cn"), "email: '杭@x.cn' (6 characters) can't stand in a certificate"),
    ],
)
def test_a_subject_that_cannot_be_encoded_is_refused(
    workshop: Workshop, subject: DistinguishedName, problem: str
) -> None:
    """The field and its length are told, control characters are not passed on, and nothing is kept."""
    got = refusal(partial(workshop.issuer.issue, specification(subject=subject)))

    hint = f"correct subject.{problem.partition(':')[0]}"
    assert (got, workshop.store.leaves("iot")) == ((f"subject.{problem}; nothing was changed", hint), ())


def test_the_longest_common_name_is_accepted(workshop: Workshop) -> None:
    """A common name of 64 characters fits."""
    subject = replace(SUBJECT, common_name="x" * 64)

    assert workshop.issuer.issue(specification(subject=subject)).name == subject


def test_many_names_keep_their_order(workshop: Workshop) -> None:
    """A hundred names and a wildcard stand in the certificate as they are named."""
    names = (
        "*.mqtt.aliyuncs.com",
        *(f"node-{number}.example.com" for number in reversed(range(100))),
        "a" * 63 + ".cn",
    )

    got = workshop.issuer.issue(specification(dns_names=names))

    assert (got.dns_names, got.profile) == (names, Profile.STRICT)


def test_ip_addresses_stand_behind_the_names(workshop: Workshop) -> None:
    """Addresses are names of their own kind, in the certificate and in what is read back from it."""
    wanted = replace(specification(), ip_addresses=("192.0.2.1", "2001:db8::1"))

    certificate = workshop.issue(wanted)[0]
    got = leaf_of(certificate)

    addresses = [x509.IPAddress(ip_address("192.0.2.1")), x509.IPAddress(ip_address("2001:db8::1"))]
    assert extensions(certificate)["2.5.29.17"] == (False, x509.SubjectAlternativeName([*NAMES, *addresses]))
    assert (got.dns_names, got.ip_addresses, got.profile) == (
        ("*.mqtt.aliyuncs.com", "mqtt.example.com"),
        ("192.0.2.1", "2001:db8::1"),
        Profile.STRICT,
    )
    assert differences(got, wanted, signed=True) == ()


def test_serial_numbers_are_positive_and_never_the_same(workshop: Workshop) -> None:
    """Each leaf has its own serial number, positive and at most 20 bytes long."""
    serials = [workshop.issuer.issue(specification()).serial for _ in range(20)]

    assert all(0 < serial < 2**159 for serial in serials)
    assert len({*serials}) == 20


def test_a_leaf_never_begins_before_its_authority(tmp_path: Path) -> None:
    """Under an authority that is younger than five minutes the leaf begins with it, and keeps its length."""
    begin = START - timedelta(seconds=30)
    workshop = Workshop(tmp_path, make(tmp_path, "CA", CA_TRUE, SIGNS, begin=begin))

    got = workshop.issuer.issue(specification())

    assert (got.not_before, got.not_after) == (begin, begin + timedelta(days=500))


@pytest.mark.parametrize("days", [100, 101])
def test_a_leaf_never_outlives_its_authority(tmp_path: Path, days: int) -> None:
    """A leaf may end in the same second as its authority; one that would end later is refused, and not kept."""
    end = START - timedelta(minutes=5) + timedelta(days=100)
    workshop = Workshop(tmp_path, make(tmp_path, "CA", CA_TRUE, SIGNS, end=end))

    if days == 100:
        assert workshop.issuer.issue(specification(days=days)).not_after == end
        return
    got = refusal(lambda: workshop.issuer.issue(specification(days=days)))

    assert (got, workshop.store.leaves("iot")) == (
        (
            "certificate iot: it would be valid until 2026-06-10, its authority only until 2026-06-09" + UNCHANGED,
            "shorten valid_days of [certificates.iot], or renew the authority",
        ),
        (),
    )


@pytest.mark.parametrize("now", [START - timedelta(days=2), START + timedelta(days=3650)])
def test_an_authority_outside_its_dates_issues_nothing(tmp_path: Path, now: datetime) -> None:
    """Before its first day and after its last nothing is issued, and nothing kept."""
    workshop = Workshop(tmp_path, good(tmp_path), now)

    got = refusal(lambda: workshop.issuer.issue(specification()))

    assert (got, (tmp_path / "keys").exists()) == (
        (
            f"{workshop.made.certificate_path}: the CA is valid from 2026-02-28 to 2036-02-27, today is {now:%Y-%m-%d}"
            + UNCHANGED,
            "check this machine's clock; make a new CA with: provisioner ca create",
        ),
        False,
    )


def test_without_its_key_the_authority_issues_nothing(tmp_path: Path) -> None:
    """An authority whose key is missing or another's refuses, and nothing is kept."""
    made = good(tmp_path)
    other = good(tmp_path, "Other CA")
    store = FileKeyStore(tmp_path / "keys")
    issuers = [
        LocalIssuer(Authority(made.certificate_path, path), store, FakeClock()) for path in (None, other.key_path)
    ]

    assert [refusal(partial(issuer.issue, specification()))[0] for issuer in issuers] == [
        "authority.private_key is not configured, so nothing can be signed; nothing was changed",
        f"{other.key_path}: this key does not belong to {made.certificate_path}; nothing was changed",
    ]
    assert not (tmp_path / "keys").exists()


def test_an_authority_without_key_identifier_is_named_by_issuer_and_serial(tmp_path: Path) -> None:
    """As with openssl's ``keyid,issuer`` the leaf names its authority by what it has."""
    workshop = Workshop(tmp_path, make(tmp_path, "CA", CA_TRUE, SIGNS, identifier=False))

    leaf, authority = workshop.issue(specification())

    names = [x509.DirectoryName(authority.subject)]
    expected = x509.AuthorityKeyIdentifier(None, names, authority.serial_number)
    assert extensions(leaf)["2.5.29.35"] == (False, expected)
    assert workshop.store.leaves("iot")[0].profile is Profile.STRICT


def test_a_leaf_never_outlives_the_root_above_its_authority(tmp_path: Path) -> None:
    """An intermediate that outlives its own root signs nothing that would."""
    root = make(tmp_path, "Root", CA_TRUE, SIGNS, end=START + timedelta(days=100))
    intermediate = good(tmp_path, "Intermediate", issuer=root)
    intermediate.certificate_path.write_text(intermediate.pem + root.pem, encoding="ascii")
    workshop = Workshop(tmp_path, intermediate)

    got = refusal(lambda: workshop.issuer.issue(specification(days=101)))

    assert got == (
        "certificate iot: it would be valid until 2026-06-10, its authority only until 2026-06-09" + UNCHANGED,
        "shorten valid_days of [certificates.iot], or renew the authority",
    )
    assert workshop.issuer.issue(specification(days=99)).issuer == "CN=Intermediate"


def test_an_intermediate_stands_between_leaf_and_root(tmp_path: Path) -> None:
    """The kept chain is leaf, intermediate, root."""
    root = good(tmp_path, "Root")
    intermediate = good(tmp_path, "Intermediate", issuer=root)
    intermediate.certificate_path.write_text(intermediate.pem + root.pem, encoding="ascii")

    chain = Workshop(tmp_path, intermediate).issue(specification())

    assert chain[1:] == (intermediate.certificate, root.certificate)
    assert chain[0].issuer == intermediate.certificate.subject


@pytest.mark.parametrize("key", list(KeyType))
def test_the_kept_key_is_the_leafs_in_clear_pkcs8(workshop: Workshop, key: KeyType) -> None:
    """The key is of the wanted kind, its PEM has one block, and it belongs to the leaf."""
    leaf = workshop.issuer.issue(specification(key))
    text = workshop.store.private_key_pem("iot", leaf.sha256).reveal()
    loaded = load_pem_private_key(text.encode(), None)

    certificate = x509.load_pem_x509_certificate(workshop.store.chain_pem("iot", leaf.sha256).encode())
    assert (text[:28], text[-26:], text.count("-----")) == (
        "-----BEGIN PRIVATE KEY-----\n",
        "-----END PRIVATE KEY-----\n",
        4,
    )
    assert (loaded.public_key(), leaf.key) == (certificate.public_key(), key.value)
