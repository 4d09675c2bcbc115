"""Whether a leaf is what a specification asks for, and which hosts its names cover."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.certificate import DistinguishedName, Leaf, Profile, Specification
from provisioner.planning.satisfies import covers, differences
from tests.fakes.clock import START
from tests.fakes.pki import leaf_of
from tests.fakes.stage import wanted

FOUND = wanted().specification
assert isinstance(FOUND, Specification)
SPECIFICATION: Specification = FOUND
LEAF = leaf_of(b"a leaf", SPECIFICATION, START)
LABEL = st.text("abcxyz0189-", min_size=1, max_size=6)


def test_a_leaf_of_the_specification_satisfies_it() -> None:
    """Whoever made it, and whatever the case and order of its names."""
    names = ("MQTT.example.com", *(name.upper() for name in SPECIFICATION.dns_names))
    changed = replace(SPECIFICATION, dns_names=tuple(name.lower() for name in reversed(names)))
    assert differences(LEAF, SPECIFICATION, signed=True) == ()
    assert differences(replace(LEAF, dns_names=names), changed, signed=True) == ()


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (replace(LEAF, key="rsa-1024"), "key: got rsa-1024, expected rsa-2048"),
        (replace(LEAF, dns_names=()), "names: got another, expected *.mqtt.aliyuncs.com"),
        (replace(LEAF, dns_names=("a", "b")), "names: got a, b, expected *.mqtt.aliyuncs.com"),
        (
            replace(LEAF, name=DistinguishedName(common_name="other")),
            "subject: got CN=other, expected CN=mqtt.example.com",
        ),
        (replace(LEAF, name=None, subject="2.5.4.4=Wu"), "subject: got 2.5.4.4=Wu, expected CN=mqtt.example.com"),
        (replace(LEAF, profile=Profile.GUIDE), "profile: got guide, expected strict"),
        (replace(LEAF, profile=None), "profile: got another, expected strict"),
    ],
)
def test_a_difference_is_told_with_got_and_expected(leaf: Leaf, expected: str) -> None:
    """One line for each field that differs."""
    assert differences(leaf, SPECIFICATION, signed=True) == (expected,)


def test_all_differences_are_told_at_once() -> None:
    """The signature first, then field by field."""
    leaf = replace(LEAF, key="ec-p256", profile=Profile.GUIDE)
    assert differences(leaf, SPECIFICATION, signed=False) == (
        "it is not signed by the configured authority",
        "key: got ec-p256, expected rsa-2048",
        "profile: got guide, expected strict",
    )


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("mqtt.example.com",), "mqtt.example.com", True),
        (("MQTT.example.com",), "mqtt.EXAMPLE.com", True),
        (("mqtt.example.com",), "mqtt.example.com.", True),
        (("*.mqtt.aliyuncs.com",), "a.mqtt.aliyuncs.com", True),
        (("*.mqtt.aliyuncs.com",), "A.MQTT.aliyuncs.com", True),
        (("*.mqtt.aliyuncs.com",), "a.b.mqtt.aliyuncs.com", False),
        (("*.mqtt.aliyuncs.com",), "mqtt.aliyuncs.com", False),
        (("other.example.com",), "mqtt.example.com", False),
        (("*",), "localhost", False),
        (("*.",), "localhost", False),
        (("*.com",), "com", False),
        ((), "mqtt.example.com", False),
    ],
)
def test_a_wildcard_stands_for_one_leftmost_label(names: tuple[str, ...], host: str, expected: bool) -> None:
    """As openssl and cryptography judge it (measured), case and a trailing dot apart."""
    assert covers(names, host) is expected


@pytest.mark.parametrize(
    ("names", "addresses", "host", "expected"),
    [
        ((), ("192.0.2.1",), "192.0.2.1", True),
        ((), ("2001:db8::1",), "2001:DB8:0::1", True),
        ((), ("192.0.2.1",), "192.0.2.2", False),
        (("192.0.2.1",), (), "192.0.2.1", False),
        (("*.0.2.1",), (), "192.0.2.1", False),
        (("mqtt.example.com",), ("192.0.2.1",), "mqtt.example.com", True),
        ((), ("192.0.2.1",), "mqtt.example.com", False),
    ],
)
def test_an_address_is_covered_by_addresses_alone(
    names: tuple[str, ...], addresses: tuple[str, ...], host: str, expected: bool
) -> None:
    """As Python and openssl judge it (measured): a DNS name of the same text is none."""
    assert covers(names, host, addresses) is expected


@given(st.lists(LABEL, min_size=2, max_size=5).filter(lambda labels: not all(label.isdigit() for label in labels)))
def test_a_name_covers_itself_and_its_wildcard_what_is_one_label_deep(labels: list[str]) -> None:
    """Each host is covered by its own name and by the wildcard beside it, and by nothing longer or shorter."""
    host = ".".join(labels)
    wildcard = ".".join(["*", *labels[1:]])
    assert (covers((host,), host), covers((wildcard,), host)) == (True, True)
    assert (covers((wildcard,), f"more.{host}"), covers((wildcard,), ".".join(labels[1:]))) == (False, False)
