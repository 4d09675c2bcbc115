"""Whatever the cloud does and wherever a run is killed: what the ends of runs promise holds."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from provisioner.model.certificate import KeyType, Specification
from provisioner.model.event import EventKind
from provisioner.model.instance import Mode
from provisioner.model.intent import Action
from provisioner.model.outcome import InstanceResult, Outcome
from tests.fakes.stage import NAME, Killed, Stage

EFFECTS = (
    "works",
    "dead",
    "wrong_leaf",
    "anonymous",
    "devices_refused",
    "no_effect",
    "reverts",
    "stuck",
    "rejected",
    "lost_answer",
    "lost_request",
)
COMMANDS = ("apply", "apply --release", "resume", "rollback", "rollback --to one-way", "rotate")
KINDS = (EventKind.REQUESTED, EventKind.WAITING, EventKind.ROLLING_BACK, EventKind.HELD, EventKind.SETTLED)


def run(stage: Stage, command: str) -> list[InstanceResult]:
    """Run a command to its end, or until it is killed."""
    try:
        if command == "resume":
            return list(stage.resume())
        if command.startswith("rollback"):
            return [stage.rollback("one-way" if command.endswith("one-way") else None)]
        if command == "rotate":
            assert isinstance(stage.desired.specification, Specification)
            now = stage.desired.specification.key
            stage.rotate(next(key for key in KeyType if key is not now))
        return [stage.apply(release=command.endswith("--release"))]
    except Killed:
        return []


def as_promised(stage: Stage, result: InstanceResult, restarts: int) -> bool:
    """Tell whether the world is as the end of a run says; ``restarts`` are those that nobody began in it."""
    world, held = stage.world, NAME in stage.records.holds.kept
    shown = Mode.MUTUAL if world.shown.mutual else Mode.ONE_WAY
    there = world.shown.up and (result.mode, result.fingerprint_sha256) == (shown, stage.leaf())
    closed = NAME not in stage.records.intents.kept
    return {
        Outcome.UNCHANGED: there and not held,
        Outcome.CONVERGED: there and closed,
        Outcome.ROLLED_BACK: there and held and closed,
        Outcome.BROKEN: held,
        Outcome.FAILED: world.restarts <= restarts,
        Outcome.REFUSED: world.restarts <= restarts,
    }[result.outcome]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(EFFECTS), max_size=6),
    st.lists(
        st.tuples(
            st.sampled_from(COMMANDS),
            st.none() | st.tuples(st.sampled_from(KINDS), st.integers(1, 40)),
            st.sampled_from([0.0, 30.0, 3600.0]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0.0, 45.0]),
    st.booleans(),
)
@example(["wrong_leaf", "wrong_leaf"], [("apply", (EventKind.WAITING, 36), 0.0)], 0.0, False)  # noqa: FBT003
def test_every_end_is_what_it_says(
    effects: list[str],
    commands: list[tuple[str, tuple[EventKind, int] | None, float]],
    delay: float,
    busy_at_once: bool,
) -> None:
    """Results agree with the endpoint, holds and records; requests are few; and there is always a way on."""
    stage = Stage()
    stage.world.effects, stage.world.delay, stage.world.busy_at_once = list(effects), delay, busy_at_once
    for command, kill, pause in commands:
        restarts, requests = stage.world.restarts, len(stage.world.requests)
        on_its_way = NAME in stage.records.intents.kept
        if kill is not None:
            stage.kill_at(*kill)
        for result in run(stage, command):
            assert as_promised(stage, result, restarts + on_its_way), (command, result)
        stage.on_event = None
        assert stage.world.restarts - restarts <= 3
        assert len(stage.world.requests) - requests <= 3
        stage.clock.sleep(pause)
        stage.world.move()
    stage.world.effects.clear()
    stage.clock.sleep(3600)
    stage.world.move()
    if stage.world.shown.up and stage.world.shown.devices_accepted:
        ends = {Outcome.UNCHANGED, Outcome.CONVERGED, Outcome.ROLLED_BACK}
        if _was_rolling_back(stage):  # which may have gone wrong, and is judged first
            ends.add(Outcome.BROKEN)
        assert stage.apply(release=True, unsafe_replace_foreign=True).outcome in ends
        assert stage.apply(release=True, unsafe_replace_foreign=True).outcome.good


def _was_rolling_back(stage: Stage) -> bool:
    intent = stage.records.intents.kept.get(NAME)
    return intent is not None and intent.action is Action.ROLLBACK
