"""Whole runs on one instance, in pretended time: the way there, every end, and going on after a kill."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import DeniedError, ServiceError, UnansweredError
from provisioner.model.certificate import Profile
from provisioner.model.desired import CanaryPolicy, ClientsPolicy, RollbackTarget
from provisioner.model.event import Event, EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import Edition, Mode, Status
from provisioner.model.intent import Action
from provisioner.model.outcome import Outcome
from provisioner.model.plan import StepKind
from tests.fakes.stage import NAME, Killed, Stage, wanted
from tests.fakes.world import ALIBABA


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box."""
    return Stage()


@pytest.fixture
def switched(stage: Stage) -> Stage:
    """Return an instance that serves our certificate in mutual mode."""
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.events.clear()
    stage.hosting.calls.clear()
    stage.world.calls.clear()
    return stage


def test_a_first_switch_converges_with_evidence(stage: Stage) -> None:
    """Issue, host, switch, wait and verify end converged, with what the wire showed."""
    result = stage.apply()
    assert (result.outcome, result.mode, result.fingerprint_sha256) == (Outcome.CONVERGED, Mode.MUTUAL, stage.leaf())
    assert result.hosted_identifier == "1000-cn-hangzhou"
    assert result.outage_seconds == 60.0
    assert result.evidence is not None
    assert result.evidence.readings == 11
    assert [item.anonymous_client_refused for item in result.evidence.addresses] == [True]
    assert stage.hosting.uploads == [f"provisioner-iot-{stage.leaf()[:16]}"]
    assert stage.records.intents.kept == {}


def test_the_second_apply_finds_nothing_to_do(switched: Stage) -> None:
    """A converged instance costs a few reads and no write."""
    assert switched.apply().outcome is Outcome.UNCHANGED
    assert (switched.world.restarts, switched.hosting.uploads[1:], switched.approved[1:]) == (1, [], [])
    assert switched.world.calls == ["ListInstances", "ListCaCertificate", "ListDeviceCertificateByCaSn"]


def test_a_rotation_replaces_the_certificate(switched: Stage) -> None:
    """Another key type leads to a new certificate; the one before is what a rollback would restore."""
    before = switched.leaf()
    switched.rotate()
    result = switched.apply()
    assert (result.outcome, switched.world.restarts) == (Outcome.CONVERGED, 2)
    assert switched.leaf() != before
    previous = switched.records.history.previous(NAME)
    assert previous is not None
    assert (previous.leaf, previous.identifier) == (before, "1000-cn-hangzhou")


@pytest.mark.parametrize("effect", ["wrong_leaf", "anonymous", "devices_refused", "dead"])
def test_a_bad_first_switch_goes_back_to_one_way(stage: Stage, effect: str) -> None:
    """Whatever is wrong after the switch, the endpoint is brought back and the instance put on hold."""
    stage.world.effects = [effect]
    result = stage.apply()
    assert (result.outcome, result.mode, stage.leaf()) == (Outcome.ROLLED_BACK, Mode.ONE_WAY, _sha(ALIBABA))
    assert stage.world.restarts == 2
    assert stage.records.intents.kept == {}
    assert NAME in stage.records.holds.kept
    assert stage.apply().outcome is Outcome.REFUSED


def test_a_rollback_says_why_in_its_result_and_in_the_hold(stage: Stage) -> None:
    """Who finds the instance on hold later reads what was seen, or that a person asked for it."""
    stage.world.effects = ["wrong_leaf"]
    why = f"because settled in a state neither wanted nor the one before: mutual, leaf {_sha(ALIBABA)[:16]}"
    assert stage.apply().message.endswith(f"; on hold, {why}")
    assert stage.records.holds.kept[NAME].reason == f"rolled back to one-way, {why}"
    stage.apply(release=True)
    stage.rollback("one-way")
    assert stage.records.holds.kept[NAME].reason == "rolled back to one-way, as asked"


