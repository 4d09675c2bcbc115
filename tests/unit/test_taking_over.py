"""Taking over: rollbacks by a person, and going on with what an earlier run has left, without a needless restart."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import RefusedError, UnansweredError
from provisioner.model.certificate import HostedCertificate
from provisioner.model.desired import RollbackTarget
from provisioner.model.event import EventKind
from provisioner.model.instance import EndpointState, Mode, Status
from provisioner.model.intent import Action, Hold
from provisioner.model.outcome import Outcome
from provisioner.planning.checks import Permissions
from provisioner.runs.rollback import Rollback
from tests.fakes.memory import MemoryHolds, MemoryHosting
from tests.fakes.stage import NAME, Killed, Stage, one_way
from tests.fakes.world import ADDRESS, ALIBABA, Shown


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box."""
    return Stage()


@pytest.fixture
def switched(stage: Stage) -> Stage:
    """Return an instance that serves our certificate in mutual mode."""
    assert stage.apply().outcome is Outcome.CONVERGED
    return stage


def killed(stage: Stage, kind: EventKind, count: int = 1) -> None:
    """Run ``apply`` and kill it at the so-many-th event of a kind."""
    stage.kill_at(kind, count)
    with pytest.raises(Killed):
        stage.apply()


def test_a_rollback_judges_by_what_it_meets_once_the_instance_is_back(stage: Stage) -> None:
    """Taken over during a restart in a slow cloud, the state that came out of it is the one before the rollback."""
    killed(stage, EventKind.WAITING, 3)
    stage.world.delay = 45.0
    result = stage.rollback()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 2)


def test_a_rollback_in_the_midst_of_a_restart_that_the_status_hides_is_not_given_up(switched: Stage) -> None:
    """A state that comes out of the restart before is not what the rollback made."""
    switched.world.delay, switched.world.shown = 120.0, replace(switched.world.shown, up=False)

    def come_back() -> None:
        if switched.world.requests[1:] and switched.world.restarts == 1:
            switched.world.shown = replace(switched.world.shown, up=True)

    switched.clock.sleepers.append(come_back)
    result = switched.rollback("one-way")
    assert (result.outcome, result.mode, switched.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 2)


@pytest.mark.parametrize(("kind", "count"), [(EventKind.ROLLING_BACK, 1), (EventKind.REQUESTED, 2)])
def test_a_rollback_that_was_not_sent_yet_is_sent_once(stage: Stage, kind: EventKind, count: int) -> None:
    """Killed before the request left: a person's rollback to the same state leads to one restart."""
    stage.world.effects = ["wrong_leaf"]
    killed(stage, kind, count)
    assert (stage.rollback().outcome, stage.world.restarts, stage.leaf()) == (Outcome.CONVERGED, 2, one_way().leaf)


@pytest.mark.parametrize("pause", [0.0, 3600.0])
def test_a_rollback_on_its_way_is_taken_over_and_not_repeated(stage: Stage, pause: float) -> None:
    """What was asked for already, under way or long there, is followed to its end and not asked for again."""
    stage.world.effects = ["wrong_leaf"]
    killed(stage, EventKind.WAITING, 35)
    intent = stage.records.intents.kept[NAME]
    assert (intent.action, stage.world.restarts) == (Action.ROLLBACK, 2)
    stage.clock.sleep(pause)
    result = stage.rollback("one-way")
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 2)
    assert (list(stage.records.intents.kept), list(stage.records.holds.kept)) == ([], [NAME])


def test_a_switch_to_the_same_certificate_is_taken_over(switched: Stage) -> None:
    """A rollback to the certificate that is on its way already waits for it."""
    switched.rotate()
    killed(switched, EventKind.WAITING, 25)
    target = switched.records.intents.kept[NAME].target
    result = switched.rollback(target.identifier)
    assert (result.outcome, result.fingerprint_sha256, switched.world.restarts) == (Outcome.CONVERGED, target.leaf, 2)


def test_a_change_that_went_back_by_itself_is_not_gone_back_from(stage: Stage) -> None:
    """Where the restart is over and the endpoint is where it should go back to, nothing is requested."""
    stage.world.effects = ["reverts"]
    killed(stage, EventKind.WAITING, 3)
    result = stage.rollback("one-way")
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 1)
    assert result.evidence is not None
    assert result.evidence.readings >= stage.desired.waiting.readings


