"""Pruning: what must stay, whatever wants it, and what is looked at again before it is deleted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import RefusedError
from provisioner.model.certificate import HostedSpecification
from provisioner.model.desired import Mapped
from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.intent import Action, Intent
from provisioner.planning.pruning import own_name
from provisioner.runs.looking import Looker
from provisioner.runs.pruning import Place, Pruner
from tests.fakes.stage import NAME, Stage, specified, wanted
from tests.fakes.world import Shown

DOMAIN = "a.example.com"
NEEDED = "it is served, configured, or what a rollback would restore"
NEWEST = "one of the newest 2"
OLD, OLDER = "1001-cn-hangzhou", "1000-cn-hangzhou"


def four_generations() -> Stage:
    """Return an endpoint out of the box, and four generations of one certificate, the oldest first."""
    stage = Stage(wanted(domains=(Mapped(DOMAIN, specified(name="domain"), "provisioner-domain-"),)))
    for _ in range(4):
        leaf = stage.pki.issue(specified())
        stage.hosting.put(f"provisioner-iot-{leaf.sha256[:16]}", leaf, tagged=True)
        stage.clock.sleep(timedelta(days=1).total_seconds())
    return stage


def pruner(stage: Stage) -> Pruner:
    """Return a pruner of the stage's one instance."""
    looker = Looker(stage.desired.endpoint, stage.seams().reads, [item.domain for item in stage.desired.domains])
    return Pruner(
        "provisioner",
        [Place(stage.desired, looker)],
        hosted=stage.hosting,
        removal=stage.hosting,
        intents=stage.records.intents,
        history=stage.records.history,
        clock=stage.clock,
    )


def fates(stage: Stage) -> list[str]:
    """Return why each generation stays, the newest first; empty for one that may go."""
    return [verdict.stays_because for verdict in pruner(stage).look()]


def state(stage: Stage, identifier: str = OLDER) -> EndpointState:
    """Return the state that a hosted certificate makes."""
    hosted = stage.hosting.by_identifier(identifier)
    assert hosted is not None
    return EndpointState(Mode.MUTUAL, hosted.sha256, identifier)


def serve(stage: Stage) -> None:
    """Let the endpoint serve the oldest."""
    stage.world.shown = Shown(stage.pki.issued[0][1], mutual=True, asks=True)


def serve_for_a_domain(stage: Stage) -> None:
    """Let the endpoint serve the oldest for a mapped domain, and a stranger's by default."""
    stage.world.shown.mutual = stage.world.shown.asks = True
    stage.world.mapping = {DOMAIN: stage.pki.issued[0][1]}


def verify(stage: Stage) -> None:
    """Record that the endpoint was verified with the oldest."""
    stage.records.history.switched(NAME, state(stage), None, stage.clock.now())


def verify_after(stage: Stage) -> None:
    """Record that the oldest was served before the verified state."""
    stage.records.history.switched(NAME, EndpointState(Mode.ONE_WAY), state(stage), stage.clock.now())


def verify_domain(stage: Stage) -> None:
    """Record that the oldest was verified for a mapped domain."""
    mapped = (MappedState(DOMAIN, None, OLDER),)
    stage.records.history.switched(NAME, EndpointState(Mode.MUTUAL, domains=mapped), None, stage.clock.now())


def ask_for(stage: Stage) -> None:
    """Record a request whose end nobody has seen."""
    _intend(stage, state(stage), EndpointState(Mode.ONE_WAY))


def ask_to_leave(stage: Stage) -> None:
    """Record a request that would be rolled back to the oldest."""
    _intend(stage, EndpointState(Mode.ONE_WAY), state(stage))


def _intend(stage: Stage, target: EndpointState, previous: EndpointState) -> None:
    now = stage.clock.now()
    stage.records.intents.save(Intent(NAME, "run-1", Action.SWITCH, target, previous, now, now))


def configure(stage: Stage) -> None:
    """Name the oldest by its identifier in the configuration."""
    specification = HostedSpecification(name="theirs", identifier=OLDER, renew_before=timedelta(days=60))
    stage.desired = replace(stage.desired, specification=specification)