def test_a_bad_rotation_goes_back_to_the_previous_certificate(switched: Stage) -> None:
    """The previous certificate is restored and verified, the canary included."""
    before = switched.leaf()
    switched.rotate()
    switched.world.effects = ["devices_refused"]
    result = switched.apply()
    assert (result.outcome, result.mode, switched.leaf()) == (Outcome.ROLLED_BACK, Mode.MUTUAL, before)
    assert result.outage_seconds is not None
    assert result.outage_seconds > 120


def test_the_order_of_on_failure_decides(switched: Stage) -> None:
    """One-way first means one-way, also on a rotation."""
    switched.desired = replace(switched.desired, on_failure=(RollbackTarget.ONE_WAY,))
    switched.rotate()
    switched.world.effects = ["wrong_leaf"]
    assert (switched.apply().mode, switched.world.restarts) == (Mode.ONE_WAY, 3)


def test_on_failure_none_leaves_it_and_needs_a_person(stage: Stage) -> None:
    """Without a rollback a failed switch is broken, and nothing more is requested."""
    stage.desired = replace(stage.desired, on_failure=(RollbackTarget.NONE,))
    stage.world.effects = ["wrong_leaf"]
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.BROKEN, 1)


def test_a_rollback_that_fails_too_needs_a_person(stage: Stage) -> None:
    """No further rollback is started from a rollback."""
    stage.world.effects = ["wrong_leaf", "dead"]
    result = stage.apply()
    assert (result.outcome, stage.world.restarts) == (Outcome.BROKEN, 2)
    assert NAME in stage.records.holds.kept


def test_a_rollback_without_effect_is_asked_for_once_more(stage: Stage) -> None:
    """A rollback whose request was not seen to act is repeated once."""
    stage.world.effects = ["wrong_leaf", "no_effect"]
    assert stage.apply().outcome is Outcome.ROLLED_BACK
    assert [state.mode for state in stage.world.requests] == [Mode.MUTUAL, Mode.ONE_WAY, Mode.ONE_WAY]


def test_a_rollback_twice_without_effect_needs_a_person(stage: Stage) -> None:
    """Twice without effect is the end."""
    stage.world.effects = ["wrong_leaf", "no_effect", "no_effect"]
    assert (stage.apply().outcome, len(stage.world.requests)) == (Outcome.BROKEN, 3)


def test_a_switch_that_reverts_is_not_repeated(stage: Stage) -> None:
    """Back in the state before by itself: rolled back, on hold, nothing more requested."""
    stage.world.effects = ["reverts"]
    result = stage.apply()
    assert (result.outcome, len(stage.world.requests), NAME in stage.records.holds.kept) == (
        Outcome.ROLLED_BACK,
        1,
        True,
    )


def test_a_switch_without_effect_fails_and_the_next_run_asks_again(stage: Stage) -> None:
    """No effect is exit 6 with the intent open; the next apply looks and then asks once more."""
    stage.world.effects = ["no_effect"]
    assert (stage.apply().outcome, stage.records.intents.kept[NAME].looked_through) == (Outcome.FAILED, True)
    assert (stage.apply().outcome, len(stage.world.requests), len(stage.hosting.uploads)) == (
        Outcome.CONVERGED,
        2,
        1,
    )
    assert stage.records.intents.kept == {}


def test_a_stuck_instance_is_extended_once_and_then_needs_a_person(stage: Stage) -> None:
    """Down and not in service at the extended deadline: nothing is requested, a person is called."""
    stage.world.effects = ["stuck"]
    result = stage.apply()
    assert (result.outcome, len(stage.world.requests)) == (Outcome.BROKEN, 1)
    assert len(stage.told(EventKind.EXTENDED)) == 1


def test_resume_after_a_stuck_restart_judges_anew(stage: Stage) -> None:
    """An instance that came back after all is verified by resume, and the hold lifted."""
    stage.world.effects = ["stuck"]
    stage.apply()
    stage.world.status = Status.IN_SERVICE
    stage.world.shown.up = True
    stage.world.shown.asks = True
    assert [item.outcome for item in stage.resume()] == [Outcome.CONVERGED]
    assert stage.records.holds.kept == {}