def test_an_endpoint_that_asks_without_requiring_is_not_back_at_one_way(switched: Stage) -> None:
    """It still serves our certificate, so a person's rollback to one-way is asked for."""
    switched.world.shown = replace(switched.world.shown, mutual=False)
    result = switched.rollback("one-way")
    assert (result.outcome, result.fingerprint_sha256, switched.world.restarts) == (
        Outcome.CONVERGED,
        one_way().leaf,
        2,
    )


def test_an_attended_change_of_mind_costs_no_waiting() -> None:
    """A person who has not clicked need not wait for the effect of it."""
    stage = Stage(attended=True)
    assert stage.apply().outcome is Outcome.WAITING
    began = stage.clock.monotonic()
    assert stage.rollback("one-way").outcome is Outcome.CONVERGED
    assert stage.clock.monotonic() - began < stage.desired.waiting.effect_within.total_seconds() / 2


def bad_rotation(stage: Stage, *effects: str) -> str:
    """Rotate badly and return the leaf before; the effects after the first are those of the rollback's requests."""
    before = stage.leaf()
    stage.rotate()
    stage.world.effects = ["devices_refused", *effects]
    stage.apply()
    return before


def test_the_default_is_where_an_unfinished_rollback_was_going(switched: Stage) -> None:
    """After a rollback that did not come to its end, the previous certificate is still the previous certificate."""
    before = bad_rotation(switched, "no_effect", "no_effect")
    assert switched.records.intents.kept[NAME].action is Action.ROLLBACK
    result = switched.rollback()
    assert (result.outcome, result.mode, switched.leaf()) == (Outcome.CONVERGED, Mode.MUTUAL, before)


def test_the_default_after_a_switch_that_was_left_as_it_is(switched: Stage) -> None:
    """With on_failure none the state before the failed switch stays on record."""
    switched.rotate()
    assert switched.apply().outcome is Outcome.CONVERGED
    switched.desired = replace(switched.desired, on_failure=(RollbackTarget.NONE,))
    before = switched.leaf()
    switched.respecify(valid_for=timedelta(days=400), dns_names=("*.mqtt.aliyuncs.com", "a.example.com"))
    switched.world.effects = ["devices_refused"]
    assert switched.apply().outcome is Outcome.BROKEN
    assert (switched.rollback().outcome, switched.leaf()) == (Outcome.CONVERGED, before)


def test_what_was_left_as_it_is_can_be_resumed(stage: Stage) -> None:
    """A person who has mended the endpoint has it judged anew."""
    stage.desired = replace(stage.desired, on_failure=(RollbackTarget.NONE,))
    stage.world.effects = ["devices_refused"]
    assert stage.apply().outcome is Outcome.BROKEN
    stage.world.shown = replace(stage.world.shown, devices_accepted=True)
    assert [item.outcome for item in stage.resume()] == [Outcome.CONVERGED]


def test_a_second_rollback_finds_the_first_one_done(switched: Stage) -> None:
    """Repeating the command goes no further back."""
    before = switched.leaf()
    switched.rotate()
    switched.apply()
    assert (switched.rollback().outcome, switched.rollback().outcome) == (Outcome.CONVERGED, Outcome.CONVERGED)
    assert (switched.leaf(), switched.world.restarts) == (before, 3)


def test_a_rollback_after_an_automatic_one_finds_it_done(switched: Stage) -> None:
    """The certificate that the endpoint was taken back to is where a rollback goes."""
    before = bad_rotation(switched)
    assert (switched.rollback().outcome, switched.leaf(), switched.world.restarts) == (Outcome.CONVERGED, before, 3)


def test_an_expired_previous_certificate_is_not_gone_back_to(switched: Stage) -> None:
    """The default goes to one-way then; the certificate by name is refused."""
    switched.rotate()
    switched.apply()
    switched.clock.sleep(timedelta(days=501).total_seconds())
    with pytest.raises(RefusedError, match="expired"):
        switched.rollback("previous-certificate")
    assert switched.rollback().mode is Mode.ONE_WAY


