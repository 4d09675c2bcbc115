"""Which hosted certificates may go: each reason to stay stands alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.model.certificate import HostedCertificate
from provisioner.planning.pruning import Needed, own_name, verdicts

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SERVED = "it is served, configured, or what a rollback would restore"


def hosted(number: int, *, certificate: str = "iot", named: str = "", sha256: bool = True) -> HostedCertificate:
    """Return a certificate that this tool uploaded, the younger the higher its number."""
    leaf = f"{number:x}" * 64
    return HostedCertificate(
        id=number,
        name=named or f"provisioner-{certificate}-{leaf[:16]}",
        identifier=f"{number}-cn-hangzhou",
        sha256=leaf if sha256 else None,
        sha1=None,
        serial=number,
        issuer="CA",
        common_name="",
        dns_names=(),
        key=None,
        not_before=NOW + timedelta(days=number),
        not_after=NOW + timedelta(days=number + 100),
        status="issued",
    )


def stays(needed: Needed, *items: HostedCertificate) -> dict[str, str]:
    """Return why each certificate stays, by its number; an empty reason means that it may go."""
    return {str(item.hosted.id): item.stays_because for item in verdicts(items, "provisioner", needed)}


NOTHING = Needed(frozenset(), frozenset())


def test_the_newest_two_of_each_certificate_stay() -> None:
    """By when they begin, whatever the order of the listing; each certificate counts for itself."""
    newest = "one of the newest 2"
    items = [hosted(2), hosted(4), hosted(1), hosted(3), hosted(5, certificate="shop"), hosted(6, certificate="shop")]
    assert stays(NOTHING, *items) == {"1": "", "2": "", "3": newest, "4": newest, "5": newest, "6": newest}


@pytest.mark.parametrize("sha256", [True, False])
def test_an_old_one_that_is_needed_stays(*, sha256: bool) -> None:
    """What is served is known by its leaf, with the name alone too; what a rollback wants, by its identifier too."""
    items = [hosted(number, sha256=sha256) for number in range(1, 6)]
    needed = Needed(frozenset({"1" * 64}), frozenset({"2-cn-hangzhou"}))
    found = stays(needed, *items)
    assert (found["1"], found["2"], found["3"]) == (SERVED, SERVED, "")


def test_an_old_one_that_a_product_uses_stays() -> None:
    """The service tells which product."""
    used = replace(hosted(1), products=("SLB", "CDN"))
    assert stays(NOTHING, used, hosted(2), hosted(3), hosted(4)) | {"3": "", "4": ""} == {
        "1": "in use by SLB, CDN",
        "2": "",
        "3": "",
        "4": "",
    }


@pytest.mark.parametrize(
    "name",
    [
        "iot",
        "provisioner-iot",
        "provisioner-iot-1234",
        "provisioner-iot-0123456789ABCDEF",
        "provisioner-0123456789abcdef",
        "theirs-iot-0123456789abcdef",
        "my-provisioner-iot-0123456789abcdef",
        "provisioner-iot-0123456789abcdef-2",
        "provisioner-iot-0123456789abcdef\n",
    ],
)
def test_names_of_others_are_not_even_listed(name: str) -> None:
    """Whatever looks a little like a name of this tool is somebody else's."""
    assert (own_name(name, "provisioner"), stays(NOTHING, hosted(1, named=name))) == (None, {})
