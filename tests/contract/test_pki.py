"""Issuer, key store and reader: one suite for the pretended world and for keys, certificates and files."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.errors import UnusableError
from provisioner.model.certificate import FilesSpecification, KeyType, Leaf, Material, Specification
from provisioner.model.secret import Secret
from provisioner.pki import BundleImporter, DerCertificateReader, FileKeyStore, FilesIssuer, LocalIssuer
from provisioner.ports import CertificateIssuer, CertificateReader, KeyStore
from tests.fakes.authorities import SUBJECT, good, refusal, specification
from tests.fakes.clock import FakeClock
from tests.fakes.pki import FakePki
from tests.fakes.purchases import purchase

END = "-----END CERTIFICATE-----\n"
SPECIFICATION = replace(specification(days=500), ip_addresses=("192.0.2.1",))


@dataclass(frozen=True)
class Workshop:
    """The ports, the time, and the certificates of somebody else's file in DER."""

    issuer: CertificateIssuer
    store: KeyStore
    reader: CertificateReader
    clock: FakeClock
    stranger: bytes

    def chain(self, leaf: Leaf, name: str = "iot") -> tuple[bytes, ...]:
        """Return a kept chain in DER."""
        parts = self.store.chain_pem(name, leaf.sha256).split(END)[:-1]
        return tuple(ssl.PEM_cert_to_DER_cert(part + END) for part in parts)

    def kept(self, name: str, sha256: str) -> tuple[Callable[[], object], ...]:
        """Return the ways to ask for what is kept of a leaf."""
        return (
            lambda: self.store.chain_pem(name, sha256),
            lambda: self.store.private_key_pem(name, sha256),
            lambda: self.store.files(name, sha256),
        )


@pytest.fixture(params=["fake", "files"])
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Workshop:
    """Return an authority with an empty key store."""
    clock = FakeClock()
    if request.param == "fake":
        fake = FakePki(clock)
        fake.stranger(b"somebody else's")
        return Workshop(fake, fake, fake, clock, b"somebody else's")
    store = FileKeyStore(tmp_path / "keys")
    issuer = LocalIssuer(good(tmp_path).authority(), store, clock)
    return Workshop(issuer, store, DerCertificateReader(), clock, good(tmp_path, "Somebody Else").der)


@pytest.fixture(params=["fake", "files"])
def bought(request: pytest.FixtureRequest, tmp_path: Path) -> Workshop:
    """Return files that were bought, with an empty key store."""
    clock = FakeClock()
    if request.param == "fake":
        fake = FakePki(clock)
        fake.in_files = b"bought"
        fake.stranger(fake.in_files)
        return Workshop(fake, fake, fake, clock, b"bought")
    sold = purchase(tmp_path)
    sold.sell(*sold.chain)
    store = FileKeyStore(tmp_path / "keys")
    importer = BundleImporter(sold.path, sold.key_path, lambda: None, store, keep_root=False)
    return Workshop(FilesIssuer(importer), store, DerCertificateReader(), clock, sold.leaf.der)


@pytest.mark.parametrize("key", [KeyType.RSA_2048, KeyType.EC_P256])
def test_an_issued_leaf_is_what_was_specified(workshop: Workshop, key: KeyType) -> None:
    """Names, subject, key, profile and lifetime, valid now; nothing is pinned, since the next one will be another."""
    wanted = replace(SPECIFICATION, key=key)
    leaf = workshop.issuer.issue(wanted)
    got = Specification(
        name="iot",
        key=KeyType(leaf.key),
        valid_for=leaf.not_after - leaf.not_before,
        renew_before=wanted.renew_before,
        profile=leaf.profile or wanted.profile,
        dns_names=leaf.dns_names,
        subject=leaf.name or SUBJECT,
        ip_addresses=leaf.ip_addresses,
    )
    assert (got, leaf.is_ca, leaf.profile) == (wanted, False, wanted.profile)
    assert leaf.not_before <= workshop.clock.now() < leaf.not_after
    assert workshop.issuer.pinned_chain() == ()


def test_what_was_issued_is_kept_whole(workshop: Workshop) -> None:
    """Leaf, chain and key belong together, the reader finds the same leaf in it, and the key does not show itself."""
    leaf = workshop.issuer.issue(SPECIFICATION)
    chain = workshop.chain(leaf)
    material = workshop.store.material("iot", leaf.sha256)
    above = tuple(workshop.reader.read(item) for item in chain[1:])
    assert material == Material(leaf, above, key_matches=True, order_problem="", signature_problem="")
    assert (workshop.reader.read(chain[0]), workshop.store.leaves("iot")) == (leaf, (leaf,))
    key = workshop.store.private_key_pem("iot", leaf.sha256)
    assert (type(key), f"{key} {key!r}") == (Secret, "Secret(...) Secret(...)")
    files = workshop.store.files("iot", leaf.sha256)
    assert (files.chain.name, files.private_key.name, files.chain.parent) == (
        "chain.pem",
        "private-key.pem",
        files.private_key.parent,
    )