class Unreachable(MemoryHosting):
    """Hosted certificates that can't be asked for by identifier."""

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Fail."""
        raise UnansweredError("GetUserCertificateDetail: no usable answer", action="GetUserCertificateDetail")


def test_a_hosting_service_that_cannot_be_asked_does_not_lead_to_one_way(switched: Stage) -> None:
    """The previous certificate was served until now: that is the better bet than Alibaba's."""
    kept = switched.hosting.kept
    switched.hosting = Unreachable(switched.pki)
    switched.hosting.kept = kept
    before = switched.leaf()
    switched.rotate()
    switched.world.effects = ["dead"]
    switched.world.certificates = _ByIdentifier(switched, kept)
    assert (switched.apply().outcome, switched.leaf()) == (Outcome.ROLLED_BACK, before)


class _ByIdentifier(dict[str, bytes]):
    """Finds the bytes of a hosted certificate without asking the service."""

    def __init__(self, stage: Stage, kept: list[HostedCertificate]) -> None:
        super().__init__()
        self._stage, self._kept = stage, kept

    def __getitem__(self, identifier: str) -> bytes:
        sha256 = next(item.sha256 for item in self._kept if item.identifier == identifier)
        return next(der for der, leaf in self._stage.pki.known.items() if leaf.sha256 == sha256)


def test_an_instance_that_does_not_exist_is_refused(stage: Stage) -> None:
    """Nobody waits an hour for a misspelt instance to come into service, and it is not put on hold."""
    stage.desired = replace(stage.desired, id="mqtt-2")
    with pytest.raises(RefusedError, match="mqtt-2 is not in region"):
        stage.rollback("one-way")
    assert (stage.clock.monotonic(), stage.records.holds.kept) == (0.0, {})


class Dying(MemoryHolds):
    """Holds of a process that is killed before the first is written."""

    def put(self, hold: Hold) -> None:
        """Die once."""
        self.put = super().put  # type: ignore[method-assign]
        raise Killed


@pytest.mark.parametrize("effect", ["wrong_leaf", "reverts"])
def test_a_kill_before_the_hold_does_not_lose_it(stage: Stage, effect: str) -> None:
    """The record of the request outlives the rollback until the hold is there, so nothing is tried again."""
    stage.world.effects, stage.records.holds = [effect], Dying()
    with pytest.raises(Killed):
        stage.apply()
    restarts = stage.world.restarts
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.ROLLED_BACK, restarts)
    assert list(stage.records.holds.kept) == [NAME]


def test_a_kill_before_the_hold_of_a_rollback_that_found_nothing_to_do(stage: Stage) -> None:
    """The same for a rollback to where the endpoint is: the request before it stays on record."""
    stage.world.effects = ["no_effect"]
    stage.apply()
    stage.records.holds = Dying()
    with pytest.raises(Killed):
        stage.rollback("one-way")
    assert list(stage.records.intents.kept) == [NAME]


def test_a_late_rollback_is_not_asked_for_again(stage: Stage) -> None:
    """Resumed after its effect came at last, a rollback that had been given up is verified."""
    stage.world.effects = ["wrong_leaf", "no_effect", "no_effect"]
    assert stage.apply().outcome is Outcome.BROKEN
    stage.world.shown = Shown(ALIBABA, mutual=False)
    requests = len(stage.world.requests)
    assert [item.outcome for item in stage.resume()] == [Outcome.ROLLED_BACK]
    assert len(stage.world.requests) == requests


def test_a_rollback_twice_without_effect_is_sent_again_by_command_alone(stage: Stage) -> None:
    """Resuming looks again; asking again is for a person, who is asked first."""
    stage.world.effects = ["wrong_leaf", "no_effect", "no_effect"]
    stage.apply()
    assert [item.outcome for item in stage.resume()] == [Outcome.BROKEN]
    assert (len(stage.world.requests), stage.rollback().outcome, len(stage.world.requests)) == (
        3,
        Outcome.CONVERGED,
        4,
    )


@pytest.mark.parametrize("effect", ["dead", "wrong_leaf", "stuck"])
def test_a_rollback_that_failed_is_sent_again_by_command(stage: Stage, effect: str) -> None:
    """What a run has waited for in vain, a person's rollback to the same state asks for anew."""
    stage.world.effects = ["devices_refused", effect]
    assert stage.apply().outcome is Outcome.BROKEN
    stage.world.status = Status.IN_SERVICE
    assert [item.outcome for item in stage.resume()] == [Outcome.BROKEN]
    assert len(stage.world.requests) == 2
    result = stage.rollback("one-way")
    assert (result.outcome, result.mode, len(stage.world.requests)) == (Outcome.CONVERGED, Mode.ONE_WAY, 3)
    assert (list(stage.records.intents.kept), list(stage.records.holds.kept)) == ([], [NAME])


