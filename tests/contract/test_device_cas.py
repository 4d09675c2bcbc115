"""Device CAs: one suite for the fake and for the real adapter over the sandbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from provisioner.alibaba import (
    AccessKey,
    AccountClients,
    AlibabaDeviceCARegistry,
    AlibabaDeviceCAs,
    ApiEndpoints,
    Site,
)
from provisioner.errors import (
    DeniedError,
    NotFoundError,
    RejectedError,
    ServiceError,
    ThrottledError,
    UnansweredError,
)
from provisioner.model.instance import DeviceCA
from provisioner.model.secret import Secret
from provisioner.pki import LocalDeviceAuthority
from provisioner.ports import DeviceCARegistry, DeviceCAs
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.sandbox.fields import serial_text
from tests.fakes.authorities import CA_TRUE, SIGNS, Made, make
from tests.fakes.device_cas import BASIC, INSTANCE, OTHER, FakeDeviceCAs

REGION = "cn-hangzhou"
NOW = datetime.now(UTC).replace(microsecond=0)
SETTINGS = SandboxSettings(
    (
        SandboxInstance(INSTANCE, device_ca_registered=False),
        SandboxInstance(OTHER, device_ca_registered=False),
        SandboxInstance(BASIC, edition=0, device_ca_registered=False),
    )
)


@dataclass(frozen=True)
class Service:
    """The two ports, a way to make calls go wrong, and ways to have CAs and device certificates without calls.

    ``connect`` has a device connect for the first time, ``set_device`` sets its certificate's status.
    """

    cas: DeviceCAs
    registry: DeviceCARegistry
    arm: Callable[[str, str], None]
    add: Callable[[str, str, str], str]
    connect: Callable[[str, str, Made], None]
    set_device: Callable[[str, str, Made, bool], None]
    folder: Path

    def ca(self, name: str = "Fleet CA") -> Made:
        """Make a CA that is in date."""
        begin, end = NOW - timedelta(days=1), NOW + timedelta(days=3650)
        return make(self.folder, name, CA_TRUE, SIGNS, begin=begin, end=end)

    def listed(self, instance: str = INSTANCE) -> tuple[DeviceCA, ...]:
        """Return what is registered."""
        return self.cas.list(REGION, instance)

    def device(self, ca: Made, name: str = "device") -> Made:
        """Make a device certificate that is in date."""
        return make(self.folder, name, issuer=ca, begin=NOW - timedelta(days=1), end=NOW + timedelta(days=9))

    def active(self, ca_serial: str, device: Made, instance: str = INSTANCE) -> bool | None:
        """Ask for the status of a device certificate."""
        serial = f"{device.certificate.serial_number:x}"
        return self.cas.device_certificate_active(REGION, instance, ca_serial, serial)

    def code(self, instance: str = INSTANCE) -> str:
        """Ask for a code."""
        return self.registry.register_code(REGION, instance)

    def register(
        self, ca: Made, *, code: str | None = None, signer: Made | None = None, instance: str = INSTANCE
    ) -> str:
        """Register a CA, with the proof of a signer, its own when none is named."""
        code = self.code(instance) if code is None else code
        return self.registry.register(REGION, instance, "fleet", ca.pem, proof(signer or ca, code))


def proof(ca: Made, code: str) -> str:
    """Return a validation certificate."""
    return LocalDeviceAuthority(ca.certificate_path, ca.key_path, lambda: None).verification_pem(code, NOW)


def failure(action: Callable[[], object]) -> tuple[type[ServiceError], str]:
    """Return kind and code of the error that a call ends in."""
    with pytest.raises(ServiceError) as caught:
        action()
    return type(caught.value), caught.value.code


@pytest.fixture(params=["fake", "sandbox"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """Return the ports of an account with two platinum instances and a basic one, without device CAs."""
    if request.param == "fake":
        fake = FakeDeviceCAs()

        def set_fake(instance: str, ca_serial: str, device: Made, active: bool) -> None:
            fake.devices[instance, ca_serial, device.certificate.serial_number] = active

        yield Service(fake, fake, fake.arm, fake.add, partial(set_fake, active=True), set_fake, tmp_path)
        return
    with Sandbox(SETTINGS) as sandbox:
        key = AccessKey(Secret(sandbox.access_key_id), Secret(sandbox.access_key_secret))
        clients = AccountClients(Site.CHINA, key, ApiEndpoints(sandbox.api_url, sandbox.api_url))

        def arm(fault: str, action: str) -> None:
            sandbox.faults.arm(fault, action=action)

        def connect(instance: str, _: str, device: Made) -> None:
            assert sandbox.device_certificates.admit(instance, device.der)

        def set_device(instance: str, ca_serial: str, device: Made, active: bool) -> None:
            serial = serial_text(device.certificate)
            action = "ActiveDeviceCertificate" if active else "InactivateDeviceCertificate"
            sandbox.console(action, {"MqttInstanceId": instance, "CaSn": ca_serial, "DeviceSn": serial})

        cas, registry = AlibabaDeviceCAs(clients), AlibabaDeviceCARegistry(clients)
        yield Service(cas, registry, arm, sandbox.device_cas.add, connect, set_device, tmp_path)


def test_a_registered_ca_is_active_and_listed_whole(service: Service) -> None:
    """Nothing is there before; afterwards name, dates and certificate are, under the serial that the call returned."""
    assert service.listed() == ()
    ca = service.ca()
    serial = service.register(ca)
    begin, end = ca.certificate.not_valid_before_utc, ca.certificate.not_valid_after_utc
    assert service.listed() == (DeviceCA(serial, "fleet", True, begin, end, ca.pem),)  # noqa: FBT003
    assert service.listed(OTHER) == ()
    assert int(serial, 16) == ca.certificate.serial_number


def test_only_the_last_code_counts_and_it_counts_once(service: Service) -> None:
    """An earlier code, a used one and none at all prove nothing."""
    first = service.code()
    last = service.code()
    assert first != last
    ca = service.ca()
    for code in (first, "something else"):
        assert failure(lambda: service.register(ca, code=code)) == (RejectedError, "RegisterCodeError")  # noqa: B023
    assert service.listed() == ()
    service.register(ca, code=last)
    other = service.ca("Other CA")
    assert failure(lambda: service.register(other, code=last)) == (RejectedError, "RegisterCodeUsed")
    assert len(service.listed()) == 1


def test_a_code_belongs_to_its_instance(service: Service) -> None:
    """The code of another instance proves nothing."""
    ca, code = service.ca(), service.code(OTHER)
    service.code()
    assert failure(lambda: service.register(ca, code=code)) == (RejectedError, "RegisterCodeError")


def test_only_the_key_of_the_ca_proves_anything(service: Service) -> None:
    """A proof by another CA registers nothing, and neither does a certificate that is no CA's."""
    ca, other = service.ca(), service.ca("Other CA")
    leaf = make(service.folder, "leaf", issuer=ca, begin=NOW - timedelta(days=1))
    content = (RejectedError, "CertificateContentError")
    assert failure(lambda: service.register(ca, signer=other)) == content
    assert (
        failure(
            lambda: service.register(
                Made(ca.certificate, other.key, leaf.certificate_path, leaf.key_path), signer=other
            )
        )
        == content
    )
    assert service.listed() == ()


