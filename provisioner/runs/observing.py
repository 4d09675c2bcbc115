"""Observing: everything that a plan is made from, read once."""

import hashlib
from dataclasses import replace

from provisioner.errors import RejectedError, UnusableError
from provisioner.model.certificate import HostedCertificate
from provisioner.model.desired import Desired
from provisioner.model.instance import DeviceCA, Instance, Mode
from provisioner.model.reading import CanaryResult, Reading
from provisioner.planning.observed import DeviceCAs, Kept, Observed, Served
from provisioner.planning.wire import Look, View, unreachable, view
from provisioner.runs.canary_chain import first_der, with_canary
from provisioner.runs.looking import Looker
from provisioner.runs.seams import Records, Seams
from provisioner.waiting import Repeater


class Observer:
    """Observes one instance: directory, hosted certificates, device CAs, key store, records and the wire.

    A whole observation costs five calls to the cloud: the directory, three listings of hosted certificates, and the
    device CAs. What a step changed is looked at again by the narrower methods.
    """

    def __init__(self, desired: Desired, seams: Seams, looker: Looker) -> None:
        self._desired = desired
        self._reads = seams.reads
        self._records: Records = seams.records
        self._looker = looker
        self._repeater = Repeater(seams.reads.clock)

    def observe(self) -> Observed:
        """Return everything. Raises ``ServiceError``, ``UnresolvedError``, ``UnusableError``."""
        desired, reads = self._desired, self._reads
        authority = reads.issuer.authority()
        reads.resolver.resolve(desired.endpoint)
        listed = self._repeater.read(lambda: reads.instances.list(desired.region))
        instance = _pick(listed, desired.id)
        reading = self._looker.look()
        left_out = unreachable(reading)
        seen = view(reading, left_out) if len(left_out) < len(reading.addresses) else view(reading)
        return Observed(
            at=reads.clock.now(),
            instance=instance,
            others=tuple(item.id for item in listed if item.region == desired.region),
            view=seen,
            left_out=left_out if seen.look is Look.UP else (),
            served=self._served(reading, seen),
            hosted=self._repeater.read(lambda: reads.hosted.find(desired.hosted_prefix)),
            kept=self.kept(),
            authority=authority,
            device_cas=self._device_cas(instance, authority.certificate.sha256),
            canary=self._canary(reading, seen, left_out),
            intent=self._records.intents.open(desired.name),
            hold=self._records.holds.get(desired.name),
        )

    def status(self) -> int | None:
        """Return the instance's status, None when the directory does not have it. Raises ``ServiceError``."""
        found = _pick(self._reads.instances.list(self._desired.region), self._desired.id)
        return found.status if found else None

    def kept(self) -> tuple[Kept, ...]:
        """Return what the key store has for the certificate, newest first."""
        store, name = self._reads.key_store, self._desired.specification.name
        found = (store.material(name, leaf.sha256) for leaf in store.leaves(name))
        return tuple(
            Kept(item, self._reads.issuer.signed(first_der(store.chain_pem(name, item.leaf.sha256))))
            for item in found
            if item
        )

    def with_kept(self, observed: Observed) -> Observed:
        """Return the observation with the key store looked at again."""
        return replace(observed, kept=self.kept())

    @staticmethod
    def plus_hosted(observed: Observed, hosted: HostedCertificate) -> Observed:
        """Return the observation with a certificate that was just hosted and read back."""
        return replace(observed, hosted=(*observed.hosted, hosted))

    def _served(self, reading: Reading, seen: View) -> Served | None:
        if seen.state is None:
            return None
        der = next(item.chain[0] for item in reading.addresses if item.leaf_sha256 == seen.state.leaf and item.chain)
        try:
            return Served(self._reads.reader.read(der), self._reads.issuer.signed(der))
        except UnusableError:
            return None

    def _device_cas(self, instance: Instance | None, authority_sha256: str) -> DeviceCAs:
        if instance is None or self._desired.mode is Mode.ONE_WAY:
            return DeviceCAs(unknown="not asked")
        try:
            found = self._repeater.read(lambda: self._reads.device_cas.list(self._desired.region, self._desired.id))
        except RejectedError as error:
            seen = DeviceCAs(unknown=error.message)
        else:
            seen = DeviceCAs(found, authority_among=any(_sha256(item) == authority_sha256 for item in found))
        return with_canary(seen, self._reads.canary, self._reads.reader)

    def _canary(self, reading: Reading, seen: View, left_out: tuple[str, ...]) -> CanaryResult | None:
        policy = self._desired.canary
        if seen.state is None or not policy.configured:
            return None
        if seen.state.mode is Mode.ONE_WAY and not policy.logs_in:
            return None
        address = next(item.address for item in reading.addresses if item.address not in left_out)
        return next(iter(self._looker.try_canary([address])), None)


def _pick(listed: tuple[Instance, ...], wanted: str) -> Instance | None:
    return next((item for item in listed if item.id == wanted), None)


def _sha256(device_ca: DeviceCA) -> str:
    try:
        return hashlib.sha256(first_der(device_ca.certificate_pem)).hexdigest()
    except ValueError:
        return ""
