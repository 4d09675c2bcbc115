"""The checks one by one: what makes each speak, how gravely, and that it is silent otherwise."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from provisioner.model.certificate import AuthorityFacts, Material, Profile, Specification
from provisioner.model.desired import CanaryPolicy, Desired, RollbackTarget, RotationPolicy, Window
from provisioner.model.event import EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import DeviceCA, Edition, Instance, Mode, Status
from provisioner.model.outcome import Outcome
from provisioner.runs.seams import Seams
from tests.fakes.clock import FakeClock
from tests.fakes.memory import MemoryHosting
from tests.fakes.pki import FakePki
from tests.fakes.stage import NAME, Killed, Stage, wanted
from tests.fakes.world import ALIBABA, CANARY

DAY = timedelta(days=1)


class OddPki(FakePki):
    """An authority and a key store about which something is odd."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.clock)
        self.stranger(ALIBABA)
        self.stranger(CANARY, days=3650)
        self.problems: dict[str, str] = {}
        self.ends_in: timedelta | None = None
        self.objections: tuple[str, ...] = ()

    def authority(self) -> AuthorityFacts:
        """Return the authority, with another end and objections to it."""
        facts = super().authority()
        assert facts is not None
        found = facts.certificate
        if self.ends_in is not None:
            found = replace(found, not_after=self._clock.now() + self.ends_in)
        return replace(facts, certificate=found, objections=self.objections)

    def material(self, certificate_name: str, sha256: str) -> Material | None:
        """Return the material of a kept leaf, with its problems."""
        found = super().material(certificate_name, sha256)
        return None if found is None else replace(found, **self.problems)  # type: ignore[arg-type]


class Elsewhere:
    """Implements ``Instances``: everything is in another region than asked for."""

    def list(self, region: str) -> tuple[Instance, ...]:
        """Return the instance from somewhere else."""
        return (Instance("mqtt-1", "one", "cn-shanghai", Edition.PLATINUM, Status.IN_SERVICE),)


class MovedStage(Stage):
    """A stage whose instance is in another region."""

    def seams(self) -> Seams:
        """Return the ports with another directory."""
        seams = super().seams()
        return replace(seams, reads=replace(seams.reads, instances=Elsewhere()))


@dataclass(frozen=True)
class Said:
    """The findings of a plan by their reason."""

    severities: dict[str, Severity]
    messages: dict[str, str]
    hints: dict[str, str]


def said(stage: Stage, **permissions: bool) -> Said:
    """Return what the checks say of a stage."""
    found = stage.plan(**permissions).findings
    return Said(
        {item.reason: item.severity for item in found},
        {item.reason: item.message for item in found},
        {item.reason: item.hint for item in found},
    )


def specified(**changes: object) -> Desired:
    """Return an ordinary desired state with another specification."""
    specification = wanted().specification
    assert isinstance(specification, Specification)
    return wanted(specification=replace(specification, **changes))  # type: ignore[arg-type]


def switched(desired: Desired | None = None, stage: Stage | None = None) -> Stage:
    """Return an instance that serves our certificate in mutual mode."""
    stage = stage or Stage(desired)
    assert stage.apply().outcome is Outcome.CONVERGED
    return stage


def odd(**changes: object) -> Stage:
    """Return a stage out of the box with something odd about authority or key store."""
    stage = Stage()
    stage.pki = OddPki(stage)
    stage.hosting = MemoryHosting(stage.pki)
    for name, value in changes.items():
        setattr(stage.pki, name, value)
    return stage


def odd_candidate(**problems: object) -> Stage:
    """Return a stage whose key store has a certificate with problems."""
    stage = odd(problems=problems)
    stage.pki.issue(_specification(stage.desired))
    return stage


def world(**changes: object) -> Stage:
    """Return a stage with something odd about the instance."""
    stage = Stage()
    for name, value in changes.items():
        setattr(stage.world, name, value)
    return stage