def test_a_rejected_switch_changes_nothing(stage: Stage) -> None:
    """The service's no closes the intent and ends in exit 6."""
    stage.world.effects = ["rejected"]
    assert (stage.apply().outcome, stage.records.intents.kept, stage.world.restarts) == (Outcome.FAILED, {}, 0)


def test_a_lost_answer_of_the_switch_is_looked_for(stage: Stage) -> None:
    """A request without answer that landed is verified on the wire and not repeated."""
    stage.world.effects = ["lost_answer"]
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.CONVERGED, 1)


def test_a_lost_request_is_not_repeated_blindly(stage: Stage) -> None:
    """A request that never arrived is looked for through effect_within, and the run fails without repeating it."""
    stage.world.effects = ["lost_request"]
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.FAILED, 0)


@pytest.mark.parametrize("trouble", ["lost_answer", "lost_request"])
def test_an_upload_without_answer_leads_to_one_copy(stage: Stage, trouble: str) -> None:
    """A lost answer leads to looking; a lost request to an error, and the next run uploads."""
    stage.hosting.arm(trouble)
    first = stage.apply().outcome
    assert first is (Outcome.CONVERGED if trouble == "lost_answer" else Outcome.FAILED)
    assert stage.apply().outcome.good
    assert (len(stage.hosting.uploads), len(stage.pki.issued), stage.world.restarts) == (1, 1, 1)


def kill_at(stage: Stage, kind: EventKind, count: int = 1) -> None:
    """Kill the run at the so-many-th event of a kind."""
    seen = 0

    def hear(event: Event) -> None:
        nonlocal seen
        seen += event.kind is kind
        if seen == count and event.kind is kind:
            stage.on_event = None
            raise Killed

    stage.on_event = hear


def test_a_kill_before_the_request_leads_to_one_switch(stage: Stage) -> None:
    """Killed with the intent recorded and nothing sent: looked for through effect_within, then sent once."""
    kill_at(stage, EventKind.REQUESTED)
    with pytest.raises(Killed):
        stage.apply()
    began = stage.clock.monotonic()
    assert stage.apply().outcome is Outcome.CONVERGED
    assert stage.clock.monotonic() - began > stage.desired.waiting.effect_within.total_seconds()
    assert (stage.world.restarts, len(stage.hosting.uploads)) == (1, 1)


@pytest.mark.parametrize("count", [1, 5, 20, 25])
def test_a_kill_during_the_wait_leads_to_one_switch(stage: Stage, count: int) -> None:
    """Killed while waiting: the next run goes on waiting and verifies."""
    kill_at(stage, EventKind.WAITING, count)
    with pytest.raises(Killed):
        stage.apply()
    assert stage.records.intents.kept[NAME].action is Action.SWITCH
    assert stage.apply().outcome is Outcome.CONVERGED
    assert (stage.world.restarts, len(stage.hosting.uploads), stage.records.intents.kept) == (1, 1, {})


@pytest.mark.parametrize("kind", [EventKind.ISSUED, EventKind.HOSTED])
def test_a_kill_between_steps_issues_and_uploads_once(stage: Stage, kind: EventKind) -> None:
    """What lies in the key store and in the service is found again."""
    kill_at(stage, kind)
    with pytest.raises(Killed):
        stage.apply()
    assert stage.apply().outcome is Outcome.CONVERGED
    assert (len(stage.pki.issued), len(stage.hosting.uploads), stage.world.restarts) == (1, 1, 1)


@pytest.mark.parametrize(("kind", "count"), [(EventKind.ROLLING_BACK, 1), (EventKind.REQUESTED, 2)])
def test_a_kill_in_a_rollback_is_carried_on(stage: Stage, kind: EventKind, count: int) -> None:
    """Killed at the rollback's begin: the next run rolls back."""
    stage.world.effects = ["wrong_leaf"]
    kill_at(stage, kind, count)
    with pytest.raises(Killed):
        stage.apply()
    assert (stage.apply().outcome, stage.world.restarts, stage.leaf()) == (Outcome.ROLLED_BACK, 2, _sha(ALIBABA))


