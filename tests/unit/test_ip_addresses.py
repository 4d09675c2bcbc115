"""IP addresses beside the names: how they are written, compared, approved, and lost."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.model.certificate import Specification
from provisioner.model.finding import Severity
from provisioner.planning.digest import specification_digest
from provisioner.planning.satisfies import differences
from provisioner.settings import load_settings
from provisioner.settings.names import check_ip_addresses
from tests.fakes.authorities import good, specification
from tests.fakes.clock import START
from tests.fakes.pki import leaf_of
from tests.fakes.stage import Stage, wanted

CONFIGURATION = """
[certificates.iot]
dns_names = ["mqtt.example.com"]
ip_addresses = ["192.0.2.1", "2001:DB8:0::1"]
subject = { common_name = "mqtt" }
"""


def named(*addresses: str) -> Specification:
    """Return a specification with addresses."""
    return replace(specification(), ip_addresses=addresses)


def test_addresses_are_kept_in_their_canonical_text(tmp_path: Path) -> None:
    """However an address is written in the configuration, one text stands for it."""
    path = tmp_path / "provisioner.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")

    got = load_settings(path, ("certificates",)).specification("iot").ip_addresses

    assert got == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        (("mqtt.example.com",), "'mqtt.example.com': this is not an IP address"),
        (("192.0.2.0/24",), "'192.0.2.0/24': this is not an IP address"),
        (("192.0.2.01",), "'192.0.2.01': this is not an IP address"),
        (("fe80::1%eth0",), "'fe80::1%eth0': this is not an IP address"),
        (("",), "'': this is not an IP address"),
        (("::1", "0::1"), "'0::1' is named twice"),
    ],
)
def test_what_is_no_address_is_refused(addresses: tuple[str, ...], problem: str) -> None:
    """Names, networks, addresses of a link, and one address in two texts are told."""
    with pytest.raises(ValueError, match=r"address|twice") as caught:
        check_ip_addresses(addresses)

    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("carried", "expected", "found"),
    [
        ((), (), ()),
        (("192.0.2.1", "::1"), ("::1", "192.0.2.1"), ()),
        ((), ("192.0.2.1",), ("IP addresses: got none, expected 192.0.2.1",)),
        (("192.0.2.1",), (), ("IP addresses: got 192.0.2.1, expected none",)),
        (("192.0.2.1",), ("::1", "192.0.2.1"), ("IP addresses: got 192.0.2.1, expected 192.0.2.1, ::1",)),
    ],
)
def test_a_leaf_has_exactly_the_wanted_addresses(
    carried: tuple[str, ...], expected: tuple[str, ...], found: tuple[str, ...]
) -> None:
    """An address too few or too many is a difference, their order is none."""
    leaf = leaf_of(b"leaf", named(*carried), START)

    assert differences(leaf, named(*expected), signed=True) == found


def test_addresses_are_part_of_what_is_approved(tmp_path: Path) -> None:
    """Another address makes another digest, another order does not."""
    facts = good(tmp_path).authority().facts()
    one, other, turned = (
        specification_digest(wanted(specification=named(*addresses)), facts)
        for addresses in (("192.0.2.1", "::1"), ("192.0.2.1",), ("::1", "192.0.2.1"))
    )

    assert (one == turned, one == other) == (True, False)


def test_an_address_that_is_dropped_is_asked_about() -> None:
    """A new leaf without an address that is served now cuts off whoever uses it, so a person has to say yes."""
    stage = Stage()
    stage.respecify(ip_addresses=("192.0.2.1", "::1"))
    stage.apply()
    stage.clock.sleep(timedelta(days=1).total_seconds())
    stage.respecify(ip_addresses=("::1",))

    got = stage.plan().questions

    assert [(item.reason, item.message, item.severity) for item in got] == [
        ("names-dropped", "names served now and no longer: 192.0.2.1", Severity.CONFIRM)
    ]