def canary_fails(stage: Stage) -> Stage:
    """Let every device be refused from now on."""
    stage.world.shown.devices_accepted = False
    return stage


def foreign() -> Stage:
    """Return a mutual instance that serves somebody else's certificate."""
    stage = switched()
    stage.world.shown.der = b"foreign"
    stage.pki.stranger(b"foreign")
    return stage


def no_copy() -> Stage:
    """Return a mutual instance that has to be rotated, its certificate's hosted copy gone."""
    stage = switched()
    stage.rotate()
    stage.hosting.kept.clear()
    return stage


def held() -> Stage:
    """Return an instance on hold."""
    stage = Stage()
    stage.world.effects = ["wrong_leaf"]
    assert stage.apply().outcome is Outcome.ROLLED_BACK
    return stage


def held_before_a_change() -> Stage:
    """Return an instance on hold whose specification has changed since."""
    stage = held()
    stage.rotate()
    return stage


def killed() -> Stage:
    """Return an instance whose last run was killed when it had asked for the switch."""
    stage = Stage()

    def hear(event: object) -> None:
        if getattr(event, "kind", None) is EventKind.REQUESTED:
            stage.on_event = None
            raise Killed

    stage.on_event = hear
    with pytest.raises(Killed):
        stage.apply()
    return stage


def without_effect() -> Stage:
    """Return an instance whose last switch was not seen to act."""
    stage = world(effects=["no_effect"])
    assert stage.apply().outcome is Outcome.FAILED
    return stage


def from_the_future() -> Stage:
    """Return a stage whose kept certificate begins in ten days."""
    stage = Stage()
    stage.clock.sleep(10 * DAY.total_seconds())
    stage.pki.issue(_specification(stage.desired))
    stage.clock = FakeClock()
    return stage


def own_authority_registered() -> Stage:
    """Return a stage where the authority signs devices too."""
    pem = ssl.DER_cert_to_PEM_cert(b"Fake CA")
    return world(
        device_cas=(DeviceCA("01", "ours", active=True, valid_from=None, valid_until=None, certificate_pem=pem),)
    )


def _specification(desired: Desired) -> Specification:
    assert isinstance(desired.specification, Specification)
    return desired.specification


REFUSAL, WARNING, CONFIRM, ALARM, INFO = (
    Severity.REFUSAL,
    Severity.WARNING,
    Severity.CONFIRM,
    Severity.ALARM,
    Severity.INFO,
)


