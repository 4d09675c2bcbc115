"""Changes of device CAs, in pretended time: each has one effect, whatever becomes of the answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.errors import DeniedError, ProvisionerError, RefusedError, RejectedError, UnansweredError
from provisioner.model.desired import CanaryPolicy
from provisioner.model.instance import DeviceCA, Edition, Mode
from provisioner.model.outcome import Outcome
from provisioner.pki import LocalDeviceAuthority
from provisioner.runs.device_cas import Change, Registrar
from tests.fakes.authorities import CA_TRUE, SIGNS, Made, good, make
from tests.fakes.clock import START
from tests.fakes.device_cas import INSTANCE, FakeDeviceCAs
from tests.fakes.stage import Stage, wanted

REGISTER = "RegisterCaCertificate"


class Desk:
    """A registrar on one instance, with everything around it in memory."""

    def __init__(self, folder: Path, mode: Mode = Mode.MUTUAL) -> None:
        self.stage = Stage(wanted(mode=mode, canary=CanaryPolicy()))
        self.service = FakeDeviceCAs(self.stage.clock)
        reads = replace(self.stage.seams().reads, device_cas=self.service)
        self.registrar = Registrar(self.stage.desired, reads, self.service)
        self.folder = folder
        self.approved: list[str] = []

    def register(self, ca: Made, name: str = "fleet") -> Change:
        """Register a CA."""
        authority = LocalDeviceAuthority(ca.certificate_path, ca.key_path, lambda: None)
        return self.registrar.register(authority, name)

    def ca(self, name: str = "Fleet CA") -> Made:
        """Make a CA."""
        return good(self.folder, name)

    def added(self, name: str = "Fleet CA") -> DeviceCA:
        """Register a new CA and forget the calls."""
        found = self.register(self.ca(name), name).device_ca
        assert found is not None
        self.service.calls.clear()
        return found

    def deactivate(self, serial: str, *, unsafe_allow_lockout: bool = False) -> Change:
        """Deactivate a CA; the question is noted and answered."""
        return self.registrar.deactivate(
            serial, lambda found: self.approved.append(found.serial), unsafe_allow_lockout=unsafe_allow_lockout
        )

    def refused(self, action: Callable[[], object], error: type[ProvisionerError] = RefusedError) -> str:
        """Return the message of a refusal that changed nothing."""
        before = {name: dict(kept) for name, kept in self.service.kept.items()}
        with pytest.raises(ProvisionerError) as caught:
            action()
        assert (type(caught.value), self.service.kept, self.approved) == (error, before, [])
        return caught.value.message


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a registrar on a platinum instance without device CAs."""
    return Desk(tmp_path)


def test_a_registration_looks_proves_registers_and_looks_again(desk: Desk) -> None:
    """Five calls beside the directory, and the answer is what is listed."""
    change = desk.register(desk.ca())
    (listed,) = desk.service.kept[INSTANCE].values()
    message = f"registered device CA fleet ({listed.serial})"
    assert change == Change(Outcome.CONVERGED, message, listed)
    assert listed.active
    assert desk.service.calls == ["ListCaCertificate", "GetRegisterCode", REGISTER, "ListCaCertificate"]


def test_a_registered_ca_is_a_success_without_a_call_that_changes_anything(desk: Desk) -> None:
    """Told by its certificate; an inactive one comes with the command that activates it."""
    ca = desk.ca()
    desk.register(ca)
    desk.service.calls.clear()
    found = desk.register(ca, "another name")
    assert (found.outcome, desk.service.calls) == (Outcome.UNCHANGED, ["ListCaCertificate"])
    assert found.device_ca is not None
    assert found.message == f"registered already as fleet ({found.device_ca.serial}), active"
    desk.service.deactivate("", INSTANCE, found.device_ca.serial)
    again = desk.register(ca)
    assert again.outcome is Outcome.UNCHANGED
    assert again.hint == f"provisioner device-ca activate prod {found.device_ca.serial}"


def test_a_ca_that_is_listed_without_its_certificate_is_told_by_its_serial_number(desk: Desk) -> None:
    """The listing need not hold certificates."""
    ca = desk.ca()
    desk.register(ca)
    kept = desk.service.kept[INSTANCE]
    kept.update({serial: replace(item, certificate_pem="") for serial, item in kept.items()})
    assert desk.register(ca).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("trouble", ["lost_answer", "lost_request", "throttled"])
@pytest.mark.parametrize("action", ["ListCaCertificate", "GetRegisterCode", REGISTER])
def test_one_lost_call_leads_to_one_registration(desk: Desk, action: str, trouble: str) -> None:
    """Whatever is lost once, the CA is registered once and the change is a success."""
    desk.service.arm(trouble, action)
    assert desk.register(desk.ca()).outcome is Outcome.CONVERGED
    assert len(desk.service.kept[INSTANCE]) == 1