def test_each_leaf_is_a_new_one_and_the_newest_comes_first(workshop: Workshop) -> None:
    """Neither fingerprint nor serial number comes twice; other certificates have leaves of their own."""
    leaves = []
    for _ in range(3):
        leaves.append(workshop.issuer.issue(SPECIFICATION))
        workshop.clock.sleep(timedelta(days=1).total_seconds())
    other = workshop.issuer.issue(replace(SPECIFICATION, name="other"))
    assert workshop.store.leaves("iot") == tuple(reversed(leaves))
    assert (workshop.store.leaves("other"), workshop.store.leaves("third")) == ((other,), ())
    for values in ({item.sha256 for item in (*leaves, other)}, {item.serial for item in (*leaves, other)}):
        assert len(values) == 4


def test_the_authority_knows_what_it_signed(workshop: Workshop) -> None:
    """By its key and not by a name; the reader tells the same issuer."""
    facts = workshop.issuer.authority()
    leaf = workshop.issuer.issue(SPECIFICATION)
    chain = workshop.chain(leaf)
    assert facts is not None
    assert (facts.certificate.is_ca, facts.objections) == (True, ())
    assert [workshop.issuer.signed(item) for item in (chain[0], workshop.stranger, b"malformed")] == [
        True,
        False,
        False,
    ]
    assert workshop.reader.issuers(chain[:1]) <= facts.issuers
    assert workshop.reader.issuers((workshop.stranger,)).isdisjoint(facts.issuers)


def test_what_is_not_kept_is_not_here(workshop: Workshop) -> None:
    """Neither under another name nor under another fingerprint, though it begin alike."""
    leaf = workshop.issuer.issue(SPECIFICATION)
    for name, sha256 in (("other", leaf.sha256), ("iot", "ab" * 32)):
        assert workshop.store.material(name, sha256) is None
        for call in workshop.kept(name, sha256):
            refusal(call)
    assert workshop.store.material("iot", leaf.sha256[:16] + "0" * 48) is None


def test_a_certificate_does_not_outlive_its_authority(workshop: Workshop) -> None:
    """Nothing is made or kept then."""
    message, _ = refusal(lambda: workshop.issuer.issue(replace(SPECIFICATION, valid_for=timedelta(days=9000))))
    assert "its authority only until" in message
    assert workshop.store.leaves("iot") == ()


def test_what_is_no_certificate_is_not_read(workshop: Workshop) -> None:
    """Reading it is an error; asked for its issuers, it has none, and neither has a chain with it inside."""
    leaf = workshop.issuer.issue(SPECIFICATION)
    with pytest.raises(UnusableError):
        workshop.reader.read(b"malformed")
    chains = ((), (b"malformed",), (workshop.chain(leaf)[0], b"malformed"))
    assert [workshop.reader.issuers(chain) for chain in chains] == [frozenset()] * 3


def test_a_chain_leads_to_its_authority(workshop: Workshop) -> None:
    """That is what device CAs are compared with."""
    leaf = workshop.issuer.issue(SPECIFICATION)
    chain = workshop.store.chain_pem("iot", leaf.sha256)
    authority = chain.split(END)[-2] + END
    assert workshop.reader.chains_to(chain, authority)


def test_files_are_pinned_and_taken_in_once(bought: Workshop) -> None:
    """No authority is known, the leaf is that of the files, and taking it in again changes nothing."""
    issuer = bought.issuer
    assert (issuer.authority(), issuer.signed(bought.stranger)) == (None, False)
    assert (issuer.pinned_chain()[0], bought.store.leaves("iot")) == (bought.stranger, ())
    leaves = [issuer.issue(FilesSpecification("iot")) for _ in range(2)]
    assert leaves == [bought.reader.read(bought.stranger)] * 2
    assert bought.store.leaves("iot") == (leaves[0],)
    assert bought.chain(leaves[0]) == issuer.pinned_chain()
    material = bought.store.material("iot", leaves[0].sha256)
    assert material is not None
    assert (material.key_matches, material.order_problem, material.signature_problem) == (True, "", "")
