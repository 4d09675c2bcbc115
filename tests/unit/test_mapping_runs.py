"""Runs that map domains: what is known before the switch, what is said after it, and ways back from a mapping."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from provisioner.model.desired import ClientsPolicy, Mapped, RotationPolicy
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.outcome import Outcome
from tests.fakes.stage import NAME, Killed, Stage, specified, wanted
from tests.fakes.world import World

DOMAIN = "a.example.com"


def mapped(*names: str) -> Mapped:
    """Return the mapped domain with a certificate for these names."""
    return Mapped(DOMAIN, specified(name="other", dns_names=names), "provisioner-other-")


class Gentle:
    """A driver that maps without a restart; ``leave`` are the clients that do not stand it, one set each time."""

    attended = False

    def __init__(self, world: World, leave: Sequence[set[str]] = ()) -> None:
        self._world = world
        self._leave = list(leave)

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Serve what is asked for at once."""
        world = self._world
        world.requests.append(target)
        world.shown.der = world.certificates[target.identifier or ""]
        world.mapping = {item.domain: world.certificates[item.identifier or ""] for item in target.domains}
        world.online_clients -= self._leave.pop(0) if self._leave else set()
        return ()


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box that is to have a mapped domain with a certificate of its own."""
    stage = Stage(wanted(domains=(mapped(DOMAIN),), rotation=RotationPolicy(unattended=True, by_sni=True)))
    stage.rotating = stage.world.alone()
    return stage


@pytest.fixture
def switched(stage: Stage) -> Stage:
    """Return an instance whose domain is mapped."""
    assert stage.apply().outcome is Outcome.CONVERGED
    return stage


def test_a_domain_outside_its_certificate_is_refused_before_the_first_switch(stage: Stage) -> None:
    """What can be known before clients are disconnected is known before."""
    stage.desired = replace(stage.desired, domains=(mapped("b.example.com"),))
    result = stage.apply()
    assert (result.outcome, stage.world.requests) == (Outcome.REFUSED, [])
    assert "names-miss-endpoint" in [item.reason for item in result.findings]


def test_a_mapping_that_cannot_be_asked_for_does_not_deny_the_switch(stage: Stage) -> None:
    """Nobody is told that nothing was changed when the endpoint is in mutual mode by then."""

    def hear(event: Event) -> None:
        if event.kind is EventKind.SETTLED:
            stage.hosting.arm("throttled", times=1000)

    stage.on_event = hear
    result = stage.apply()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.FAILED, Mode.MUTUAL, 1)
    assert result.message == (
        f"{NAME}: the switch is verified on the wire, and the domains are not mapped: UploadUserCertificate"
    )
    assert result.evidence is not None


def test_a_mapping_is_taken_back_without_a_restart(switched: Stage) -> None:
    """The endpoint's own leaf stays, so the domains tell that the way back was gone."""
    before = dict(switched.world.mapping)
    switched.rotating = Gentle(switched.world, [{"a"}])
    switched.world.online_clients = {"a"}
    clients = ClientsPolicy(("a",), rollback=True)
    switched.desired = replace(switched.desired, domains=(mapped(DOMAIN, "b.example.com"),), clients=clients)
    requests = len(switched.world.requests)
    result = switched.apply()
    assert (result.outcome, len(switched.world.requests) - requests) == (Outcome.ROLLED_BACK, 2)
    assert switched.world.mapping == before


def test_a_mapping_on_its_way_is_no_way_back_to_the_one_before(switched: Stage) -> None:
    """Two states with the same certificate of the endpoint's own differ by their domains."""
    before = dict(switched.world.mapping)
    switched.desired = replace(switched.desired, domains=(mapped(DOMAIN, "b.example.com"),))
    switched.kill_at(EventKind.WAITING, 3)
    with pytest.raises(Killed):
        switched.apply()
    assert (switched.rollback().outcome, switched.world.mapping) == (Outcome.CONVERGED, before)


def test_a_rollback_to_a_certificate_keeps_the_mapping(switched: Stage) -> None:
    """The mapping is asked for as a whole: domains that are left out would be lost."""
    before, (first, *_) = dict(switched.world.mapping), switched.records.history.latest(NAME)
    switched.rotate()
    assert switched.apply().outcome is Outcome.CONVERGED
    assert first.identifier is not None
    result = switched.rollback(first.identifier)
    assert (result.outcome, result.fingerprint_sha256) == (Outcome.CONVERGED, first.leaf)
    assert switched.world.mapping == before
