"""Every side effect of the product, as a Protocol, on one screen.

Reads stand apart from writes; each write says what the caller knows after a failure and how to find out whether a lost
call landed. Errors are those of ``provisioner.errors``; no library's exception crosses a port.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from provisioner.model.certificate import AuthorityFacts, HostedCertificate, Leaf, Material, MaterialFiles
from provisioner.model.desired import Wanted
from provisioner.model.event import Event
from provisioner.model.instance import DeviceCA, Endpoint, EndpointState, Instance, NameRecord
from provisioner.model.intent import Backoff, Hold, Intent
from provisioner.model.outcome import InstanceResult
from provisioner.model.reading import AddressReading, CanaryResult, Control, ControlResult
from provisioner.model.rehearsal import RehearsedSession
from provisioner.model.secret import Secret

EventSink = Callable[[Event], None]


class Clock(Protocol):
    """Time for everybody else; nobody reads it elsewhere."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that only grow, for budgets."""

    def sleep(self, seconds: float) -> None:
        """Wait. ``KeyboardInterrupt`` passes through as soon as the process is asked to stop."""


class HostedCertificates(Protocol):
    """Certificate Management Service."""

    def find(self, name_prefix: str) -> tuple[HostedCertificate, ...]:
        """Return every hosted certificate whose name begins so, valid, soon to expire, and expired ones."""

    def find_after_name_taken(self, name: str) -> tuple[HostedCertificate, ...]:
        """Return the hosted certificates of exactly this name in every status, the revoked ones too."""

    def by_identifier(self, identifier: str) -> HostedCertificate | None:
        """Return the hosted certificate with this ``CertIdentifier``, with fingerprints, or None."""

    def upload(self, name: str, chain_pem: str, private_key: Secret, token: str) -> int:
        """Upload chain and key under a new name and return the service's number for it.

        Idempotent by ``token``. Raises ``NameTakenError`` when the name exists (look with ``find_after_name_taken``)
        and ``UnansweredError`` when the upload may have landed (look with ``find``).
        """

    def read_back(self, number: int) -> HostedCertificate:
        """Return what the service made of an upload, the private key filtered out by the service."""


class CertificateRemoval(Protocol):
    """Removal from Certificate Management Service."""

    def delete(self, number: int) -> None:
        """Delete a hosted certificate by the service's number.

        Idempotent: one that is gone already is no error. After ``UnansweredError``, ``HostedCertificates.find`` tells.
        """


class Instances(Protocol):
    """The instance directory."""

    def list(self, region: str) -> tuple[Instance, ...]:
        """Return every instance of a region that the account may see."""


class DeviceCAs(Protocol):
    """The CAs registered with an instance to sign device certificates."""

    def list(self, region: str, instance_id: str) -> tuple[DeviceCA, ...]:
        """Return all of them. Raises ``RejectedError`` where edition or permission keep the service from saying."""

    def device_certificate_active(
        self, region: str, instance_id: str, ca_serial: str, device_serial: str
    ) -> bool | None:
        """Return whether a device certificate may connect, None where the service does not know it.

        The service learns of one at its first connection (documented).

        Args:
            region: of the instance.
            instance_id: its id.
            ca_serial: the service's text for the serial number of the CA that signed it.
            device_serial: its own serial number in hexadecimal.

        Raises:
            RejectedError: edition or permission keep the service from saying.
        """


class Sessions(Protocol):
    """Sessions of device clients."""

    def online(self, region: str, instance_id: str, client_ids: tuple[str, ...]) -> frozenset[str]:
        """Return which of the clients are online; each one asked for is billed. Raises ``ServiceError``."""


class DeviceCARegistry(Protocol):
    """Changes to the CAs registered with an instance; each takes effect for new logins, without a restart.

    A ``RejectedError`` or ``ThrottledError`` means that nothing landed. After an ``UnansweredError`` ``DeviceCAs.list``
    tells whether the call did.
    """

    def register_code(self, region: str, instance_id: str) -> str:
        """Return a code to be put into a certificate that the CA signs, as proof that its key is at hand.

        Registers nothing and may be asked again; a code may end the one before it.
        """

    def register(self, region: str, instance_id: str, name: str, certificate_pem: str, verification_pem: str) -> str:
        """Register a CA, active from then on, and return the service's text for its serial number.

        Not idempotent: a CA that is there already is rejected, and a code is good for one registration. After an
        ``UnansweredError`` look for the certificate itself in ``DeviceCAs.list``; repeat with a new code only.
        """

    def activate(self, region: str, instance_id: str, serial: str) -> None:
        """Let devices of a registered CA log in again. Idempotent; the listed status tells whether it landed."""

    def deactivate(self, region: str, instance_id: str, serial: str) -> None:
        """Refuse devices of a registered CA. Idempotent; the listed status tells whether it landed."""