def test_a_kill_while_the_endpoint_reverts_is_not_taken_for_no_effect(stage: Stage) -> None:
    """The record knows that the restart had begun, so the next run doesn't ask again."""
    stage.world.effects = ["reverts"]
    kill_at(stage, EventKind.WAITING, 5)
    with pytest.raises(Killed):
        stage.apply()
    assert (stage.apply().outcome, len(stage.world.requests)) == (Outcome.ROLLED_BACK, 1)


def test_release_lifts_the_hold_and_tries_again(stage: Stage) -> None:
    """A person who knows why says so, and the same certificate is taken again."""
    stage.world.effects = ["wrong_leaf"]
    stage.apply()
    assert stage.apply(release=True).outcome is Outcome.CONVERGED
    assert (len(stage.hosting.uploads), stage.records.holds.kept) == (1, {})


def test_a_changed_specification_lifts_the_hold(stage: Stage) -> None:
    """A hold is about a specification; another one is another matter."""
    stage.world.effects = ["wrong_leaf"]
    stage.apply()
    stage.rotate()
    assert stage.apply().outcome is Outcome.CONVERGED


def test_rollback_to_one_way_converges_and_holds(switched: Stage) -> None:
    """A person's rollback that reaches its target is a success, and holds."""
    result = switched.rollback("one-way")
    assert (result.outcome, result.mode, switched.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 2)
    assert NAME in switched.records.holds.kept


def test_rollback_goes_to_the_previous_certificate_first(switched: Stage) -> None:
    """Without --to the recorded previous certificate is taken."""
    before = switched.leaf()
    switched.rotate()
    switched.apply()
    assert (switched.rollback().outcome, switched.leaf()) == (Outcome.CONVERGED, before)


def test_rollback_to_an_identifier(switched: Stage) -> None:
    """Any hosted certificate can be named."""
    before = switched.leaf()
    switched.rotate()
    switched.apply()
    assert (switched.rollback("1000-cn-hangzhou").outcome, switched.leaf()) == (Outcome.CONVERGED, before)


def test_rollback_of_an_endpoint_that_is_there_requests_nothing(stage: Stage) -> None:
    """Nothing is restarted for a state that is there."""
    assert (stage.rollback("one-way").outcome, stage.world.requests) == (Outcome.CONVERGED, [])


def test_rollback_takes_over_a_restart_in_flight(stage: Stage) -> None:
    """Killed while waiting, then rolled back: the rollback waits for status 5 and brings the endpoint back."""
    kill_at(stage, EventKind.WAITING, 3)
    with pytest.raises(Killed):
        stage.apply()
    result = stage.rollback()
    assert (result.outcome, result.mode, stage.world.restarts) == (Outcome.CONVERGED, Mode.ONE_WAY, 2)


def test_rollback_does_not_believe_a_state_that_an_open_request_may_change(stage: Stage) -> None:
    """With a request in flight that has not begun to act, being one-way proves nothing."""
    kill_at(stage, EventKind.REQUESTED)
    with pytest.raises(Killed):
        stage.apply()
    began = stage.clock.monotonic()
    assert stage.rollback("one-way").outcome is Outcome.CONVERGED
    assert stage.clock.monotonic() - began >= stage.desired.waiting.effect_within.total_seconds()
    assert (stage.world.requests, stage.records.intents.kept) == ([], {})


def test_an_attended_switch_waits_for_the_person(stage: Stage) -> None:
    """With nobody acting the run ends waiting; resume goes on once the wire shows it."""
    stage = Stage(attended=True)
    assert stage.apply().outcome is Outcome.WAITING
    stage.world.act(stage.records.intents.kept[NAME].target)
    assert [item.outcome for item in stage.resume()] == [Outcome.CONVERGED]
    assert stage.told(EventKind.INSTRUCTED)


