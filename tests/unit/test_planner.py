"""Planning as a pure function: what holds for every instance, whatever it serves and whatever is wanted."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.certificate import KeyType, Profile, Specification
from provisioner.model.desired import CanaryPolicy, Desired, RollbackTarget
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.outcome import Outcome
from provisioner.model.plan import Plan, StepKind
from provisioner.planning.planner import restorable, rollback_target
from tests.fakes.stage import Stage, wanted

PREVIOUS, ONE_WAY, NONE = RollbackTarget.PREVIOUS_CERTIFICATE, RollbackTarget.ONE_WAY, RollbackTarget.NONE
OURS = EndpointState(Mode.MUTUAL, "aa" * 32, "1000-cn-hangzhou")
EVERYTHING = {"release": True, "unsafe_allow_lockout": True, "unsafe_replace_foreign": True}


@dataclass(frozen=True)
class Setting:
    """How an instance is found, and what is wanted of it."""

    served: str
    kept: str
    desired: Desired
    days: int

    def stage(self) -> Stage:
        """Return the instance."""
        stage = Stage()
        if self.served != "out of the box":
            assert stage.apply().outcome is Outcome.CONVERGED
        if self.served == "foreign":
            stage.world.shown.der = b"foreign"
            stage.pki.stranger(b"foreign")
        if self.kept == "issued":
            stage.pki.issue(specification(self.desired))
        if self.kept == "nowhere hosted":
            stage.hosting.kept.clear()
        stage.clock.sleep(timedelta(days=self.days).total_seconds())
        stage.desired = self.desired
        return stage


def specification(desired: Desired) -> Specification:
    """Return the specification of an issued certificate."""
    assert isinstance(desired.specification, Specification)
    return desired.specification


def want(mode: Mode, key: KeyType, profile: Profile, on_failure: tuple[RollbackTarget, ...], canary: bool) -> Desired:
    """Return a desired state."""
    changed = replace(specification(wanted()), key=key, profile=profile)
    policy = CanaryPolicy(configured=canary)
    return wanted(mode=mode, specification=changed, on_failure=on_failure, canary=policy)


SETTINGS = st.builds(
    Setting,
    served=st.sampled_from(["out of the box", "ours", "foreign"]),
    kept=st.sampled_from(["as left", "issued", "nowhere hosted"]),
    desired=st.builds(
        want,
        st.sampled_from(Mode),
        st.sampled_from([KeyType.RSA_2048, KeyType.EC_P256]),
        st.sampled_from(Profile),
        st.sampled_from([(PREVIOUS, ONE_WAY), (ONE_WAY,), (PREVIOUS,), (PREVIOUS, NONE), (NONE,)]),
        st.booleans(),
    ),
    days=st.sampled_from([0, 100, 439, 445, 600]),
)


@settings(deadline=None, max_examples=60)
@given(SETTINGS)
def test_apply_then_plan_plans_nothing(setting: Setting) -> None:
    """Whatever was found, after an apply there is nothing left to do, and a second one writes nothing."""
    stage = setting.stage()
    assert stage.apply(**EVERYTHING).outcome.good
    done = (len(stage.pki.issued), len(stage.hosting.uploads), len(stage.world.requests))
    assert (stage.plan().steps, stage.apply().outcome) == ((), Outcome.UNCHANGED)
    assert (len(stage.pki.issued), len(stage.hosting.uploads), len(stage.world.requests)) == done


@settings(deadline=None, max_examples=60)
@given(SETTINGS)
def test_a_plan_ends_in_the_switch_that_it_is_for(setting: Setting) -> None:
    """Either nothing is planned, or one switch at the end of what makes it ready; one-way needs nothing made."""
    made = setting.stage().plan()
    kinds = [step.kind for step in made.steps]
    assert kinds.count(StepKind.SWITCH) == (1 if kinds else 0)
    assert not kinds or kinds[-1] is StepKind.SWITCH
    assert made.switches == bool(kinds)
    assert made.mode is Mode.MUTUAL or kinds in ([], [StepKind.SWITCH])
    assert all(step.reason for step in made.steps)


@settings(deadline=None, max_examples=60)
@given(SETTINGS)
def test_every_switch_has_a_way_back_or_says_that_it_has_none(setting: Setting) -> None:
    """What the plan calls the way back is where a rollback would go; without one a finding warns."""
    stage = setting.stage()
    made = stage.plan()
    if not made.switches:
        assert (made.undo, made.outage, made.trust) == ("nothing to undo", "none", "")
        return
    valid = stage.pki.read(stage.world.shown.der).not_after > stage.clock.now()
    target = rollback_target(setting.desired, made.previous, previous_valid=valid)
    assert way_back(made) == target
    assert ("no-rollback" in {item.reason for item in made.findings}) == (target is None)
    assert made.trust


def way_back(made: Plan) -> EndpointState | None:
    """Return the state that a plan's words mean."""
    if made.undo.startswith("none: "):
        return None
    if made.undo.startswith("back to one-way "):
        return EndpointState(Mode.ONE_WAY)
    assert made.previous is not None
    assert made.undo == f"back to leaf {(made.previous.leaf or '')[:16]} (another restart)"
    return made.previous