class DeviceAuthority(Protocol):
    """A CA that signs devices' certificates, with its key at hand."""

    @property
    def certificate(self) -> Leaf:
        """What its certificate says of itself."""

    @property
    def certificate_pem(self) -> str:
        """Its certificate alone."""

    def verification_pem(self, code: str, now: datetime) -> str:
        """Return a certificate that carries a registration code, signed by the CA; its own key is kept nowhere."""


class EndpointSwitch(Protocol):
    """A driver for the one thing Alibaba publishes no API for; its effect is judged on the wire alone."""

    @property
    def attended(self) -> bool:
        """Whether a person does the work."""

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Ask for the endpoint to become ``target``; return the steps for a person, none where the driver acts itself.

        Not idempotent: each accepted request restarts the instance. Raises ``RejectedError`` or ``ThrottledError`` when
        it certainly did not land, ``UnansweredError`` when only the wire can tell.
        """


class Resolver(Protocol):
    """Name resolution."""

    def resolve(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the addresses of the endpoint, sorted, asked anew each time. Raises ``UnresolvedError``."""


class Aliases(Protocol):
    """The DNS, beyond addresses."""

    def look_up(self, name: str) -> NameRecord | None:
        """Return what the DNS says of a name, None when it says nothing or can't be asked."""


class WireProbe(Protocol):
    """A client without certificate that looks at one address."""

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Connect once, with SNI, and tell what was seen; never raises for what a network or a server does."""


class Canary(Protocol):
    """A real device session."""

    @property
    def chain_pem(self) -> str:
        """The device certificate, then the rest of its chain, without the key. Raises ``UnusableError``."""

    def attempt(self, endpoint: Endpoint, address: str) -> CanaryResult:
        """Connect with the device certificate, log in, and send a message to itself where a topic is configured."""


class Controls(Protocol):
    """The negative controls: clients that have to be refused where certificates are demanded."""

    def attempt(self, endpoint: Endpoint, address: str, control: Control, leaf_sha256: str) -> ControlResult:
        """Connect once as this client; never raises for what a network or a server does.

        Where another leaf than the expected one is served, the connection ends before anything of the login is sent.
        The client id is the canary's, so that no session of the canary may be going on.
        """


class Rehearsal(Protocol):
    """The switch on loopback, before it is asked for."""

    def rehearse(
        self, names: tuple[str, ...], files: MaterialFiles, device_cas_pem: tuple[str, ...]
    ) -> tuple[RehearsedSession, ...]:
        """Serve the files and connect to them for each name, in TLS 1.2 and in TLS 1.3; never raises for what is found.

        The canary's certificate is demanded where one is configured and device CAs are given; none given means that
        they are unknown. Nothing is sent anywhere, and nothing goes on when this returns.
        """


class CertificateIssuer(Protocol):
    """Where certificates come from: the owner's CA at work, or files that the owner bought."""

    def authority(self) -> AuthorityFacts | None:
        """Return what is known of the CA, None where there is none. Raises ``UnusableError``."""

    def signed(self, certificate_der: bytes) -> bool:
        """Tell whether the CA's key signed this certificate."""

    def pinned_chain(self) -> tuple[bytes, ...]:
        """Return the certificates that the owner's files hold now in DER, leaf first; none where they are issued.

        Raises ``UnusableError``.
        """

    def issue(self, wanted: Wanted) -> Leaf:
        """Make a key and a certificate, or take in the files; keep both in the key store and return the leaf.

        Raises ``UnusableError``.
        """


