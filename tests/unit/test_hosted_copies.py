"""Which hosted certificate is the copy of a leaf, whatever the service takes for its fingerprint."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.model.certificate import HostedCertificate, Leaf
from provisioner.planning.observed import hosted_copy
from provisioner.planning.pruning import Needed, verdicts

AT = datetime(2026, 3, 1, tzinfo=UTC)
LEAF = Leaf(
    "ab" * 32, 7, "CN=a", None, "CN=ca", ("a.example.com",), AT, AT + timedelta(days=9), "ec-p256", None, is_ca=False
)
OTHER = "cd" * 32
COPY = HostedCertificate(
    id=1,
    name=f"provisioner-iot-{LEAF.sha256[:16]}",
    identifier="1-cn-hangzhou",
    sha256=LEAF.sha256,
    sha1=None,
    serial=LEAF.serial,
    issuer="ca",
    common_name="a",
    dns_names=LEAF.dns_names,
    key=None,
    not_before=AT,
    not_after=LEAF.not_after,
    status="issued",
)


@pytest.mark.parametrize("told", [LEAF.sha256, None, OTHER], ids=["the leaf's", "none", "the public key's"])
def test_a_copy_is_known_whatever_its_fingerprint_is_of(told: str | None) -> None:
    """The listing's fingerprint is documented as that of the public key; name and serial number tell the copy too."""
    found = replace(COPY, sha256=told)
    assert hosted_copy((found,), LEAF) == found


def test_another_certificate_is_no_copy() -> None:
    """Neither the name nor the serial number is enough without the other."""
    others = (
        replace(COPY, sha256=OTHER, serial=8),
        replace(COPY, sha256=None, serial=None),
        replace(COPY, sha256=None, name="provisioner-iot-0123456789abcdef"),
    )
    assert hosted_copy(others, LEAF) is None


@pytest.mark.parametrize("told", [LEAF.sha256, None, OTHER], ids=["the leaf's", "none", "the public key's"])
@pytest.mark.parametrize("served", [LEAF.sha256, OTHER])
def test_what_is_served_is_not_pruned_whatever_its_fingerprint_is_of(told: str | None, served: str) -> None:
    """Name or fingerprint: whichever is the served leaf's keeps the certificate."""
    newer = [replace(COPY, id=n, identifier=f"{n}-x", not_before=AT + timedelta(days=n)) for n in (2, 3)]
    newer = [replace(item, name=f"provisioner-iot-{item.id:016}", sha256=None) for item in newer]
    old = replace(COPY, sha256=told)
    found = verdicts((old, *newer), "provisioner", Needed(frozenset({served}), frozenset()))
    reason = next(item.stays_because for item in found if item.hosted == old)
    expected = "it is served, configured, or what a rollback would restore" if served in {told, LEAF.sha256} else ""
    assert reason == expected