def test_a_ca_is_registered_with_one_instance_of_a_region(service: Service) -> None:
    """Neither twice with one instance nor with two of them (documented in March 2026)."""
    ca = service.ca()
    service.register(ca)
    for instance in (INSTANCE, OTHER):
        found = failure(lambda: service.register(ca, instance=instance))  # noqa: B023
        assert found == (RejectedError, "SnNotUnique")
    assert [len(service.listed(instance)) for instance in (INSTANCE, OTHER)] == [1, 0]


def test_a_status_can_be_set_any_number_of_times(service: Service) -> None:
    """Both calls are idempotent, and touch one CA alone."""
    serial, other = service.register(service.ca()), service.register(service.ca("Other CA"))
    for call, active in (
        (service.registry.deactivate, False),
        (service.registry.deactivate, False),
        (service.registry.activate, True),
        (service.registry.activate, True),
    ):
        call(REGION, INSTANCE, serial)
        assert {item.serial: item.active for item in service.listed()} == {serial: active, other: True}


def test_an_unknown_serial_number_is_not_found(service: Service) -> None:
    """A CA of another instance is unknown here too."""
    serial = service.register(service.ca(), instance=OTHER)
    for call in (service.registry.activate, service.registry.deactivate):
        found = failure(lambda: call(REGION, INSTANCE, serial))  # noqa: B023
        assert found == (NotFoundError, "FindCaBySnError")


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ("mqtt-nowhere", (NotFoundError, "MqttInstanceNotFound")),
        (BASIC, (DeniedError, "InstancePermissionCheckFailed")),
    ],
)
def test_every_call_is_refused_for_other_instances(
    service: Service, instance: str, expected: tuple[type[ServiceError], str]
) -> None:
    """An unknown instance, and one of another edition."""
    ca = service.ca()
    calls: tuple[Callable[[], object], ...] = (
        lambda: service.listed(instance),
        lambda: service.code(instance),
        lambda: service.register(ca, code="code", instance=instance),
        lambda: service.registry.activate(REGION, instance, "01"),
        lambda: service.registry.deactivate(REGION, instance, "01"),
        lambda: service.cas.device_certificate_active(REGION, instance, "01", "7"),
    )
    assert [failure(call) for call in calls] == [expected] * 6


