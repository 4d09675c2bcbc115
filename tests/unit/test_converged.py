"""Instances that are as wanted: nothing that concerns a change alone speaks against them."""

from dataclasses import replace
from datetime import timedelta

from provisioner.model.certificate import AuthorityFacts
from provisioner.model.outcome import Outcome
from tests.fakes.memory import MemoryHosting
from tests.fakes.pki import FakePki
from tests.fakes.stage import Stage
from tests.fakes.world import ALIBABA, CANARY


class Ending(FakePki):
    """An authority that ends on one day."""

    def authority(self) -> AuthorityFacts:
        """Return the authority, which ends 700 days after the beginning."""
        found = super().authority()
        assert found is not None
        begun = self._clock.now() - timedelta(seconds=self._clock.monotonic())
        return replace(found, certificate=replace(found.certificate, not_after=begun + timedelta(days=700)))


def test_an_authority_that_could_not_sign_another_certificate_does_not_stop_a_converged_instance() -> None:
    """It is refused when a certificate is to be made, and not before."""
    stage = Stage()
    stage.pki = Ending(stage.clock)
    stage.pki.stranger(ALIBABA)
    stage.pki.stranger(CANARY, days=3650)
    stage.hosting = MemoryHosting(stage.pki)
    assert stage.apply().outcome is Outcome.CONVERGED
    stage.clock.sleep(timedelta(days=300).total_seconds())
    assert stage.apply().outcome is Outcome.UNCHANGED
    stage.rotate()
    assert [item.reason for item in stage.plan().refusals] == ["outlives-authority"]