@pytest.mark.parametrize(
    ("arrange", "reason", "severity"),
    [
        (lambda: Stage(wanted(id="mqtt-2")), "unknown-instance", REFUSAL),
        (MovedStage, "wrong-region", REFUSAL),
        (lambda: world(edition=Edition.SERVERLESS), "edition", REFUSAL),
        (lambda: world(edition=9), "edition", REFUSAL),
        (lambda: world(edition=Edition.PROFESSIONAL), "edition-professional", WARNING),
        (lambda: world(status=Status.UPGRADING), "not-in-service", REFUSAL),
        (held, "on-hold", REFUSAL),
        (held_before_a_change, "hold-lifted", INFO),
        (killed, "open-intent", INFO),
        (without_effect, "open-intent", INFO),
        (lambda: odd_candidate(key_matches=False), "key-mismatch", REFUSAL),
        (lambda: odd_candidate(order_problem="upside down"), "chain-order", REFUSAL),
        (lambda: odd_candidate(signature_problem="not signed"), "chain-signature", REFUSAL),
        (from_the_future, "outside-dates", REFUSAL),
        (lambda: odd(ends_in=-DAY), "outside-dates", REFUSAL),
        (lambda: odd(ends_in=499 * DAY), "outlives-authority", REFUSAL),
        (lambda: odd(objections=("it lacks keyUsage",)), "authority-objection", WARNING),
        (lambda: Stage(specified(dns_names=("*.other.example.com",))), "names-miss-endpoint", REFUSAL),
        (lambda: Stage(specified(dns_names=("mqtt-1.mqtt.aliyuncs.com",))), "no-service-wildcard", WARNING),
        (lambda: Stage(specified(profile=Profile.GUIDE)), "guide-profile", WARNING),
        (own_authority_registered, "authority-is-device-ca", WARNING),
        (lambda: world(device_cas=()), "no-device-ca", REFUSAL),
        (lambda: Stage(wanted(canary=CanaryPolicy())), "no-canary", WARNING),
        (lambda: canary_fails(Stage(wanted(canary=CanaryPolicy(True, True)))), "canary-fails-before", REFUSAL),  # noqa: FBT003
        (lambda: canary_fails(switched()), "canary-refused", ALARM),
        (foreign, "foreign-certificate", REFUSAL),
        (lambda: Stage(attended=True), "attended-rollback", WARNING),
        (lambda: Stage(wanted(on_failure=(RollbackTarget.NONE,))), "no-rollback", WARNING),
        (lambda: Stage(wanted(on_failure=(RollbackTarget.PREVIOUS_CERTIFICATE,))), "no-rollback", WARNING),
        (no_copy, "previous-not-hosted", WARNING),
    ],
)
def test_a_check_speaks_up(arrange: Callable[[], Stage], reason: str, severity: Severity) -> None:
    """Each finding has its reason and its severity, and a refusal names the next step."""
    found = said(arrange())
    assert found.severities.get(reason) is severity
    assert severity is not REFUSAL or found.hints[reason]


@pytest.mark.parametrize(("hours", "warned"), [(0, False), (2, False), (3, True), (-1, True)])
def test_a_person_is_warned_outside_of_the_window(hours: int, *, warned: bool) -> None:
    """``apply`` acts now; it says that the window is closed, and when it opens next."""
    stage = Stage()
    opens = stage.clock.now() - timedelta(hours=hours)
    window = Window(f"{opens.minute} {opens.hour} * * *", timedelta(hours=3))
    stage.desired = replace(stage.desired, rotation=RotationPolicy(window=window))
    found = [item for item in stage.plan().findings if item.reason == "outside-window"]
    assert [(item.severity, "it opens next" in item.message) for item in found] == [(WARNING, True)] * warned
    assert stage.apply().outcome is Outcome.CONVERGED


@pytest.mark.parametrize("arrange", [Stage, switched, lambda: odd(ends_in=3000 * DAY)])
def test_the_checks_are_silent_about_ordinary_instances(arrange: Callable[[], Stage]) -> None:
    """Neither a first switch nor a converged instance has anything against it."""
    grave = {reason for reason, severity in said(arrange()).severities.items() if severity is not INFO}
    assert grave == set()


def test_the_end_of_the_authority_is_announced() -> None:
    """Ninety days before its authority ends, a converged instance is warned about; a day earlier it isn't."""
    stage = odd()
    switched(stage=stage)
    announced = []
    for days in (91, 89):
        assert isinstance(stage.pki, OddPki)
        stage.pki.ends_in = days * DAY
        announced.append("authority-ends-soon" in said(stage).severities)
    assert announced == [False, True]


def test_an_authority_that_ends_soon_does_not_refuse_where_nothing_is_issued() -> None:
    """A converged instance is left in peace until its certificate has to be renewed."""
    stage = odd()
    switched(stage=stage)
    assert isinstance(stage.pki, OddPki)
    stage.pki.ends_in = 300 * DAY
    assert (said(stage).severities, stage.apply().outcome) == ({}, Outcome.UNCHANGED)
    stage.rotate()
    assert said(stage).severities["outlives-authority"] is REFUSAL


def test_a_previous_certificate_is_way_back_enough() -> None:
    """A rotation with the previous certificate hosted can go back to it, whatever else is named."""
    stage = switched(wanted(on_failure=(RollbackTarget.PREVIOUS_CERTIFICATE,)))
    stage.rotate()
    assert "no-rollback" not in said(stage).severities


