"""Trouble in the middle of a run: what changes under its feet, and what can't be read any more."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.errors import DeniedError, UnusableError
from provisioner.model.certificate import AuthorityFacts, HostedCertificate, KeyType, Leaf, Specification
from provisioner.model.event import Event, EventKind
from provisioner.model.finding import Severity
from provisioner.model.instance import Mode, Status
from provisioner.model.outcome import Outcome
from tests.fakes.memory import MemoryHosting
from tests.fakes.pki import FakePki
from tests.fakes.stage import NAME, Stage
from tests.fakes.world import ALIBABA, CANARY

UNREADABLE = b"a certificate of a kind that nobody here can read"


class TroubledPki(FakePki):
    """An authority whose files go away, or that makes something else than it was asked for."""

    gone = False
    makes: KeyType | None = None

    def authority(self) -> AuthorityFacts:
        """Return the authority while its files are there."""
        if self.gone:
            raise UnusableError("ca/ca.crt: can't be read")
        facts = super().authority()
        assert facts is not None
        return facts

    def issue(self, specification: Specification) -> Leaf:  # type: ignore[override, unused-ignore]
        """Make a certificate, of another key type where that is arranged."""
        return super().issue(replace(specification, key=self.makes or specification.key))

    def read(self, certificate_der: bytes) -> Leaf:
        """Read a certificate, unless it is of the unreadable kind."""
        if certificate_der == UNREADABLE:
            raise UnusableError("a served certificate is malformed")
        return super().read(certificate_der)


class ClosedHosting(MemoryHosting):
    """A service that, once closed, can't be asked for single certificates."""

    closed = False

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return one hosted certificate, or refuse."""
        if self.closed:
            raise DeniedError("GetUserCertificateDetail: not allowed", action="GetUserCertificateDetail")
        return super().by_identifier(identifier)


@pytest.fixture
def stage() -> Stage:
    """Return an instance out of the box, its authority open to trouble."""
    stage = Stage()
    stage.pki = TroubledPki(stage.clock)
    stage.pki.stranger(ALIBABA)
    stage.pki.stranger(CANARY, days=3650)
    stage.hosting = MemoryHosting(stage.pki)
    return stage


def at(stage: Stage, kind: EventKind, do: Callable[[], None]) -> None:
    """Do something at the first event of a kind."""

    def hear(event: Event) -> None:
        if event.kind is kind:
            stage.on_event = None
            do()

    stage.on_event = hear


def pki(stage: Stage) -> TroubledPki:
    """Return the authority."""
    assert isinstance(stage.pki, TroubledPki)
    return stage.pki


def test_a_new_certificate_is_checked_like_any_other(stage: Stage) -> None:
    """A key that does not belong to what was just issued is refused before anything is uploaded."""
    at(stage, EventKind.ISSUED, lambda: setattr(stage.pki, "key_matches", False))
    result = stage.apply()
    assert (result.outcome, stage.hosting.uploads, stage.world.requests) == (Outcome.REFUSED, [], [])
    assert "key-mismatch" in [item.reason for item in result.findings if item.severity is Severity.REFUSAL]


def test_an_authority_that_never_makes_what_is_wanted_is_a_bug(stage: Stage) -> None:
    """The run ends by itself, with nothing uploaded and nothing switched."""
    pki(stage).makes = KeyType.EC_P256
    result = stage.apply()
    assert (result.outcome, stage.hosting.uploads, stage.world.requests) == (Outcome.BUG, [], [])
    assert "the endpoint was not touched" in result.message


def test_an_instance_that_leaves_service_before_the_switch_is_waited_for(stage: Stage) -> None:
    """Nothing is requested while it is busy with something else; when that is over the run goes on."""

    def busy() -> None:
        stage.world.status = Status.UPGRADING
        stage.clock.sleepers.append(recover)

    def recover() -> None:
        if stage.clock.monotonic() > 300 and stage.world.restarts == 0:
            stage.world.status = Status.IN_SERVICE

    at(stage, EventKind.HOSTED, busy)
    assert (stage.apply().outcome, stage.world.restarts) == (Outcome.CONVERGED, 1)


def test_an_instance_that_does_not_come_back_before_the_switch_is_not_touched(stage: Stage) -> None:
    """After twice the deadline the run fails; what was made and hosted is there for the next one."""
    at(stage, EventKind.HOSTED, lambda: setattr(stage.world, "status", Status.FROZEN))
    result = stage.apply()
    assert (result.outcome, stage.world.requests, stage.records.intents.kept) == (Outcome.FAILED, [], {})
    assert result.message == f"{NAME}: the instance is not in service; the endpoint was not touched"
    stage.world.status = Status.IN_SERVICE
    assert (stage.apply().outcome, len(stage.hosting.uploads)) == (Outcome.CONVERGED, 1)


def test_a_rollback_holds_although_the_authority_is_gone(stage: Stage) -> None:
    """The hold can't say which specification it is about, so only a release lifts it."""
    stage.world.effects = ["wrong_leaf"]
    at(stage, EventKind.ROLLING_BACK, lambda: setattr(stage.pki, "gone", True))
    assert stage.apply().outcome is Outcome.ROLLED_BACK
    pki(stage).gone = False
    stage.rotate()
    assert (stage.records.holds.kept[NAME].specification, stage.apply().outcome) == ("", Outcome.REFUSED)
    assert stage.apply(release=True).outcome is Outcome.CONVERGED


def test_a_previous_certificate_that_cannot_be_looked_up_is_gone_back_to(stage: Stage) -> None:
    """A service that can't be asked does not speak against what was served until now."""
    assert stage.apply().outcome is Outcome.CONVERGED
    before, (_, der) = stage.leaf(), stage.pki.issued[0]
    stage.rotate()
    hosting = ClosedHosting(stage.pki)
    hosting.kept = stage.hosting.kept
    stage.hosting = hosting
    stage.world.effects = ["dead"]

    def close() -> None:
        hosting.closed = True
        stage.world.certificates = {"1000-cn-hangzhou": der}

    at(stage, EventKind.WAITING, close)
    result = stage.apply()
    assert (result.outcome, result.mode, stage.leaf()) == (Outcome.ROLLED_BACK, Mode.MUTUAL, before)


def test_an_unreadable_certificate_in_mutual_mode_is_somebody_elses(stage: Stage) -> None:
    """What can't be read was not made here: clients may trust its root alone, so it is not replaced by ``--yes``."""
    stage.world.shown.der, stage.world.shown.mutual, stage.world.shown.asks = UNREADABLE, True, True
    result = stage.apply()
    assert (result.outcome, stage.world.requests) == (Outcome.REFUSED, [])
    assert [item.reason for item in result.findings if item.severity is Severity.REFUSAL] == ["foreign-certificate"]
    assert stage.apply(unsafe_replace_foreign=True).outcome is Outcome.CONVERGED


def test_an_unreadable_certificate_in_one_way_mode_is_no_obstacle(stage: Stage) -> None:
    """Alibaba's own may be of any kind."""
    stage.world.shown.der = UNREADABLE
    assert stage.apply().outcome is Outcome.CONVERGED