@pytest.mark.parametrize(
    ("fault", "kind", "landed"),
    [
        ("lost_answer", UnansweredError, True),
        ("lost_request", UnansweredError, False),
        ("throttled", ThrottledError, False),
    ],
)
def test_whether_a_lost_call_landed_is_told_by_the_listing(
    service: Service, fault: str, kind: type[ServiceError], *, landed: bool
) -> None:
    """No error of a change says more than that."""
    ca = service.ca()
    service.arm(fault, "RegisterCaCertificate")
    assert failure(lambda: service.register(ca))[0] is kind
    assert len(service.listed()) == landed
    serial = service.listed()[0].serial if landed else service.register(ca)
    service.arm(fault, "InactivateCaCertificate")
    assert failure(lambda: service.registry.deactivate(REGION, INSTANCE, serial))[0] is kind
    assert service.listed()[0].active is not landed
    service.registry.deactivate(REGION, INSTANCE, serial)
    service.arm(fault, "ActiveCaCertificate")
    assert failure(lambda: service.registry.activate(REGION, INSTANCE, serial))[0] is kind
    assert service.listed()[0].active is landed


def test_a_device_certificate_is_known_from_its_first_connection(service: Service) -> None:
    """Then it is active, until it is set inactive; another device, CA or instance has nothing to do with it."""
    ca, other = service.ca(), service.ca("Other CA")
    serial, second = service.register(ca), service.register(other)
    device, stranger = service.device(ca), service.device(other, "stranger")
    assert service.active(serial, device) is None
    service.connect(INSTANCE, serial, device)
    assert service.active(serial, device) is True
    service.set_device(INSTANCE, serial, device, False)  # noqa: FBT003
    service.connect(INSTANCE, second, stranger)
    assert (service.active(serial, device), service.active(second, stranger)) == (False, True)
    assert (service.active(second, device), service.active(serial, device, OTHER)) == (None, None)
    assert service.active("0123", device) is None
    service.set_device(INSTANCE, serial, device, True)  # noqa: FBT003
    assert service.active(serial, device) is True


def test_a_device_certificate_is_found_among_many(service: Service) -> None:
    """More than fit on one page of the service, and whatever its serial number begins with."""
    ca = service.ca()
    serial = service.register(ca)
    devices = [service.device(ca, f"device {number}") for number in range(101)]
    for device in devices:
        service.connect(INSTANCE, serial, device)
    service.set_device(INSTANCE, serial, devices[-1], False)  # noqa: FBT003
    assert [service.active(serial, device) for device in (devices[0], devices[-1])] == [True, False]


def test_a_lost_question_about_a_device_may_be_repeated(service: Service) -> None:
    """It changes nothing."""
    ca = service.ca()
    serial, device = service.register(ca), service.device(ca)
    service.connect(INSTANCE, serial, device)
    service.arm("lost_answer", "ListDeviceCertificateByCaSn")
    assert failure(lambda: service.active(serial, device))[0] is UnansweredError
    assert service.active(serial, device) is True


@pytest.mark.parametrize("action", ["GetRegisterCode", "ListCaCertificate"])
def test_a_lost_read_may_be_repeated(service: Service, action: str) -> None:
    """It changes nothing that matters."""
    service.arm("lost_answer", action)
    call = service.code if action == "GetRegisterCode" else service.listed
    assert failure(call)[0] is UnansweredError
    service.register(service.ca())
    assert len(service.listed()) == 1


def test_all_cas_are_listed_however_many_there_are(service: Service) -> None:
    """More than fit on one page of the service."""
    serials = [service.add(INSTANCE, "fleet", service.ca(f"CA {number}").pem) for number in range(101)]
    assert [item.serial for item in service.listed()] == serials