def test_an_attended_rollback_that_nobody_does_is_broken() -> None:
    """An attended rollback not done by its deadline needs a person."""
    stage = Stage(attended=True)

    def act_once(event: Event) -> None:
        if event.kind is EventKind.INSTRUCTED:
            stage.on_event = None
            stage.world.act(stage.records.intents.kept[NAME].target, "wrong_leaf")

    stage.on_event = act_once
    assert stage.apply().outcome is Outcome.BROKEN


def reasons(stage: Stage, **permissions: bool) -> list[str]:
    """Return why apply refuses."""
    return [item.reason for item in stage.plan(**permissions).refusals]


@pytest.mark.parametrize("edition", [Edition.BASIC, Edition.PAY_AS_YOU_GO, Edition.LIGHTWEIGHT, Edition.SERVERLESS])
def test_other_editions_are_refused(stage: Stage, edition: Edition) -> None:
    """Only platinum and professional have mutual authentication."""
    stage.world.edition = edition
    assert (reasons(stage), stage.apply().outcome) == (["edition"], Outcome.REFUSED)
    assert (stage.pki.issued, stage.hosting.uploads, stage.world.requests) == ([], [], [])


def test_professional_warns(stage: Stage) -> None:
    """The documents disagree about professional, so it warns and goes on."""
    stage.world.edition = Edition.PROFESSIONAL
    assert "edition-professional" in [item.reason for item in stage.plan().findings]
    assert stage.apply().outcome is Outcome.CONVERGED


def test_several_refusals_are_told_at_once(stage: Stage) -> None:
    """All checks are asked, whatever the first ones find."""
    stage.world.edition = Edition.BASIC
    stage.world.status = Status.FROZEN
    stage.world.device_cas = ()
    stage.respecify(dns_names=("other.example.com",))
    assert reasons(stage) == ["edition", "not-in-service", "names-miss-endpoint", "no-device-ca"]


def test_no_device_ca_refuses_unless_allowed(stage: Stage) -> None:
    """A switch after which nobody could log in needs the unsafe permission."""
    stage.world.device_cas = (replace(stage.world.device_cas[0], active=False),)
    assert reasons(stage) == ["no-device-ca"]
    assert reasons(stage, unsafe_allow_lockout=True) == []


def test_an_expired_device_ca_lets_nobody_in(stage: Stage) -> None:
    """An active CA out of its dates is none."""
    past = stage.clock.now() - timedelta(days=1)
    stage.world.device_cas = (replace(stage.world.device_cas[0], valid_until=past),)
    assert reasons(stage) == ["no-device-ca"]


def test_unknowable_device_cas_refuse_unless_allowed(stage: Stage) -> None:
    """Where the service won't say, that is said, and refused likewise."""
    stage.world.device_cas_error = DeniedError("InstancePermissionCheckFailed")
    assert reasons(stage) == ["device-cas-unknown"]
    assert stage.apply(unsafe_allow_lockout=True).outcome is Outcome.CONVERGED


def test_a_foreign_certificate_is_not_replaced_by_yes(switched: Stage) -> None:
    """A mutual endpoint with somebody else's certificate needs the unsafe permission."""
    switched.world.shown.der = b"foreign"
    switched.pki.stranger(b"foreign")
    assert reasons(switched) == ["foreign-certificate"]
    assert switched.apply(unsafe_replace_foreign=True).outcome is Outcome.CONVERGED


def test_a_changed_key_type_and_dropped_names_are_asked_about(switched: Stage) -> None:
    """What might cut off devices is a question, not a refusal."""
    names = ("mqtt-1.mqtt.aliyuncs.com",)
    switched.rotate()
    switched.respecify(dns_names=names)
    assert [item.reason for item in switched.plan().questions] == ["names-dropped", "key-type-changes"]


