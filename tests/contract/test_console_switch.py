"""The attended driver: the steps for a person, and nothing else happens."""

import pytest

from provisioner.alibaba import Site
from provisioner.alibaba.switches import ConsoleSwitch
from provisioner.model.instance import EndpointState, Mode
from provisioner.ports import EndpointSwitch
from tests.contract.place import INSTANCE, REGION, pretended

MUTUAL = EndpointState(Mode.MUTUAL, "ab12" * 16, "1000-cn-hangzhou")
ONE_WAY = EndpointState(Mode.ONE_WAY)
LINKS = {Site.CHINA: "https://mqtt.console.aliyun.com", Site.INTERNATIONAL: "https://mqtt.console.alibabacloud.com"}


def is_chinese(text: str) -> bool:
    """Tell whether a text has Chinese characters."""
    return any("\u4e00" <= sign <= "\u9fff" for sign in text)


@pytest.mark.parametrize("target", [MUTUAL, ONE_WAY], ids=["mutual", "one-way"])
@pytest.mark.parametrize(
    "switch", [pretended(attended=True).switch, *(ConsoleSwitch(site) for site in Site)], ids=["fake", *Site]
)
def test_an_attended_driver_returns_steps_any_number_of_times(switch: EndpointSwitch, target: EndpointState) -> None:
    """It says that a person does the work, and asking again asks for nothing more."""
    steps = [switch.request(REGION, INSTANCE, target) for _ in range(2)]
    assert switch.attended
    assert steps[0] == steps[1] != ()
    assert all(steps[0])


def test_nothing_happens_until_the_person_acts() -> None:
    """The endpoint goes on as it was."""
    place = pretended(attended=True)
    before = place.look()
    place.switch.request(REGION, INSTANCE, MUTUAL)
    assert (place.look(), place.status()) == (before, 5)


@pytest.mark.parametrize("target", [MUTUAL, ONE_WAY], ids=["mutual", "one-way"])
@pytest.mark.parametrize("site", Site)
def test_every_step_stands_in_english_and_in_chinese(site: Site, target: EndpointState) -> None:
    """Each language is whole, and the place is named in the first two steps of both."""
    pairs = [step.partition(" / ") for step in ConsoleSwitch(site).request(REGION, INSTANCE, target)]
    assert all(english and not is_chinese(english) and is_chinese(chinese) for english, _, chinese in pairs)
    assert LINKS[site] in pairs[0][0]
    assert all(REGION in text for text in (pairs[0][0], pairs[0][2]))
    assert all(INSTANCE in text for text in (pairs[1][0], pairs[1][2]))


def test_the_certificate_is_named_by_identifier_and_by_the_end_of_its_name() -> None:
    """Both are what the console shows; the restart is said before the last click."""
    *_, enable, confirm = ConsoleSwitch(Site.CHINA).request(REGION, INSTANCE, MUTUAL)
    assert all(enable.count(text) == 2 for text in ("1000-cn-hangzhou", "ab12ab12ab12ab12"))
    assert "every client is disconnected" in confirm


def test_the_way_back_names_no_certificate() -> None:
    """One-way means Alibaba's own."""
    steps = " ".join(ConsoleSwitch(Site.CHINA).request(REGION, INSTANCE, ONE_WAY))
    assert ("One-way" in steps, "certificate None" in steps, "Mutual" in steps) == (True, False, False)