def test_a_repeated_registration_has_a_new_code(desk: Desk) -> None:
    """The code of a lost registration may be used up."""
    desk.service.arm("lost_request", REGISTER)
    desk.register(desk.ca())
    assert [call for call in desk.service.calls if call != "ListCaCertificate"] == ["GetRegisterCode", REGISTER] * 2


def test_a_registration_that_lands_late_is_not_taken_for_a_failure(desk: Desk) -> None:
    """Listed only after the look for it ended: the service refuses the second one, and the first one is found."""
    desk.service.lag = 7.0
    desk.service.arm("lost_answer", REGISTER)
    assert desk.register(desk.ca()).outcome is Outcome.CONVERGED
    assert desk.service.calls.count(REGISTER) == 2


def test_two_lost_requests_end_without_an_answer(desk: Desk) -> None:
    """Nothing is registered, and the error says that it may still land."""
    desk.service.arm("lost_request", REGISTER, times=2)
    desk.refused(lambda: desk.register(desk.ca()), UnansweredError)
    assert desk.service.calls.count(REGISTER) == 2


def test_a_registration_that_is_never_listed_is_no_success(desk: Desk) -> None:
    """The API's word is not enough."""
    desk.service.lag = 1000.0
    with pytest.raises(UnansweredError) as caught:
        desk.register(desk.ca())
    assert "was accepted" in caught.value.message
    assert "is not listed after 5 s" in caught.value.message


def test_a_rejected_registration_is_told_at_once(desk: Desk) -> None:
    """A CA that is registered with another instance of the region is the service's to refuse."""
    ca = desk.ca()
    authority = LocalDeviceAuthority(ca.certificate_path, ca.key_path, lambda: None)
    code = desk.service.register_code("", "mqtt-2")
    desk.service.register("", "mqtt-2", "there", ca.pem, authority.verification_pem(code, START))
    began = desk.stage.clock.monotonic()
    desk.refused(lambda: desk.register(ca), RejectedError)
    assert desk.stage.clock.monotonic() == began


def test_what_will_not_do_is_refused_without_a_call(desk: Desk) -> None:
    """An expired CA is known before anybody is asked."""
    begin = START - timedelta(days=2)
    ca = make(desk.folder, "Old", CA_TRUE, SIGNS, begin=begin, end=begin + timedelta(days=1))
    message = desk.refused(lambda: desk.register(ca))
    assert message == (
        "prod: the device CA is valid from 2026-02-27 to 2026-02-28, today is 2026-03-01: no device of it could log in"
        "; nothing was changed"
    )
    assert (desk.service.calls, desk.stage.world.calls) == ([], [])


def test_other_editions_and_unknown_instances_are_refused(desk: Desk) -> None:
    """Platinum has device CAs; about professional the pages disagree, so the service decides."""
    desk.stage.world.edition = Edition.PROFESSIONAL
    serial = desk.added().serial
    desk.stage.world.edition = Edition.BASIC
    for action in (
        lambda: desk.register(desk.ca("Other")),
        lambda: desk.registrar.activate(serial),
        lambda: desk.deactivate(serial),
        desk.registrar.instance,
    ):
        assert desk.refused(action) == (
            "prod: edition basic (0) has no device CAs: they are documented for platinum (1), on some pages for "
            "professional (4) too; nothing was changed"
        )
    assert desk.service.calls == []
    stranger = replace(desk.stage.desired, id="mqtt-9")
    registrar = Registrar(stranger, replace(desk.stage.seams().reads, device_cas=desk.service), desk.service)
    assert desk.refused(registrar.instance) == (
        "prod: instance mqtt-9 is not in region cn-hangzhou; instances there: mqtt-1; nothing was changed"
    )


@pytest.mark.parametrize("verb", ["deactivated", "activated"])
def test_a_status_is_set_once_and_read_back(desk: Desk, verb: str) -> None:
    """Setting what is set costs no call that changes anything."""
    serial = desk.added().serial
    desk.added("Second")
    status = "active" if verb == "activated" else "inactive"
    if verb == "activated":
        desk.service.deactivate("", INSTANCE, serial)
    change = desk.registrar.activate if verb == "activated" else desk.deactivate
    first = change(serial)
    listed = desk.service.kept[INSTANCE][serial]
    assert first == Change(Outcome.CONVERGED, f"{verb} device CA Fleet CA ({serial})", listed)
    assert listed.active is (status == "active")
    desk.service.calls.clear()
    assert change(serial) == Change(Outcome.UNCHANGED, f"device CA Fleet CA ({serial}) is {status} already", listed)
    assert desk.service.calls == ["ListCaCertificate"]


