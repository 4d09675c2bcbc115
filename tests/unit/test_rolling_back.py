"""The command ``rollback``: where it may go, and what keeps it from going there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.errors import BusyError, RefusedError
from provisioner.model.certificate import HostedCertificate, KeyType, Specification
from provisioner.model.instance import Mode, Status
from provisioner.model.outcome import Outcome
from provisioner.runs.rollback import taking_over
from tests.fakes.stage import NAME, Stage


@pytest.fixture
def rotated() -> Stage:
    """Return an instance that was rotated once."""
    stage = Stage()
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.rotate()
    assert stage.apply().outcome is Outcome.CONVERGED
    return stage


def change_first(stage: Stage, change: Callable[[HostedCertificate], HostedCertificate]) -> None:
    """Make something else of the first hosted certificate."""
    stage.hosting.kept[0] = change(stage.hosting.kept[0])


def refusal(stage: Stage, to: str) -> str:
    """Return why a rollback is refused; nothing is requested and nothing held."""
    requests = len(stage.world.requests)
    with pytest.raises(RefusedError) as caught:
        stage.rollback(to)
    assert (len(stage.world.requests), stage.records.holds.kept) == (requests, {})
    assert caught.value.hint
    return caught.value.message


def test_without_a_previous_certificate_there_is_none_to_go_to() -> None:
    """The first switch has none; asked for by name it is refused, and without a name one-way is taken."""
    stage = Stage()
    assert stage.apply().outcome is Outcome.CONVERGED
    assert refusal(stage, "previous-certificate") == (
        f"{NAME}: no previous certificate is recorded; nothing was changed"
    )
    assert (stage.rollback().outcome, stage.world.shown.mutual) == (Outcome.CONVERGED, False)


def renamed(stage: Stage) -> str:
    """Give the certificate another name and key in the configuration; return the leaf served now."""
    stage.rotate(KeyType.EC_P384)
    stage.respecify(name="gateway")
    stage.desired = replace(stage.desired, hosted_prefix="provisioner-gateway-")
    return stage.leaf()


def test_a_certificate_that_has_another_name_now_is_gone_back_to(rotated: Stage) -> None:
    """Its hosted copy is known from the run that verified it, under whichever name it has."""
    before = renamed(rotated)
    rotated.world.effects = ["devices_refused"]
    result = rotated.apply()
    assert (result.outcome, result.mode, rotated.leaf()) == (Outcome.ROLLED_BACK, Mode.MUTUAL, before)
    assert rotated.rollback("previous-certificate").fingerprint_sha256 == before


def test_a_recorded_copy_that_is_not_hosted_any_more_is_no_way_back(rotated: Stage) -> None:
    """The plan says so before anything is changed."""
    renamed(rotated)
    rotated.hosting.kept.clear()
    plan = rotated.plan()
    assert "previous-not-hosted" in [item.reason for item in plan.findings]
    assert plan.undo.startswith("back to one-way")


def test_an_identifier_that_nobody_knows_is_refused(rotated: Stage) -> None:
    """A mistyped one leads nowhere."""
    assert refusal(rotated, "99-cn-hangzhou") == (
        f"{NAME}: no hosted certificate has the identifier 99-cn-hangzhou; nothing was changed"
    )


def test_an_expired_certificate_is_refused(rotated: Stage) -> None:
    """Clients would refuse it."""
    ended = rotated.clock.now() - timedelta(days=1)
    change_first(rotated, lambda hosted: replace(hosted, not_after=ended))
    assert refusal(rotated, "1000-cn-hangzhou") == (
        f"{NAME}: certificate 1000-cn-hangzhou expired on {ended:%Y-%m-%d}; nothing was changed"
    )


def test_a_certificate_of_unknown_fingerprint_is_refused_unless_it_is_kept_here(rotated: Stage) -> None:
    """Without a fingerprint the wire can't be judged; the key store's copy tells it where name and number agree."""
    rotated.world.certificates = {"1000-cn-hangzhou": rotated.pki.issued[0][1]}
    change_first(rotated, lambda hosted: replace(hosted, sha256=None))
    assert rotated.rollback("1000-cn-hangzhou").outcome is Outcome.CONVERGED
    rotated.records.holds.kept.clear()
    change_first(rotated, lambda hosted: replace(hosted, serial=1))
    assert "does not tell the SHA-256 of 1000-cn-hangzhou" in refusal(rotated, "1000-cn-hangzhou")


def test_a_rollback_waits_for_the_instance_to_be_in_service(rotated: Stage) -> None:
    """Nothing is requested while it isn't; one that never comes back needs a person."""
    rotated.world.status = Status.FROZEN
    began, requests = rotated.clock.monotonic(), len(rotated.world.requests)
    result = rotated.rollback("one-way")
    assert (result.outcome, len(rotated.world.requests) - requests) == (Outcome.BROKEN, 0)
    assert rotated.clock.monotonic() - began >= 2 * rotated.desired.waiting.deadline.total_seconds()
    assert (NAME in rotated.records.holds.kept, bool(result.hint)) == (True, True)


def test_a_rollback_that_the_service_refuses_needs_a_person(rotated: Stage) -> None:
    """The endpoint stays as it is, on hold, and the message says that nothing was requested."""
    rotated.world.effects = ["rejected"]
    before = rotated.leaf()
    result = rotated.rollback("one-way")
    assert (result.outcome, rotated.leaf(), NAME in rotated.records.holds.kept) == (Outcome.BROKEN, before, True)
    assert "the rollback's request failed: no; nothing was requested" in result.message


@pytest.mark.parametrize("gone", ["expired", "deleted"])
def test_a_previous_certificate_that_is_gone_is_not_gone_back_to(gone: str, rotated: Stage) -> None:
    """A failed rotation then goes back to one-way, the next of ``on_failure``."""
    stage, specification = rotated, rotated.desired.specification
    past = stage.clock.now() - timedelta(days=1)
    served = stage.hosting.by_identifier("1001-cn-hangzhou")
    assert served is not None
    assert isinstance(specification, Specification)
    changed = replace(specification, dns_names=("*.mqtt.aliyuncs.com", "b.example.com"))
    stage.desired = replace(stage.desired, specification=changed)
    stage.world.effects = ["dead"]

    def change() -> None:
        kept = [item for item in stage.hosting.kept if item.id != served.id]
        stage.hosting.kept[:] = kept if gone == "deleted" else [*kept, replace(served, not_after=past)]

    stage.world.on_request = change
    result = stage.apply()
    assert (result.outcome, result.mode) == (Outcome.ROLLED_BACK, Mode.ONE_WAY)


def test_a_run_that_does_not_look_has_to_be_ended_by_hand(rotated: Stage) -> None:
    """One that waits for a person's answer does not see that it is asked to stop; the way on is another then."""
    locks = rotated.records.locks
    with locks.hold(NAME, "run-8"):
        with pytest.raises(BusyError) as caught, taking_over(locks, NAME, "run-9"):
            pass
        assert locks.stop_asked(NAME, "run-8") == "run-9"
    assert caught.value.hint == f"end that process with Ctrl-C, then: provisioner rollback {NAME}"
    with taking_over(locks, NAME, "run-9"):
        assert locks.held == {NAME: "run-9"}
