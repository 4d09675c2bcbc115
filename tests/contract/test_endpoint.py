"""The switch, and what probe and canary see of it: one suite in the fake world and on the sandbox."""

from collections.abc import Callable

import pytest

from provisioner.errors import (
    DeniedError,
    NotFoundError,
    RejectedError,
    ServiceError,
    ThrottledError,
    UnansweredError,
)
from provisioner.model.instance import EndpointState, Mode, Status
from provisioner.model.reading import AddressReading, CanaryResult, CanaryVerdict, Required, Stage
from tests.contract.place import DOMAIN, HOST, INSTANCE, REGION, Place

ONE_WAY = EndpointState(Mode.ONE_WAY)


def shown(seen: AddressReading) -> tuple[Stage, str | None, bool | None, Required, bool]:
    """Return what decides about a reading: how far it came, the leaf, the demand, and whether MQTT spoke."""
    return seen.stage, seen.leaf_sha256, seen.asked, seen.required, seen.connack is not None


def mutual(leaf: str | None) -> tuple[Stage, str | None, bool | None, Required, bool]:
    """Return what an endpoint shows that demands certificates."""
    return Stage.HANDSHAKE, leaf, True, Required.YES, False


def one_way(leaf: str) -> tuple[Stage, str | None, bool | None, Required, bool]:
    """Return what an endpoint shows that demands none."""
    return Stage.ANSWERED, leaf, False, Required.NO, True


def failure(action: Callable[[], object]) -> type[ServiceError]:
    """Return the kind of error that a call ends in."""
    with pytest.raises(ServiceError) as caught:
        action()
    return type(caught.value)


def ask(place: Place, target: EndpointState, instance: str = INSTANCE) -> Callable[[], object]:
    """Return a request."""
    return lambda: place.switch.request(REGION, instance, target)


def test_there_and_back_again(place: Place) -> None:
    """To mutual, to another certificate, and to one-way; each reading is whole and says what the wire shows."""
    first, second = place.state(), place.state()
    told = [shown(place.look())]
    for target in (first, second, ONE_WAY):
        seen = place.switched(target)
        told.append(shown(seen))
        assert (seen.address, seen.timed_out, seen.tls_version) == (place.address, False, "TLSv1.2")
        assert (seen.chain_complete, seen.inferred, len(seen.chain) > 0) == (True, False, True)
    assert told == [one_way(place.stand_in), mutual(first.leaf), mutual(second.leaf), one_way(place.stand_in)]


def seen_in_a_restart(place: Place) -> tuple[int, AddressReading, CanaryResult]:
    """Return status, reading and device session of one restart; one that ended before the last look is looked past."""
    for _ in range(20):
        ask(place, place.state())()
        status, down = place.status(), place.until_down()
        canary = place.canary.attempt(place.endpoint, place.address)
        if place.look().stage is Stage.CONNECT:
            return status, down, canary
        place.until_back()
    raise AssertionError("no restart lasted for three looks")


def test_a_restart_shows_in_status_and_on_the_wire(place: Place) -> None:
    """The port is closed and the status is another one until it is over; devices get in again afterwards."""
    assert place.status() == Status.IN_SERVICE
    assert place.canary.attempt(place.endpoint, place.address).verdict is CanaryVerdict.ACCEPTED
    status, down, canary = seen_in_a_restart(place)
    assert (status, shown(down), down.failure) == (
        Status.UPGRADING,
        (Stage.CONNECT, None, None, Required.UNKNOWN, False),
        "connection refused",
    )
    assert (canary.address, canary.verdict, canary.detail) == (
        place.address,
        CanaryVerdict.CUT_OFF,
        "connection refused",
    )
    place.until_back()
    assert place.canary.attempt(place.endpoint, place.address).verdict is CanaryVerdict.ACCEPTED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("throttled", ThrottledError), ("lost_request", UnansweredError), ("lost_answer", UnansweredError)],
)
def test_whether_a_lost_request_landed_is_told_by_the_wire(place: Place, fault: str, kind: type[ServiceError]) -> None:
    """No error says more: only the lost answer was accepted."""
    target = place.state()
    place.lose(fault)
    assert failure(ask(place, target)) is kind
    if fault == "lost_answer":
        place.until_down()
        assert shown(place.until_back()) == mutual(target.leaf)
    else:
        assert (place.status(), shown(place.look())) == (Status.IN_SERVICE, one_way(place.stand_in))
        assert shown(place.switched(target)) == mutual(target.leaf)


