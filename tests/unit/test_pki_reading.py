"""Reading certificates: how profiles, keys and names are recognised, and what can't be read."""

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioner.errors import UnusableError
from provisioner.model.certificate import DistinguishedName, Profile
from provisioner.pki import DerCertificateReader
from provisioner.pki.reading import leaf_of
from tests.fakes.authorities import CA_TRUE, Extension, Key, as_sm2, make, p256, refusal, usage
from tests.fakes.clock import START

NAMES = x509.SubjectAlternativeName([x509.DNSName("*.mqtt.aliyuncs.com"), x509.DNSName("mqtt.example.com")])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
NO_CA = x509.BasicConstraints(ca=False, path_length=None)
GUIDE_USAGE = usage("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign")
IDENTIFIED: Extension = (x509.AuthorityKeyIdentifier(b"any", None, None), False)
STRICT_EC: tuple[Extension, ...] = (
    (NO_CA, True),
    (usage("digital_signature"), True),
    (SERVER, False),
    (NAMES, False),
    IDENTIFIED,
)
GUIDE: tuple[Extension, ...] = ((NO_CA, False), (GUIDE_USAGE, False), (NAMES, False), IDENTIFIED)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def changed(extensions: tuple[Extension, ...], **to: Extension | None) -> tuple[Extension, ...]:
    """Return the extensions with those of some classes exchanged or left out."""
    kept = tuple(item for item in extensions if type(item[0]).__name__ not in to)
    return (*kept, *(item for item in to.values() if item))


@pytest.mark.parametrize(
    ("carried", "key", "identifier", "profile"),
    [
        pytest.param(STRICT_EC, None, True, Profile.STRICT, id="strict"),
        pytest.param(STRICT_EC[::-1], None, True, Profile.STRICT, id="strict in another order"),
        pytest.param(GUIDE, None, True, Profile.GUIDE, id="guide"),
        pytest.param(GUIDE, RSA_KEY, True, Profile.GUIDE, id="guide with an RSA key"),
        pytest.param(STRICT_EC, RSA_KEY, True, None, id="EC usages with an RSA key"),
        pytest.param(STRICT_EC, None, False, None, id="no key identifier"),
        pytest.param(changed(STRICT_EC, AuthorityKeyIdentifier=None), None, True, None, id="no authority identifier"),
        pytest.param(changed(STRICT_EC, SubjectAlternativeName=None), None, True, None, id="no names"),
        pytest.param(changed(STRICT_EC, SubjectAlternativeName=(NAMES, True)), None, True, None, id="names critical"),
        pytest.param(changed(STRICT_EC, BasicConstraints=(NO_CA, False)), None, True, None, id="CA:FALSE uncritical"),
        pytest.param(changed(STRICT_EC, BasicConstraints=CA_TRUE), None, True, None, id="a CA"),
        pytest.param(changed(STRICT_EC, ExtendedKeyUsage=(SERVER, True)), None, True, None, id="purpose critical"),
        pytest.param(changed(GUIDE, ExtendedKeyUsage=(SERVER, False)), None, True, None, id="guide with a purpose"),
        pytest.param(changed(GUIDE, KeyUsage=(GUIDE_USAGE, True)), None, True, None, id="guide with usage critical"),
        pytest.param(
            changed(GUIDE, KeyUsage=(usage("digital_signature"), False)), None, True, None, id="guide without signing"
        ),
        pytest.param(STRICT_EC, ed25519.Ed25519PrivateKey.generate(), True, None, id="a key of neither kind"),
        pytest.param((), None, False, None, id="nothing"),
    ],
)
def test_a_profile_is_recognised_by_exactly_its_extensions(
    tmp_path: Path, carried: tuple[Extension, ...], key: Key | None, identifier: bool, profile: Profile | None
) -> None:
    """Identifiers, criticality and values all count, their order does not."""
    made = make(tmp_path, "leaf", *carried, key=key, identifier=identifier)

    assert leaf_of(made.certificate).profile is profile


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (RSA_KEY, "rsa-2048"),
        (rsa.generate_private_key(public_exponent=65537, key_size=3072), "rsa-3072"),
        (p256(), "ec-p256"),
        (ec.generate_private_key(ec.SECP521R1()), "ec-p521"),
        (ec.generate_private_key(ec.SECP256K1()), "ec-secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
    ],
)
def test_keys_are_told_by_readable_names(tmp_path: Path, key: Key, name: str) -> None:
    """Kinds of keys that are never issued have a name too."""
    assert leaf_of(make(tmp_path, "leaf", key=key).certificate).key == name


def test_a_certificate_with_a_key_of_an_unknown_kind_can_be_read(tmp_path: Path) -> None:
    """A certificate from outside whose curve nobody here knows is described all the same."""
    der = as_sm2(make(tmp_path, "leaf", (NAMES, False)).der)

    got = DerCertificateReader().read(der)

    assert (got.sha256, got.subject, got.key, got.profile, got.dns_names) == (
        hashlib.sha256(der).hexdigest(),
        "CN=leaf",
        "unknown",
        None,
        ("*.mqtt.aliyuncs.com", "mqtt.example.com"),
    )


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Garbage, a cut off certificate and one with an extension twice give the same message, and no other error."""
    der = make(tmp_path, "leaf", CA_TRUE).der
    twice = der.replace(bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d13"), 1)
    assert twice != der

    got = [refusal(partial(DerCertificateReader().read, bad)) for bad in (b"", b"garbage", der[:-1], twice)]

    assert got == [("a certificate could not be parsed", UnusableError.default_hint)] * 4


def test_a_subject_with_other_fields_has_no_distinguished_name(tmp_path: Path) -> None:
    """A field that the guide doesn't know, and one that is there twice, keep the text but not the value."""
    foreign = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "1"), x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    twice = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.COMMON_NAME, "b")])
    key = p256()
    base = (
        x509.CertificateBuilder().issuer_name(foreign).public_key(key.public_key()).serial_number(1)
        .not_valid_before(START).not_valid_after(START + timedelta(days=1))
    )  # fmt: skip

    got = [leaf_of(base.subject_name(name).sign(key, hashes.SHA256())) for name in (foreign, twice)]

    assert [(leaf.subject, leaf.name, leaf.dns_names, leaf.is_ca) for leaf in got] == [
        ("CN=a,2.5.4.5=1", None, (), False),
        ("CN=b,CN=a", None, (), False),
    ]


def test_no_name_forges_lines(tmp_path: Path) -> None:
    """Control characters in names are written as bytes, so that no output has lines that a certificate chose."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example\r\n\x1b[31m"),
            x509.NameAttribute(NameOID.COMMON_NAME, "例子\u3000\u2028b\nfake: yes"),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName("a\nmqtt.example.com"), x509.DNSName("mqtt.example.com")])
    key = p256()
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(START).not_valid_after(START + timedelta(days=1))
        .add_extension(names, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip

    leaf = leaf_of(made)

    common_name, organization = r"例子\u3000\E2\80\A8b\0Afake: yes", r"Example\0D\0A\1B[31m"
    common_name = common_name.replace(r"\u3000", "\u3000")
    assert (leaf.subject, leaf.issuer) == (f"CN={common_name},O={organization}",) * 2
    assert leaf.name == DistinguishedName(organization=organization, common_name=common_name)
    assert leaf.dns_names == (r"a\0Amqtt.example.com", "mqtt.example.com")
