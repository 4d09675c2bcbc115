"""Whether a chain leads to a CA."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from provisioner.errors import UnusableError
from provisioner.pki import DerCertificateReader
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Made, good, make, usage
from tests.fakes.clock import START

CA_FALSE: Extension = (x509.BasicConstraints(ca=False, path_length=None), True)
CA_OF_LEAVES: Extension = (x509.BasicConstraints(ca=True, path_length=0), True)
READER = DerCertificateReader()


def device(folder: Path, issuer: Made) -> Made:
    """Make a device certificate."""
    return make(folder, "device", CA_FALSE, issuer=issuer)


def chains(ca: Made, *chain: Made) -> bool:
    """Tell whether a chain leads to a CA."""
    return READER.chains_to("".join(made.pem for made in chain), ca.pem)


def test_a_leaf_leads_to_the_ca_that_signed_it_and_to_no_other(tmp_path: Path) -> None:
    """The signature decides, not the name: a CA made anew under the same name is another one."""
    ca, namesake, stranger = good(tmp_path), good(tmp_path), good(tmp_path, "Another CA")
    leaf = device(tmp_path, ca)
    assert [chains(item, leaf) for item in (ca, namesake, stranger)] == [True, False, False]


def test_intermediates_of_the_chain_are_passed_in_any_order(tmp_path: Path) -> None:
    """Root, and each intermediate too, are CAs that the leaf leads to."""
    root = good(tmp_path, "Root")
    upper = good(tmp_path, "Upper", issuer=root)
    lower = good(tmp_path, "Lower", issuer=upper)
    leaf = device(tmp_path, lower)
    assert [chains(item, leaf, lower, upper) for item in (root, upper, lower)] == [True, True, True]
    assert [chains(item, leaf, upper, lower, root) for item in (root, upper, lower)] == [True, True, True]
    assert [chains(item, leaf, upper) for item in (root, upper, lower)] == [False, False, True]


def test_two_intermediates_of_one_name_are_both_tried(tmp_path: Path) -> None:
    """A cross-signed intermediate leads to both of its roots."""
    roots = good(tmp_path, "Root A"), good(tmp_path, "Root B")
    first = good(tmp_path, "Between", issuer=roots[0])
    second = good(tmp_path, "Between", key=first.key, issuer=roots[1])
    leaf = device(tmp_path, first)
    assert [chains(root, leaf, first, second) for root in roots] == [True, True]


@pytest.mark.parametrize(
    "extensions",
    [(CA_FALSE, SIGNS), (SIGNS,), (CA_TRUE, (usage("crl_sign"), True))],
    ids=["not a CA", "no basicConstraints", "no keyCertSign"],
)
def test_what_may_not_sign_is_no_way_up(tmp_path: Path, extensions: tuple[Extension, ...]) -> None:
    """Neither as an intermediate nor as the CA itself."""
    root = good(tmp_path, "Root")
    between = make(tmp_path, "Between", *extensions, issuer=root)
    leaf = device(tmp_path, between)
    assert [chains(item, leaf, between) for item in (root, between)] == [False, False]


def test_a_path_length_counts_the_intermediates(tmp_path: Path) -> None:
    """A CA of leaves alone signs no way through an intermediate."""
    root = make(tmp_path, "Root", CA_OF_LEAVES, SIGNS)
    between = good(tmp_path, "Between", issuer=root)
    assert [chains(root, device(tmp_path, root)), chains(root, device(tmp_path, between), between)] == [True, False]


def test_dates_are_left_to_others(tmp_path: Path) -> None:
    """An expired CA did sign; that it has expired is told by checks that name the date."""
    gone = START - timedelta(days=900)
    ca = make(tmp_path, "Old", CA_TRUE, SIGNS, begin=gone, end=gone + timedelta(days=1))
    assert chains(ca, device(tmp_path, ca))


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"])
def test_what_cannot_be_read_is_told_apart(tmp_path: Path, text: str) -> None:
    """Nothing leads to an unreadable CA of the service; an unreadable chain of one's own is an error."""
    leaf = device(tmp_path, good(tmp_path))
    assert not READER.chains_to(leaf.pem, text)
    with pytest.raises(UnusableError):
        READER.chains_to(text, leaf.pem)
