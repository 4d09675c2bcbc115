"""Observing: everything that a plan is made from, read once."""

import hashlib
from dataclasses import replace
from datetime import datetime

from provisioner.errors import RejectedError, ServiceError, UnusableError
from provisioner.model.certificate import HostedCertificate, HostedSpecification, Pinned
from provisioner.model.desired import Desired, Mapped, Wanted
from provisioner.model.instance import DeviceCA, Instance, Mode, NameRecord
from provisioner.model.reading import AddressReading, CanaryResult, CanaryVerdict, Reading
from provisioner.planning.endpoint_view import unreachable, view
from provisioner.planning.observed import DeviceCAs, Kept, Observed, Part, Rehearsed, Served, hosted_copy
from provisioner.planning.parts import PartPlan, own_part
from provisioner.planning.planner import planned_parts
from provisioner.planning.strangers import strangers
from provisioner.planning.wire_state import Look, View
from provisioner.runs.canary_chain import with_canary
from provisioner.runs.chain_text import ders
from provisioner.runs.looking import Looker
from provisioner.runs.pinning import pinned_by_files, pinned_by_identifier
from provisioner.runs.seams import Records, Seams
from provisioner.waiting import Repeater

_PASSING = {CanaryVerdict.UNREACHABLE, CanaryVerdict.CUT_OFF, CanaryVerdict.NO_ECHO}
_SERVICE_DOMAIN = ".mqtt.aliyuncs.com"