@pytest.mark.parametrize("trouble", ["lost_answer", "lost_request", "throttled"])
@pytest.mark.parametrize("action", ["ActiveCaCertificate", "InactivateCaCertificate"])
def test_one_lost_call_sets_the_status_all_the_same(desk: Desk, action: str, trouble: str) -> None:
    """It is looked for, and asked for again where there is no effect."""
    serial = desk.added().serial
    desk.added("Second")
    desk.service.arm(trouble, action)
    assert desk.deactivate(serial).outcome is Outcome.CONVERGED
    assert desk.registrar.activate(serial).outcome is Outcome.CONVERGED
    times = {"lost_answer": 1, "lost_request": 2, "throttled": 2}[trouble]
    assert desk.service.calls.count(action) == times


def test_two_lost_requests_leave_the_status(desk: Desk) -> None:
    """The error is the service's silence."""
    serial = desk.added().serial
    desk.added("Second")
    desk.service.arm("lost_request", "InactivateCaCertificate", times=2)
    with pytest.raises(UnansweredError):
        desk.deactivate(serial)
    assert desk.service.kept[INSTANCE][serial].active


def test_a_serial_number_that_is_not_registered_is_refused_with_those_that_are(desk: Desk) -> None:
    """Whatever was typed, what there is stands beside it."""
    serial = desk.added().serial
    for action in (lambda: desk.registrar.activate("12"), lambda: desk.deactivate("12")):
        assert desk.refused(action) == (
            f"prod: no device CA has the serial number 12; registered: {serial} (Fleet CA); nothing was changed"
        )


def test_the_last_device_ca_needs_the_permission(desk: Desk) -> None:
    """Refused before anything is asked or changed."""
    serial = desk.added().serial
    assert "is the only active one that is in date" in desk.refused(lambda: desk.deactivate(serial))
    assert desk.deactivate(serial, unsafe_allow_lockout=True).outcome is Outcome.CONVERGED
    assert desk.approved == [serial]


@pytest.mark.parametrize("up", [True, False])
def test_a_one_way_endpoint_that_shall_stay_so_locks_nobody_out(tmp_path: Path, up: bool) -> None:
    """Only where the wire shows it: an endpoint that is down may be mutual."""
    desk = Desk(tmp_path, Mode.ONE_WAY)
    serial = desk.added().serial
    desk.stage.world.shown.up = up
    if up:
        assert desk.deactivate(serial).outcome is Outcome.CONVERGED
    else:
        desk.refused(lambda: desk.deactivate(serial))


def test_a_mutual_endpoint_is_guarded_whatever_is_wanted(tmp_path: Path) -> None:
    """Clients need certificates now."""
    desk = Desk(tmp_path, Mode.ONE_WAY)
    serial = desk.added().serial
    desk.stage.world.shown.mutual = desk.stage.world.shown.asks = True
    desk.refused(lambda: desk.deactivate(serial))


def test_where_the_service_does_not_list_the_permission_is_needed(desk: Desk) -> None:
    """It could not be known who else lets devices in; with the permission the change is made and not read back."""
    serial = desk.added().serial
    desk.service.denied = DeniedError("ListCaCertificate: InstancePermissionCheckFailed")
    assert desk.refused(lambda: desk.deactivate(serial)) == (
        "prod: whether another device CA would let devices in could not be known: ListCaCertificate: "
        "InstancePermissionCheckFailed; nothing was changed"
    )
    change = desk.deactivate(serial, unsafe_allow_lockout=True)
    assert (change.outcome, change.device_ca) == (Outcome.CONVERGED, None)
    assert change.message.endswith("the service does not list it, so this was not read back")
    assert not desk.service.kept[INSTANCE][serial].active


def test_declining_changes_nothing(desk: Desk) -> None:
    """The question comes before the call."""
    serial = desk.added().serial
    desk.added("Second")

    def decline(_: DeviceCA) -> None:
        raise RefusedError("declined")

    desk.refused(lambda: desk.registrar.deactivate(serial, decline, unsafe_allow_lockout=False))
    assert "InactivateCaCertificate" not in desk.service.calls


def test_an_expired_ca_can_be_activated_and_that_is_told(desk: Desk) -> None:
    """It doesn't help its devices, and does no harm."""
    serial = desk.added().serial
    kept = desk.service.kept[INSTANCE]
    kept[serial] = replace(kept[serial], active=False, valid_until=START)
    change = desk.registrar.activate(serial)
    assert change.outcome is Outcome.CONVERGED
    assert change.hint == "it has expired, so its devices still can't log in; register its successor"