def test_a_rollback_that_was_given_up_while_the_instance_works_is_followed(stage: Stage) -> None:
    """An instance that is not in service is at work on what was asked for, and nothing is asked of it again."""
    stage.world.effects = ["devices_refused", "stuck"]
    assert stage.apply().outcome is Outcome.BROKEN

    def come_back() -> None:
        if stage.clock.monotonic() > began + 600:
            stage.world.shown, stage.world.status = Shown(ALIBABA, mutual=False), Status.IN_SERVICE

    began = stage.clock.monotonic()
    stage.clock.sleepers.append(come_back)
    assert (stage.rollback("one-way").outcome, len(stage.world.requests)) == (Outcome.CONVERGED, 2)


def test_a_late_bad_effect_leads_back_to_the_state_before_the_request(switched: Stage) -> None:
    """An effect that came after it was given up is judged by the request's record, not taken for the state before."""
    before = switched.leaf()
    switched.rotate()
    switched.world.effects = ["no_effect"]
    assert switched.apply().outcome is Outcome.FAILED
    intent = switched.records.intents.kept[NAME]
    switched.world.act(intent.target, "anonymous")
    switched.clock.sleep(3600)
    result = switched.apply()
    assert (result.outcome, result.mode, switched.leaf()) == (Outcome.ROLLED_BACK, Mode.MUTUAL, before)


def test_a_late_good_effect_is_verified_with_evidence(stage: Stage) -> None:
    """An effect that came after it was given up is settled like any other."""
    stage.world.effects = ["no_effect"]
    stage.apply()
    stage.world.act(stage.records.intents.kept[NAME].target)
    stage.clock.sleep(3600)
    result = stage.apply()
    assert (result.outcome, result.evidence is not None, len(stage.world.requests)) == (Outcome.CONVERGED, True, 1)


def test_release_that_a_check_refuses_keeps_the_record(stage: Stage) -> None:
    """A hold that could not be lifted leaves what was asked for on record."""
    stage.world.effects = ["stuck"]
    assert stage.apply().outcome is Outcome.BROKEN
    assert stage.apply(release=True).outcome is Outcome.REFUSED
    assert (list(stage.records.intents.kept), list(stage.records.holds.kept)) == ([NAME], [NAME])


def test_release_of_a_broken_instance_begins_anew(stage: Stage) -> None:
    """A person has judged what became of the request: it is closed and counts for nothing."""
    stage.world.effects = ["wrong_leaf", "no_effect", "no_effect"]
    assert stage.apply().outcome is Outcome.BROKEN
    stage.world.shown = Shown(ALIBABA, mutual=False)
    assert stage.apply(release=True).outcome is Outcome.CONVERGED
    assert (stage.records.intents.kept, stage.records.holds.kept) == ({}, {})


def test_the_history_goes_back_to_where_a_rollback_went(switched: Stage) -> None:
    """The state before a rollback is the failed one, which nobody goes back to."""
    before = bad_rotation(switched)
    recorded = switched.records.history.previous(NAME)
    assert recorded == EndpointState(Mode.MUTUAL, before, "1000-cn-hangzhou")


def test_a_silent_endpoint_is_not_watched_before_it_is_taken_back(switched: Stage) -> None:
    """Where nothing answers, a person's rollback is asked for at once."""
    switched.world.elsewhere = {ADDRESS: "silent"}
    began = switched.clock.monotonic()
    asked: list[float] = []

    def request() -> None:
        asked.append(switched.clock.monotonic() - began)
        switched.world.elsewhere.clear()

    switched.world.on_request = request
    assert switched.rollback("one-way").outcome is Outcome.CONVERGED
    assert [seconds < 30 for seconds in asked] == [True]


def test_a_rollback_says_whom_every_client_must_trust(switched: Stage) -> None:
    """Nobody is asked for a yes without knowing which devices it cuts off."""
    rollback = Rollback(switched._attempt("rollback", Permissions()), switched.seams(), "one-way")
    there = EndpointState(Mode.MUTUAL, switched.leaf(), "1000-cn-hangzhou")
    assert [rollback.trust(rollback.target()), rollback.trust(there)] == [
        "every client must trust the root of Alibaba's own certificate",
        "every client must already trust the CA that issued certificate 1000-cn-hangzhou (Fake CA)",
    ]