@settings(deadline=None, max_examples=40)
@given(SETTINGS, st.integers(1, 60 * 60))
def test_a_digest_has_no_times(setting: Setting, later: int) -> None:
    """The same plan at another time, made by another run, has the same digest."""
    stage = setting.stage()
    first = stage.plan().digest
    stage.clock.sleep(later)
    assert stage.plan().digest == first


@settings(deadline=None, max_examples=40)
@given(SETTINGS)
def test_a_digest_is_of_one_machine_as_of_another(setting: Setting) -> None:
    """Two machines that see the same agree, before a certificate exists."""
    one, other = setting.stage(), setting.stage()
    assert one.plan().digest == other.plan().digest


@pytest.mark.parametrize(
    "change",
    [
        {"mode": Mode.ONE_WAY},
        {"on_failure": (ONE_WAY,)},
        {"driver": "console"},
        {"id": "mqtt-2"},
        {"region": "cn-shanghai"},
    ],
)
def test_a_digest_is_of_everything_that_is_approved(change: dict[str, object]) -> None:
    """Another target, another driver, another way back: another plan to approve."""
    stage = Stage()
    approved = stage.plan().digest
    stage.desired = replace(stage.desired, **change)  # type: ignore[arg-type]
    assert stage.plan().digest != approved


@pytest.mark.parametrize(
    ("on_failure", "previous", "valid", "expected"),
    [
        ((PREVIOUS, ONE_WAY), OURS, True, OURS),
        ((PREVIOUS, ONE_WAY), OURS, False, EndpointState(Mode.ONE_WAY)),
        ((PREVIOUS, ONE_WAY), None, True, EndpointState(Mode.ONE_WAY)),
        ((PREVIOUS, ONE_WAY), EndpointState(Mode.ONE_WAY, "00"), True, EndpointState(Mode.ONE_WAY)),
        ((PREVIOUS, ONE_WAY), EndpointState(Mode.MUTUAL, "aa"), True, EndpointState(Mode.ONE_WAY)),
        ((PREVIOUS, ONE_WAY), EndpointState(Mode.MUTUAL, None, "1-x"), True, EndpointState(Mode.ONE_WAY)),
        ((ONE_WAY, PREVIOUS), OURS, True, EndpointState(Mode.ONE_WAY)),
        ((PREVIOUS,), OURS, True, OURS),
        ((PREVIOUS,), OURS, False, None),
        ((PREVIOUS,), None, True, None),
        ((PREVIOUS, NONE), OURS, True, OURS),
        ((PREVIOUS, NONE), None, True, None),
        ((NONE,), OURS, True, None),
    ],
)
def test_a_failed_change_goes_back_to_the_first_target_that_applies(
    on_failure: tuple[RollbackTarget, ...], previous: EndpointState | None, valid: bool, expected: EndpointState | None
) -> None:
    """A previous certificate applies while it is valid, hosted, and was in mutual mode; one-way always does."""
    assert rollback_target(wanted(on_failure=on_failure), previous, previous_valid=valid) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (OURS, True),
        (None, False),
        (EndpointState(Mode.ONE_WAY, "aa", "1-x"), False),
        (EndpointState(Mode.MUTUAL, "aa"), False),
        (EndpointState(Mode.MUTUAL, None, "1-x"), False),
    ],
)
def test_only_a_mutual_state_with_a_hosted_copy_can_be_restored(state: EndpointState | None, expected: bool) -> None:
    """Without an identifier nothing could be asked for, and without a leaf nothing be verified."""
    assert restorable(state) is expected


