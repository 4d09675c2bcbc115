"""Hosting where the name is taken, or where what is hosted is not what was uploaded."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.errors import NameTakenError, UnansweredError
from provisioner.model.certificate import HostedCertificate
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.secret import Secret
from tests.fakes.memory import MemoryHosting
from tests.fakes.stage import NAME, Stage


class TakenHosting(MemoryHosting):
    """A service in which somebody else took the name in the moment before the upload.

    Its ordinary listing does not show that copy; ``change`` makes of it what it is.
    """

    change: Callable[[HostedCertificate], HostedCertificate] = staticmethod(lambda hosted: hosted)
    hidden: HostedCertificate | None = None

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Find the name taken."""
        number = super().upload(name, chain_pem, private_key, token)
        self.uploads.clear()
        self.hidden = self.change(self.kept.pop())
        assert self.hidden.id == number
        raise NameTakenError("NameRepeat", action="UploadUserCertificate", code="NameRepeat")

    def find_after_name_taken(self, name: str) -> tuple[HostedCertificate, ...]:
        """Return the copy that took the name."""
        return (self.hidden,) if self.hidden is not None and self.hidden.name == name else ()

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return the copy that took the name."""
        return self.hidden if self.hidden is not None and self.hidden.identifier == identifier else None


class OtherHosting(MemoryHosting):
    """A service that reads back another certificate than was uploaded."""

    change: Callable[[HostedCertificate], HostedCertificate] = staticmethod(lambda hosted: hosted)

    def read_back(self, number: int) -> HostedCertificate:
        """Return something else."""
        return self.change(super().read_back(number))


def apply(
    kind: type[TakenHosting] | type[OtherHosting], change: Callable[[HostedCertificate], HostedCertificate]
) -> tuple[Stage, InstanceResult]:
    """Run a first switch with such a service."""
    stage = Stage()
    hosting = kind(stage.pki)
    hosting.change = change
    stage.hosting = hosting
    return stage, stage.apply()


def test_a_copy_that_another_machine_uploaded_is_taken() -> None:
    """One certificate, one name, one upload: whoever was first."""
    stage, result = apply(TakenHosting, lambda hosted: hosted)
    assert (result.outcome, result.hosted_identifier) == (Outcome.CONVERGED, "1000-cn-hangzhou")
    assert (stage.world.restarts, stage.hosting.uploads) == (1, [])


class UnlistedFailure(MemoryHosting):
    """A service that fails at uploads on its own side, and has nothing afterwards."""

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Fail."""
        raise UnansweredError("UploadUserCertificate: Whatever: why", action="UploadUserCertificate", code="Whatever")


def test_an_upload_that_failed_on_the_services_side_is_told_in_its_words() -> None:
    """It is looked for; when it isn't there, what the service said is the best that can be told."""
    stage = Stage()
    stage.hosting = UnlistedFailure(stage.pki)
    result = stage.apply()
    name = f"provisioner-iot-{stage.pki.leaves('iot')[0].sha256[:16]}"
    assert (result.outcome, stage.world.requests) == (Outcome.FAILED, [])
    assert result.message == (
        f"{NAME}: the upload of {name} failed (UploadUserCertificate: Whatever: why) and is not listed; "
        "the endpoint was not touched"
    )


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda hosted: replace(hosted, status="revoked"), "a certificate of that name is revoked"),
        (lambda hosted: replace(hosted, sha256="ff" * 32, serial=7), "another certificate has that name"),
        (lambda hosted: replace(hosted, sha256=None, serial=7), "another certificate has that name"),
        (lambda hosted: replace(hosted, name="somebody else's"), "another certificate has that name"),
    ],
)
def test_a_name_that_is_lost_is_told_with_the_way_out(
    change: Callable[[HostedCertificate], HostedCertificate], state: str
) -> None:
    """Nothing was switched, and the message says what has the name and what to do."""
    stage, result = apply(TakenHosting, change)
    name = f"provisioner-iot-{stage.pki.leaves('iot')[0].sha256[:16]}"
    assert (result.outcome, stage.world.requests) == (Outcome.FAILED, [])
    assert result.message == f"{NAME}: hosting {name} was refused: {state}; the endpoint was not touched"
    assert result.hint == (
        f"remove {name} in the console of Certificate Management Service, or issue anew with: provisioner issue iot"
    )


@pytest.mark.parametrize(
    "change",
    [lambda hosted: replace(hosted, sha256="ff" * 32), lambda hosted: replace(hosted, sha256=None, serial=7)],
)
def test_what_is_read_back_must_be_what_was_uploaded(
    change: Callable[[HostedCertificate], HostedCertificate],
) -> None:
    """Another fingerprint, or another serial number where there is none: the endpoint is not touched."""
    stage, result = apply(OtherHosting, change)
    assert (result.outcome, stage.world.requests) == (Outcome.FAILED, [])
    assert "the hosted copy is not what was uploaded" in result.message


def test_a_service_without_fingerprints_is_believed_by_serial_number() -> None:
    """A listing without SHA-256 is matched by the serial number and the name that this tool gave."""
    stage, result = apply(OtherHosting, lambda hosted: replace(hosted, sha256=None))
    assert (result.outcome, stage.world.restarts) == (Outcome.CONVERGED, 1)