def configure_for_a_domain(stage: Stage) -> None:
    """Name the oldest by its identifier for a mapped domain."""
    specification = HostedSpecification(name="theirs", identifier=OLDER, renew_before=timedelta(days=60))
    stage.desired = replace(stage.desired, domains=(Mapped(DOMAIN, specification, "provisioner-theirs-"),))


def test_all_but_the_newest_two_may_go() -> None:
    """An endpoint that serves another's certificate needs none of them."""
    assert fates(four_generations()) == [NEWEST, NEWEST, "", ""]


@pytest.mark.parametrize(
    "want",
    [
        serve,
        serve_for_a_domain,
        verify,
        verify_after,
        verify_domain,
        ask_for,
        ask_to_leave,
        configure,
        configure_for_a_domain,
    ],
)
def test_what_anybody_could_want_back_stays(want: Callable[[Stage], None]) -> None:
    """Whatever wants the oldest keeps it, and nothing else."""
    stage = four_generations()
    want(stage)
    assert fates(stage) == [NEWEST, NEWEST, "", NEEDED]


def test_what_a_product_uses_stays() -> None:
    """Another product of the cloud may serve it."""
    stage = four_generations()
    stage.hosting.use(OLD, "SLB")
    assert fates(stage) == [NEWEST, NEWEST, "in use by SLB", ""]


def test_an_endpoint_that_shows_nothing_keeps_everything() -> None:
    """Nobody can tell what it will serve when it is back."""
    stage = four_generations()
    stage.world.shown.up = False
    with pytest.raises(RefusedError, match=r"does not show what it serves .*; nothing was deleted"):
        fates(stage)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("provisioner-iot-0123456789abcdef", "iot"),
        ("provisioner-two-words-0123456789abcdef", "two-words"),
        ("provisioner--0123456789abcdef", None),
        ("provisioner-iot-0123456789abcde", None),
        ("provisioner-iot-0123456789ABCDEF", None),
        ("provisioner-iot-0123456789abcdef-2", None),
        ("theirs-provisioner-iot-0123456789abcdef", None),
        ("provisionerX-iot-0123456789abcdef", None),
    ],
)
def test_a_name_that_this_tool_gives(name: str, expected: str | None) -> None:
    """Prefix, certificate, and sixteen digits, from the first character to the last."""
    assert own_name(name, "provisioner") == expected


def deleted(stage: Stage, meanwhile: Callable[[], None] = lambda: None) -> list[tuple[str, bool, str]]:
    """Delete what may go after something happened; return what became of each."""
    one = pruner(stage)
    going = [verdict for verdict in one.look() if not verdict.stays_because]
    meanwhile()
    return [(item.verdict.hosted.identifier, item.deleted, item.problem) for item in one.delete(going)]


def change(stage: Stage, **changes: object) -> Callable[[], None]:
    """Return what changes the second oldest, as its own record tells it."""

    def make() -> None:
        stage.hosting.kept[1] = replace(stage.hosting.kept[1], **changes)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tagged": False}, "its tag does not say that this tool uploaded it"),
        ({"name": "theirs"}, "it is not the certificate that was listed"),
        ({"name": "provisioner-other-0123456789abcdef"}, "it is not the certificate that was listed"),
        ({"identifier": "1001-ap-southeast-1"}, "it is not the certificate that was listed"),
    ],
)
def test_each_is_looked_at_once_more(changes: dict[str, object], problem: str) -> None:
    """One whose own record says otherwise stays, and the others go all the same."""
    stage = four_generations()
    assert deleted(stage, change(stage, **changes)) == [(OLD, False, problem), (OLDER, True, "")]
    assert [item.id for item in stage.hosting.kept] == [1001, 1002, 1003]


def test_one_that_cannot_be_deleted_does_not_keep_the_others() -> None:
    """The service's words are told for the one, and the other goes."""
    stage = four_generations()
    stage.hosting.arm("lost_request", "DeleteUserCertificate")
    (first, second) = deleted(stage)
    assert (first[:2], bool(first[2]), second) == ((OLD, False), True, (OLDER, True, ""))
    assert [item.id for item in stage.hosting.kept] == [1001, 1002, 1003]