def test_going_back_to_one_way_asks_nothing_of_the_certificate() -> None:
    """An expired authority, or names that miss the endpoint, are no reasons to stay in mutual mode."""
    stage = odd()
    switched(stage=stage)
    assert isinstance(stage.pki, OddPki)
    stage.pki.ends_in = -DAY
    stage.pki.objections = ("it lacks keyUsage",)
    stage.desired = replace(specified(dns_names=("other.example.com",), profile=Profile.GUIDE), mode=Mode.ONE_WAY)
    assert (said(stage).severities, stage.apply().outcome) == ({}, Outcome.CONVERGED)


def test_an_unknown_instance_is_told_with_those_that_are_there() -> None:
    """A mistyped id is easily found among the ids of the region."""
    messages = said(Stage(wanted(id="mqtt-2"))).messages
    assert messages["unknown-instance"] == "instance mqtt-2 is not in region cn-hangzhou; instances there: mqtt-1"


def test_an_open_request_is_told_by_what_is_known_of_it() -> None:
    """Before its effect was looked for, that comes first; afterwards it may be asked for again."""
    before, after = said(killed()).messages["open-intent"], said(without_effect()).messages["open-intent"]
    assert before == (
        "run run-1 asked for mutual at 2026-03-01 02:00 UTC; the next apply or resume looks for its effect first"
    )
    assert after == (
        "run run-1 asked for mutual at 2026-03-01 02:00 UTC; its effect was not seen, so it may be asked for again"
    )


def test_a_canary_without_login_is_not_asked_before() -> None:
    """In one-way mode a client without login proves nothing, so it is not tried and can't refuse."""
    assert "canary-fails-before" not in said(canary_fails(Stage())).severities


@pytest.mark.parametrize(
    ("arrange", "permission", "reason", "severity"),
    [
        (held, "release", "on-hold", None),
        (lambda: world(device_cas=()), "unsafe_allow_lockout", "no-device-ca", WARNING),
        (foreign, "unsafe_replace_foreign", "foreign-certificate", WARNING),
    ],
)
def test_a_permission_lifts_its_refusal_alone(
    arrange: Callable[[], Stage], permission: str, reason: str, severity: Severity | None
) -> None:
    """The finding goes, or stays as a warning; the other permissions don't touch it."""
    stage = arrange()
    others = {"release", "unsafe_allow_lockout", "unsafe_replace_foreign"} - {permission}
    assert said(stage, **{permission: True}).severities.get(reason) is severity
    assert said(stage, **dict.fromkeys(others, True)).severities.get(reason) is REFUSAL


def test_a_dropped_name_is_asked_about_unless_it_is_still_covered() -> None:
    """A wildcard that covers a name keeps it; a name that nothing covers any more is told."""
    stage = switched(specified(dns_names=("*.mqtt.aliyuncs.com", "mqtt-1.mqtt.aliyuncs.com", "old.example.com")))
    stage.desired = specified()
    found = said(stage)
    assert found.severities["names-dropped"] is CONFIRM
    assert found.messages["names-dropped"] == "names served now and no longer: old.example.com"


def test_a_certificate_of_another_key_type_is_asked_about() -> None:
    """Devices may not support the new one."""
    stage = switched()
    assert "key-type-changes" not in said(stage).severities
    stage.rotate()
    assert said(stage).severities["key-type-changes"] is CONFIRM
    assert NAME in stage.plan().instance


def test_an_alibaba_certificate_is_no_stranger() -> None:
    """What an endpoint serves one-way is Alibaba's own: nobody asks before it is replaced."""
    stage = Stage()
    served = stage.pki.stranger(b"another")
    stage.world.shown.der = b"another"
    assert (served.issuer, "foreign-certificate" in said(stage).severities) == ("CN=Somebody Else", False)