def test_a_canary_that_cannot_log_in_before_refuses(stage: Stage) -> None:
    """A login that fails before the switch could not be told from one that the switch broke."""
    stage.desired = replace(stage.desired, canary=CanaryPolicy(configured=True, logs_in=True))
    stage.world.shown.devices_accepted = False
    assert reasons(stage) == ["canary-fails-before"]


def test_an_endpoint_that_is_down_is_not_touched(stage: Stage) -> None:
    """Nobody could tell afterwards what changed."""
    stage.world.shown.up = False
    assert (reasons(stage), stage.apply().outcome) == (["endpoint-unclear"], Outcome.REFUSED)


def test_a_due_certificate_is_renewed(switched: Stage) -> None:
    """Within renew_before of its expiry, apply makes and switches to a new one."""
    switched.clock.sleep(timedelta(days=441).total_seconds())
    assert [step.kind for step in switched.plan().steps] == [StepKind.ISSUE, StepKind.HOST, StepKind.SWITCH]
    assert switched.apply().outcome is Outcome.CONVERGED


def test_going_back_to_one_way_by_configuration(switched: Stage) -> None:
    """Wanting one-way is a switch like any other."""
    switched.desired = replace(switched.desired, mode=Mode.ONE_WAY)
    result = switched.apply()
    assert (result.outcome, result.mode) == (Outcome.CONVERGED, Mode.ONE_WAY)
    assert switched.apply().outcome is Outcome.UNCHANGED


def test_a_plan_has_a_stable_digest_and_changes_nothing(stage: Stage) -> None:
    """The same observation gives the same digest at another time; planning writes nothing."""
    first = stage.plan().digest
    stage.clock.sleep(3600)
    assert stage.plan().digest == first
    stage.rotate()
    assert stage.plan().digest != first
    assert (stage.pki.issued, stage.hosting.uploads, stage.world.requests) == ([], [], [])


def test_a_run_that_is_asked_to_stop_leaves_a_resumable_request(stage: Stage) -> None:
    """Another run's request to stop is heeded at the next look."""

    def ask(event: Event) -> None:
        if event.kind is EventKind.WAITING:
            stage.records.locks.ask_to_stop(NAME, "run-9")

    stage.on_event = ask
    assert stage.apply().outcome is Outcome.INTERRUPTED
    stage.on_event = None
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.CONVERGED, 1)


def test_a_configuration_without_canary_says_what_is_not_proven() -> None:
    """Without a canary the evidence says that a login was not proven."""
    stage = Stage(wanted(canary=CanaryPolicy()))
    result = stage.apply()
    assert result.evidence is not None
    assert "no canary is configured: that a device can log in was not proven" in result.evidence.notes