class Observer:
    """Observes one instance: directory, hosted certificates, device CAs, key store, records and the wire.

    A whole observation costs five calls to the cloud: the directory, three listings of hosted certificates, and the
    device CAs; and a sixth one about the canary's certificate, if there is a canary whose CA is registered. What a step
    changed is looked at again by the narrower methods.
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
        authority, pinned = reads.issuer.authority(), self._pinned(desired.specification)
        reads.resolver.resolve(desired.endpoint)
        listed = self._repeater.read(lambda: reads.instances.list(desired.region))
        instance = _pick(listed, desired.id)
        reading = self._looker.look_well()
        left_out = unreachable(reading)
        seen = view(reading, left_out)
        hosted = self._repeater.read(lambda: reads.hosted.find(desired.hosted_prefix))
        served = self._recalled(self._served(reading, seen), hosted)
        observed = Observed(
            at=reads.clock.now(),
            instance=instance,
            others=tuple(item.id for item in listed if item.region == desired.region),
            view=seen,
            left_out=left_out if seen.look is Look.UP else (),
            served=served,
            hosted=hosted,
            kept=self.kept(desired.specification.name),
            authority=authority,
            device_cas=self._device_cas(instance, authority.certificate.sha256 if authority else ""),
            canary=self._canary(reading, seen, left_out),
            intent=self._records.intents.open(desired.name),
            hold=self._records.holds.get(desired.name),
            pinned=pinned,
            domains=tuple(self._part(item, reading, seen) for item in desired.domains),
            names=self._names(),
        )
        own, leaves = own_part(desired, observed), self._records.leaves
        fixed = [part.pinned.sha256 for part in (own, *observed.domains) if part.pinned and part.pinned.sha256]
        return replace(
            observed,
            strangers=strangers((own, *observed.domains), observed.at, leaves.knows),
            taken_back=any(leaves.distrusted(leaf) for leaf in fixed),
        )

    def rehearsed(self, observed: Observed) -> Observed:
        """Return the observation with rehearsals of the certificates that would be switched to, if they are here."""
        own, domains = planned_parts(self._desired, observed, changing=True)
        leaves = [item.leaf.sha256 for item in (own, *domains) if item.leaf is not None]
        taken_back = observed.taken_back or any(self._records.leaves.distrusted(leaf) for leaf in leaves)
        mapped = {item.part.host: item for item in domains}
        return replace(
            observed,
            taken_back=taken_back,
            rehearsal=self._rehearse(own, observed),
            domains=tuple(
                replace(part, rehearsal=self._rehearse(mapped[part.host], observed)) if part.host in mapped else part
                for part in observed.domains
            ),
        )

    def _rehearse(self, needed: PartPlan, observed: Observed) -> Rehearsed | None:
        part, leaf = needed.part, needed.leaf
        if leaf is None or (part.rehearsal is not None and part.rehearsal.sha256 == leaf.sha256):
            return part.rehearsal
        files = self._reads.key_store.files(part.wanted.name, leaf.sha256)
        registered = observed.device_cas.registered
        device_cas = tuple(item.certificate_pem for item in registered if item.active and item.certificate_pem)
        rehearsal = self._reads.source(part.wanted.name).rehearsal
        return Rehearsed(leaf.sha256, rehearsal.rehearse((part.host,), files, device_cas))

    def status(self) -> int | None:
        """Return the instance's status, None when the directory does not have it. Raises ``ServiceError``."""
        found = _pick(self._reads.instances.list(self._desired.region), self._desired.id)
        return found.status if found else None

    def served_expiry(self) -> datetime | None:
        """Return when the first certificate on the wire expires, None when that can't be seen."""
        reading = self._looker.look()
        seen = view(reading, unreachable(reading))
        leaves = dict(seen.state.domains) if seen.state else {}
        mapped = (
            self._shown(item.addresses, leaves.get(item.domain), self._desired.specification.name)
            for item in reading.domains
        )
        shown = (self._served(reading, seen), *mapped)
        return min((item.leaf.not_after for item in shown if item is not None), default=None)

    def kept(self, name: str) -> tuple[Kept, ...]:
        """Return what the key store has for a certificate, newest first."""
        store, signed = self._reads.key_store, self._reads.source(name).issuer.signed
        found = (store.material(name, leaf.sha256) for leaf in store.leaves(name))
        chains = ((item, ders(store.chain_pem(name, item.leaf.sha256))) for item in found if item)
        return tuple(Kept(item, signed(chain[0]), self._reads.reader.issuers(chain)) for item, chain in chains)

    def _names(self) -> tuple[NameRecord, ...]:
        """Return what the DNS says, nothing where that is not what leads there or the name is the service's own."""
        endpoint = self._desired.endpoint
        if endpoint.connect_to is not None or (not self._desired.domains and endpoint.host.endswith(_SERVICE_DOMAIN)):
            return ()
        hosts = (endpoint.host, *(item.domain for item in self._desired.domains))
        return tuple(found for found in map(self._reads.aliases.look_up, hosts) if found is not None)

    def _part(self, mapped: Mapped, reading: Reading, seen: View) -> Part:
        name = mapped.specification.name
        leaf = dict(seen.state.domains).get(mapped.domain) if seen.state else None
        shown = next((item.addresses for item in reading.domains if item.domain == mapped.domain), ())
        hosted = self._repeater.read(lambda: self._reads.hosted.find(mapped.hosted_prefix))
        return Part(
            host=mapped.domain,
            wanted=mapped.specification,
            hosted_prefix=mapped.hosted_prefix,
            served=self._recalled(self._shown(shown, leaf, name), hosted),
            hosted=hosted,
            kept=self.kept(name),
            pinned=self._pinned(mapped.specification),
        )

    def _pinned(self, wanted: Wanted) -> Pinned | None:
        if isinstance(wanted, HostedSpecification):
            found = self._repeater.read(lambda: self._reads.hosted.by_identifier(wanted.identifier))
            return None if found is None else pinned_by_identifier(found)
        return pinned_by_files(self._reads.source(wanted.name).issuer, self._reads.reader)

    def with_kept(self, observed: Observed) -> Observed:
        """Return the observation with the key store looked at again."""
        domains = tuple(replace(part, kept=self.kept(part.wanted.name)) for part in observed.domains)
        return replace(observed, kept=self.kept(self._desired.specification.name), domains=domains)

    @staticmethod
    def plus_hosted(observed: Observed, hosted: HostedCertificate) -> Observed:
        """Return the observation with a certificate that was just hosted and read back."""
        domains = tuple(replace(part, hosted=(*part.hosted, hosted)) for part in observed.domains)
        return replace(observed, hosted=(*observed.hosted, hosted), domains=domains)

    def _served(self, reading: Reading, seen: View) -> Served | None:
        leaf = seen.state.leaf if seen.state else None
        return self._shown(reading.addresses, leaf, self._desired.specification.name)

    def _recalled(self, served: Served | None, hosted: tuple[HostedCertificate, ...]) -> Served | None:
        """Return the served leaf with the hosted copy that it was verified by, where its name is not the present one's.

        A certificate that has another name in the configuration now is as good to go back to as before.
        """
        if served is None or hosted_copy(hosted, served.leaf) is not None:
            return served
        states = self._records.history.latest(self._desired.name)
        verified = [(state.leaf, state.identifier) for state in states]
        verified += [(item.leaf, item.identifier) for state in states for item in state.domains]
        recorded = next((identifier for leaf, identifier in verified if leaf == served.leaf.sha256), None)
        return replace(served, recorded=recorded) if recorded and self._is_hosted(recorded) else served

    def _is_hosted(self, identifier: str) -> bool:
        try:
            return self._repeater.read(lambda: self._reads.hosted.by_identifier(identifier)) is not None
        except ServiceError:  # as in a rollback: that speaks against nothing
            return True

    def _shown(self, addresses: tuple[AddressReading, ...], sha256: str | None, name: str) -> Served | None:
        chain = next((item.chain for item in addresses if sha256 and item.leaf_sha256 == sha256 and item.chain), ())
        if not chain:
            return None
        try:
            leaf = self._reads.reader.read(chain[0])
        except UnusableError:
            return None
        known, signed = self._records.leaves.knows(leaf.sha256), self._reads.source(name).issuer.signed(chain[0])
        return Served(leaf, signed, self._reads.reader.issuers(chain), known)

    def _device_cas(self, instance: Instance | None, authority_sha256: str) -> DeviceCAs:
        if instance is None or self._desired.mode is Mode.ONE_WAY:
            return DeviceCAs(unknown="not asked")
        try:
            found = self._repeater.read(lambda: self._reads.device_cas.list(self._desired.region, self._desired.id))
        except RejectedError as error:
            seen = DeviceCAs(unknown=error.message)
        else:
            seen = DeviceCAs(found, authority_among=any(_sha256(item) == authority_sha256 for item in found))
        return with_canary(seen, self._reads.canary, self._reads.reader, self._is_active)

    def _is_active(self, ca_serial: str, device_serial: str) -> bool | None:
        region, instance_id = self._desired.region, self._desired.id
        ask = self._reads.device_cas.device_certificate_active
        try:
            return self._repeater.read(lambda: ask(region, instance_id, ca_serial, device_serial))
        except RejectedError:  # edition or permission: nothing is refused for what the service keeps to itself
            return None

    def _canary(self, reading: Reading, seen: View, left_out: tuple[str, ...]) -> CanaryResult | None:
        policy = self._desired.canary
        if seen.state is None or not policy.configured:
            return None
        if seen.state.mode is Mode.ONE_WAY and not policy.logs_in:
            return None
        address = next(item.address for item in reading.addresses if item.address not in left_out)
        result = next(iter(self._looker.try_canary([address])), None)
        if result is not None and result.verdict in _PASSING:  # one lost packet is no alarm
            result = next(iter(self._looker.try_canary([address])), None)
        return result


def _pick(listed: tuple[Instance, ...], wanted: str) -> Instance | None:
    return next((item for item in listed if item.id == wanted), None)


def _sha256(device_ca: DeviceCA) -> str:
    try:
        return hashlib.sha256(ders(device_ca.certificate_pem)[0]).hexdigest()
    except ValueError:
        return ""
