"""The sandbox's own certificates: strict verifiers accept them, and keys stay out of sight."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provisioner.sandbox.certificates import KeyPair, SandboxAuthority, SandboxCertificates

CERTIFICATES = SandboxCertificates()


def parsed(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text."""
    return x509.load_pem_x509_certificates(pem.encode())


def common_names(pem: str) -> list[str]:
    """Return the common names of the certificates in a PEM text."""
    found = [one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for one in parsed(pem)]
    return [str(name) for name in found]


def purposes(pair: KeyPair) -> list[x509.ObjectIdentifier]:
    """Return the extended key usage of a leaf."""
    return list(parsed(pair.certificate_pem)[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_default_server_chain_satisfies_a_strict_verifier() -> None:
    """The default chain verifies against the sandbox's root, for the names that instances have."""
    leaf, *others = parsed(CERTIFICATES.server.chain_pem)
    policy = PolicyBuilder().store(Store(parsed(CERTIFICATES.root_pem)))

    chain = policy.build_server_verifier(x509.DNSName("mqtt-cn-x.mqtt.aliyuncs.com")).verify(leaf, others)

    assert chain == [leaf, *others, *parsed(CERTIFICATES.root_pem)]


def test_a_device_certificate_satisfies_a_strict_verifier() -> None:
    """A device certificate verifies as a client of the device CA, and of no other sandbox's."""
    pair = CERTIFICATES.issue_device("GID_a@@@b")
    leaf = parsed(pair.chain_pem)[0]
    own = PolicyBuilder().store(Store(parsed(CERTIFICATES.device_ca_pem)))
    other = PolicyBuilder().store(Store(parsed(SandboxCertificates().device_ca_pem)))
    # A device has a common name and no alternative name, which the library's default policy for clients asks for.
    accepts = x509.verification.ExtensionPolicy.permit_all()
    own, other = (
        builder.extension_policies(ca_policy=x509.verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=accepts)
        for builder in (own, other)
    )

    assert own.build_client_verifier().verify(leaf, []).chain == [leaf, *parsed(CERTIFICATES.device_ca_pem)]
    with pytest.raises(VerificationError):
        other.build_client_verifier().verify(leaf, [])


def test_names_and_purposes_tell_what_each_certificate_is_for() -> None:
    """Nobody takes the stand-in for Alibaba, and no leaf serves two purposes."""
    assert {
        "server": common_names(CERTIFICATES.server.chain_pem),
        "root": common_names(CERTIFICATES.root_pem),
        "device": common_names(CERTIFICATES.device.chain_pem),
        "device CA": common_names(CERTIFICATES.device_ca_pem),
        "purposes": (purposes(CERTIFICATES.server), purposes(CERTIFICATES.device)),
    } == {
        "server": ["*.mqtt.aliyuncs.com", "Sandbox Global TLS CA (not Alibaba)"],
        "root": ["Sandbox Global Root (not Alibaba)"],
        "device": ["sandbox-device"],
        "device CA": ["Sandbox Device CA"],
        "purposes": ([ExtendedKeyUsageOID.SERVER_AUTH], [ExtendedKeyUsageOID.CLIENT_AUTH]),
    }


def test_a_key_pair_holds_its_key_and_does_not_show_it() -> None:
    """The key belongs to the leaf, and neither repr nor str shows it."""
    pair = SandboxAuthority("any").issue_client("device")
    key = load_pem_private_key(pair.private_key_pem.encode(), None)

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == parsed(pair.certificate_pem)[0].public_key()
    assert "PRIVATE" not in f"{pair!r} {pair}"
    assert "PRIVATE" in pair.private_key_pem


def test_certificates_are_valid_now_and_never_share_a_serial_number() -> None:
    """Everything is valid now and tomorrow; every certificate, of every sandbox, has its own serial number."""
    pems = [
        made
        for sandbox in (CERTIFICATES, SandboxCertificates())
        for made in (sandbox.root_pem, sandbox.server.chain_pem, sandbox.device_ca_pem, sandbox.device.chain_pem)
    ]
    found = [certificate for pem in pems for certificate in parsed(pem)]
    now = datetime.now(UTC)

    assert all(one.not_valid_before_utc < now and now + timedelta(days=1) < one.not_valid_after_utc for one in found)
    assert len({one.serial_number for one in found}) == len(found) == 10