def test_what_can_not_be_done_is_rejected_and_changes_nothing(place: Place) -> None:
    """A certificate that is not hosted, and an instance that is not there."""
    unknown = EndpointState(Mode.MUTUAL, "ab" * 32, "7-cn-hangzhou")
    assert failure(ask(place, unknown)) is RejectedError
    assert failure(ask(place, place.state(), "mqtt-nowhere")) is NotFoundError
    assert (place.status(), shown(place.look())) == (Status.IN_SERVICE, one_way(place.stand_in))


@pytest.mark.parametrize("fault", ["wrong_leaf", "anonymous", "devices_refused", "reverts"])
def test_an_accepted_request_may_end_otherwise(place: Place, fault: str) -> None:
    """The wire tells what became of it, probe and canary together."""
    target = place.state()
    place.arm(fault)
    seen = place.switched(target)
    verdict = place.canary.attempt(place.endpoint, place.address).verdict
    stand_in, leaf = place.stand_in, target.leaf
    expected = {
        "wrong_leaf": (mutual(stand_in), CanaryVerdict.ACCEPTED),
        "anonymous": ((Stage.ANSWERED, leaf, True, Required.NO, True), CanaryVerdict.ACCEPTED),
        "devices_refused": (mutual(leaf), CanaryVerdict.REFUSED_BY_TLS),
        "reverts": (one_way(stand_in), CanaryVerdict.ACCEPTED),
    }
    assert (shown(seen), verdict) == expected[fault]


def test_a_request_without_effect_changes_nothing(place: Place) -> None:
    """An accepted request that nothing follows leaves wire and status as they were."""
    place.arm("no_effect")
    assert place.switch.request(REGION, INSTANCE, place.state()) == ()
    assert (place.status(), shown(place.look())) == (Status.IN_SERVICE, one_way(place.stand_in))


def test_sni_serves_mapped_domains_beside_the_default(place: Place) -> None:
    """Each domain shows its own leaf, other names the default one; the next mapping replaces the whole of it."""
    place.switched(place.state())
    first, second, other = place.mapped(), place.mapped("b.example.com"), place.mapped()
    target = place.state(domains=(first, second))
    place.switched(target, place.sni)
    assert [shown(place.look(name)) for name in (HOST, DOMAIN, "b.example.com")] == [
        mutual(leaf) for leaf in (target.leaf, first.leaf, second.leaf)
    ]
    target = place.state(domains=(other,))
    place.switched(target, place.sni)
    assert [shown(place.look(name)) for name in (HOST, DOMAIN, "b.example.com")] == [
        mutual(leaf) for leaf in (target.leaf, other.leaf, target.leaf)
    ]


def test_sni_changes_certificates_of_mutual_endpoints_alone(place: Place) -> None:
    """It neither turns mutual authentication on nor off."""
    target = place.state()
    assert failure(lambda: place.sni.request(REGION, INSTANCE, target)) is DeniedError
    place.switched(target)
    for wrong in (ONE_WAY, EndpointState(Mode.MUTUAL, "ab" * 32)):
        assert failure(lambda: place.sni.request(REGION, INSTANCE, wrong)) is RejectedError  # noqa: B023
    assert (place.status(), shown(place.look())) == (Status.IN_SERVICE, mutual(target.leaf))


def test_the_drivers_need_nobody(place: Place) -> None:
    """A run may count on them while everybody sleeps."""
    assert (place.switch.attended, place.sni.attended) == (False, False)


def test_the_canary_tells_its_chain_and_never_its_key(place: Place) -> None:
    """Whoever asks whether it may come in gets certificates alone."""
    lines = place.canary.chain_pem.strip().splitlines()
    marks = {line for line in lines if line.startswith("-----")}
    assert (lines[0], marks) == (
        "-----BEGIN CERTIFICATE-----",
        {"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"},
    )