class KeyStore(Protocol):
    """Where issued keys and certificates lie, readable by their owner only; nothing in it is ever overwritten."""

    def leaves(self, certificate_name: str) -> tuple[Leaf, ...]:
        """Return the leaves kept under this certificate's name, newest first."""

    def material(self, certificate_name: str, sha256: str) -> Material | None:
        """Return the checked chain and key of one leaf, None when it isn't here."""

    def chain_pem(self, certificate_name: str, sha256: str) -> str:
        """Return the chain as PEM: leaf, then CA certificates. Raises ``UnusableError``."""

    def private_key_pem(self, certificate_name: str, sha256: str) -> Secret:
        """Return the key as unencrypted PKCS#8 PEM. Raises ``UnusableError``."""

    def files(self, certificate_name: str, sha256: str) -> MaterialFiles:
        """Return the files themselves, for a server that loads them. Raises ``UnusableError`` when they aren't here."""


class CertificateReader(Protocol):
    """Reads certificates that came from outside."""

    def read(self, certificate_der: bytes) -> Leaf:
        """Return what a certificate says of itself. Raises ``UnusableError``."""

    def issuers(self, chain: tuple[bytes, ...]) -> frozenset[str]:
        """Return which keys signed the certificates of a chain, by name and key identifier; none for malformed ones."""

    def chains_to(self, chain_pem: str, ca_pem: str) -> bool:
        """Tell whether the first certificate of a chain leads to a CA, through the others where needed; dates aside.

        False for a CA that can't be read. Raises ``UnusableError`` when the chain can't be.
        """


class Intents(Protocol):
    """The record of what was asked for; every write is durable when it returns."""

    def open(self, instance: str) -> Intent | None:
        """Return the open intent of an instance."""

    def save(self, intent: Intent) -> None:
        """Write the open intent of its instance, replacing the one before."""

    def close(self, instance: str) -> None:
        """Close the open intent; nothing happens when there is none."""


class Holds(Protocol):
    """Instances that are left alone."""

    def get(self, instance: str) -> Hold | None:
        """Return the hold of an instance."""

    def put(self, hold: Hold) -> None:
        """Place or replace the hold of an instance."""

    def release(self, instance: str) -> None:
        """Lift the hold; nothing happens when there is none."""


class History(Protocol):
    """Past runs."""

    def begin(self, run: str, instance: str, command: str, at: datetime) -> None:
        """Record that a run began."""

    def record(self, event: Event) -> None:
        """Record one event of a run; callers leave out ``waiting`` events, of which there are too many."""

    def end(self, run: str, result: InstanceResult, at: datetime) -> None:
        """Record how a run ended on one instance."""

    def switched(self, instance: str, state: EndpointState, previous: EndpointState | None, at: datetime) -> None:
        """Record that the endpoint was verified in ``state``, and what it was in before."""

    def previous(self, instance: str) -> EndpointState | None:
        """Return the state before the latest verified one."""

    def latest(self, instance: str) -> tuple[EndpointState, ...]:
        """Return the latest verified state and the one before it, as far as they are recorded."""


class Leaves(Protocol):
    """The leaves that this state has worked with, on whichever instance."""

    def meet(self, sha256: str, at: datetime) -> None:
        """Record that this state works with a leaf."""

    def knows(self, sha256_begin: str) -> bool:
        """Tell whether this state has worked with a leaf whose SHA-256 begins so."""

    def distrust(self, sha256: str, at: datetime) -> None:
        """Record that an endpoint was taken back from a leaf."""

    def trust(self, sha256: str) -> None:
        """Record that a leaf was verified on an endpoint."""

    def distrusted(self, sha256: str) -> bool:
        """Tell whether an endpoint was taken back from a leaf that was not verified since."""


class Backoffs(Protocol):
    """Instances that unattended runs leave alone for a while after failures of the service."""

    def get(self, instance: str) -> Backoff | None:
        """Return the back-off of an instance."""

    def put(self, backoff: Backoff) -> None:
        """Place or replace the back-off of an instance."""

    def clear(self, instance: str) -> None:
        """Lift the back-off; nothing happens when there is none."""


class Locks(Protocol):
    """One run per instance at a time; a killed process's lock is free at once."""

    def hold(self, instance: str, run: str, *, wait: float = 0.0) -> AbstractContextManager[None]:
        """Hold the instance for a ``with`` block. Raises ``BusyError`` if another run has it for ``wait`` seconds."""

    def ask_to_stop(self, instance: str, by_run: str) -> None:
        """Ask the run that holds the instance to stop at its next look."""

    def stop_asked(self, instance: str, run: str) -> str | None:
        """Return the run that asks ``run`` to stop, None when nobody does."""


def each(sinks: Sequence[EventSink]) -> EventSink:
    """Return one sink that hands every event to all of them, in order."""

    def send(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return send
