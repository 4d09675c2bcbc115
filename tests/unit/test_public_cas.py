"""Names that no public CA issues, wanted of a purchased certificate."""

from dataclasses import replace

import pytest

from provisioner.model.certificate import FilesSpecification
from tests.fakes.stage import Stage, wanted

MISSED, NO_WILDCARD = "names-miss-endpoint", "no-service-wildcard"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("mqtt-1.mqtt.aliyuncs.com",), {NO_WILDCARD: "no public CA issues *.mqtt.aliyuncs.com: let devices use"}),
        (
            ("mqtt.example.com",),
            {
                MISSED: "no public CA issues mqtt-1.mqtt.aliyuncs.com: let devices use",
                NO_WILDCARD: "no public CA issues *.mqtt.aliyuncs.com: let devices use",
            },
        ),
    ],
)
def test_what_alibaba_owns_needs_a_domain_of_ones_own(names: tuple[str, ...], told: dict[str, str]) -> None:
    """A purchased certificate can't name it, so the next step is a CNAME and no other certificate."""
    stage = Stage(wanted(specification=FilesSpecification("iot")))
    stage.pki.in_files = b"bought"
    stage.pki.known[b"bought"] = replace(stage.pki.stranger(b"bought"), dns_names=names)
    hints = {item.reason: item.hint for item in stage.plan().findings if item.reason in {MISSED, NO_WILDCARD}}
    assert {reason: ("CNAME" in hint, hint[: len(told.get(reason, ""))]) for reason, hint in hints.items()} == {
        reason: (True, begin) for reason, begin in told.items()
    }


def test_another_name_needs_another_certificate() -> None:
    """What its buyer owns can be bought."""
    stage = Stage(wanted(specification=FilesSpecification("iot")))
    stage.desired = replace(stage.desired, endpoint=replace(stage.desired.endpoint, host="mqtt.example.com"))
    stage.pki.in_files = b"bought"
    stage.pki.stranger(b"bought")
    hints = [item.hint for item in stage.plan().findings if item.reason == MISSED]
    assert hints == ["get a certificate that names mqtt.example.com"]