@pytest.mark.parametrize(
    ("kept", "kinds"),
    [
        ("nothing", [StepKind.ISSUE, StepKind.HOST, StepKind.SWITCH]),
        ("a certificate", [StepKind.HOST, StepKind.SWITCH]),
        ("a hosted certificate", [StepKind.SWITCH]),
        ("one of another key type", [StepKind.ISSUE, StepKind.HOST, StepKind.SWITCH]),
        ("one that is due", [StepKind.ISSUE, StepKind.HOST, StepKind.SWITCH]),
    ],
)
def test_what_is_kept_is_used(kept: str, kinds: list[StepKind]) -> None:
    """A kept certificate that will do is not made again, and a hosted one not uploaded again."""
    stage = Stage()
    own = specification(stage.desired)
    if kept in {"a certificate", "one that is due"}:
        stage.pki.issue(own)
    if kept == "one of another key type":
        stage.pki.issue(replace(own, key=KeyType.EC_P256))
    if kept == "one that is due":
        stage.clock.sleep(timedelta(days=441).total_seconds())
    if kept == "a hosted certificate":
        stage.world.effects = ["rejected"]
        assert stage.apply().outcome is Outcome.FAILED
    assert [step.kind for step in stage.plan().steps] == kinds


def test_the_newest_of_two_good_certificates_is_taken() -> None:
    """The one that lasts longest."""
    stage = Stage()
    stage.pki.issue(specification(stage.desired))
    stage.clock.sleep(60)
    newer = stage.pki.issue(specification(stage.desired))
    assert newer.sha256[:16] in stage.plan().steps[-1].subject
    assert (stage.apply().outcome, stage.leaf()) == (Outcome.CONVERGED, newer.sha256)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=61), ""),
        (timedelta(days=60, seconds=1), ""),
        (timedelta(days=60), "it expires in 60 days, and renewal begins 60 days before expiry"),
        (timedelta(days=2), "it expires in 2 days, and renewal begins 60 days before expiry"),
        (timedelta(hours=36), "it expires in 36.0 hours, and renewal begins 60 days before expiry"),
        (timedelta(seconds=1), "it expires in 0.0 hours, and renewal begins 60 days before expiry"),
        (timedelta(0), "it expired on 2027-07-14 02:00 UTC"),
        (-timedelta(days=1), "it expired on 2027-07-14 02:00 UTC"),
    ],
)
def test_a_served_leaf_is_due_within_renew_before_of_its_end(left: timedelta, expected: str) -> None:
    """The boundary itself is due; an expired one says since when; before that nothing is planned."""
    stage = Stage()
    stage.pki.issue(specification(stage.desired))
    assert stage.apply().outcome is Outcome.CONVERGED
    age = timedelta(days=500) - left
    stage.clock.sleep(age.total_seconds() - stage.clock.monotonic())
    reasons = [step.reason for step in stage.plan().steps if step.kind is StepKind.SWITCH]
    assert reasons == ([f"served leaf {stage.leaf()[:16]}: {expected}"] if expected else [])