def _sha(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def awaiting(stage: Stage, *, rollback: bool, share: float = 1.0) -> None:
    """Let three device clients be awaited, two of which are online."""
    stage.desired = replace(stage.desired, clients=ClientsPolicy(("a", "b", "sleeper"), share, rollback))
    stage.world.online_clients = {"a", "b", "stranger"}


def test_clients_that_were_online_are_awaited(stage: Stage) -> None:
    """Only those online before the switch count, and the evidence names nobody when all are back."""
    awaiting(stage, rollback=True)
    result = stage.apply()
    assert (result.outcome, [item.reason for item in result.findings]) == (Outcome.CONVERGED, [])
    assert result.evidence is not None
    assert result.evidence.missing_clients == ()


@pytest.mark.parametrize(("rollback", "outcome"), [(False, Outcome.CONVERGED), (True, Outcome.ROLLED_BACK)])
def test_missing_clients_warn_or_lead_back(stage: Stage, rollback: bool, outcome: Outcome) -> None:
    """After the deadline a client that did not come back is named, or the endpoint is taken back."""
    awaiting(stage, rollback=rollback)
    stage.world.on_request = lambda: stage.world.online_clients.discard("b")
    result = stage.apply()
    assert (result.outcome, stage.world.restarts) == (outcome, 2 if rollback else 1)
    if not rollback:
        assert [item.reason for item in result.findings] == ["clients-missing"]
        assert result.evidence is not None
        assert result.evidence.missing_clients == ("b",)


def test_a_share_of_the_clients_may_be_enough(stage: Stage) -> None:
    """With half of them wanted, one of two is enough, and nobody is waited for any longer."""
    awaiting(stage, rollback=True, share=0.5)
    stage.world.on_request = lambda: stage.world.online_clients.discard("b")
    began = stage.clock.now()
    assert stage.apply().outcome is Outcome.CONVERGED
    assert stage.clock.now() - began < timedelta(minutes=5)


@pytest.mark.parametrize(
    "error",
    [
        UnansweredError("BatchQuerySessionByClientIds: no answer", action="BatchQuerySessionByClientIds"),
        DeniedError("BatchQuerySessionByClientIds: not allowed", action="BatchQuerySessionByClientIds"),
    ],
)
def test_clients_that_nobody_can_ask_for_are_not_missing(stage: Stage, error: ServiceError) -> None:
    """A service that can't say who is back is no reason to cut everybody off once more; the result says so."""
    awaiting(stage, rollback=True)

    def silence() -> None:
        stage.world.sessions_error = error

    stage.world.on_request = silence
    result = stage.apply()
    assert (result.outcome, stage.world.restarts, stage.records.holds.kept) == (Outcome.CONVERGED, 1, {})
    asked = "whether 2 of 2 clients that were online before the switch are back could not be known"
    told = result.findings[-1]
    assert (told.reason, told.message) == ("clients-unknown", f"{asked} ({error.message}): a, b")


@pytest.mark.parametrize("percent", [1, 7, 28, 55, 56, 100])
def test_the_very_share_of_the_clients_is_enough(stage: Stage, percent: int) -> None:
    """Fifty-five of a hundred are 55 percent, whatever binary fractions make of that."""
    clients = tuple(f"GID_x@@@{number}" for number in range(100))
    stage.desired = replace(stage.desired, clients=ClientsPolicy(clients, percent / 100, rollback=True))
    stage.world.online_clients = set(clients)

    def lose() -> None:
        stage.world.online_clients = set(clients[:percent])

    stage.world.on_request = lose
    assert stage.apply().outcome is Outcome.CONVERGED


def test_clients_are_awaited_by_the_run_that_goes_on(stage: Stage) -> None:
    """Who was online is recorded with the request, so that a run after a kill awaits the same clients."""
    awaiting(stage, rollback=False)
    stage.on_event = _kill_while_waiting
    with pytest.raises(Killed):
        stage.apply()
    stage.on_event = None
    stage.world.online_clients = {"a"}
    result = stage.apply()
    assert result.evidence is not None
    assert result.evidence.missing_clients == ("b",)


def _kill_while_waiting(event: Event) -> None:
    if event.kind is EventKind.WAITING:
        raise Killed


def test_a_failed_rehearsal_is_refused_before_any_upload(stage: Stage) -> None:
    """What a client on loopback does not accept is never hosted."""
    stage.rehearsal.failure = "hostname mismatch"
    result = stage.apply()
    assert (result.outcome, stage.hosting.uploads, stage.world.requests) == (Outcome.REFUSED, [], [])
    assert [item.reason for item in result.findings if item.severity is Severity.REFUSAL] == ["rehearsal-failed"]


@pytest.mark.parametrize(("profile", "outcome"), [("strict", Outcome.REFUSED), ("guide", Outcome.CONVERGED)])
def test_what_strict_clients_object_to_depends_on_the_profile(stage: Stage, profile: str, outcome: Outcome) -> None:
    """With the strict profile it refuses, with the guide's it warns."""
    stage.respecify(profile=Profile(profile))
    stage.rehearsal.strict_failure = "key usage keyCertSign invalid for non-CA cert"
    result = stage.apply()
    assert result.outcome is outcome
    assert "rehearsal-strict" in [item.reason for item in result.findings]
