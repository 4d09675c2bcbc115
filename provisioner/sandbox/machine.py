"""An instance at work: its status, what its endpoint serves, and its restarts."""

import hashlib
import ssl
import threading
from dataclasses import dataclass, field

from provisioner.sandbox.faults import SwitchFault
from provisioner.sandbox.listener import Listener
from provisioner.sandbox.settings import SandboxInstance

IN_SERVICE = 5
UPGRADING = 7
_STATUS_LAG = 0.15


@dataclass(frozen=True, slots=True)
class Serving:
    """What an endpoint serves."""

    mutual: bool
    chain_pem: str
    key_pem: str = field(repr=False)
    device_cas_pem: tuple[str, ...] = ()
    anonymous: bool = False
    dead: bool = False

    @property
    def leaf_sha256(self) -> str:
        """The SHA-256 of the served leaf."""
        end = "-----END CERTIFICATE-----"
        first = self.chain_pem[: self.chain_pem.index(end) + len(end)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


class Machine:
    """One instance: in service 5, upgrading 7 while its endpoint is down, in service again.

    Documents don't say what a restart looks like from outside; assumed: while an instance restarts its port refuses
    connections, every client is dropped, and the status shows it a moment later than the port.

    Args:
        settings: the instance.
        listener: its endpoint.
        serving: what it serves at the start.
    """

    def __init__(self, settings: SandboxInstance, listener: Listener, serving: Serving) -> None:
        self.settings = settings
        self.listener = listener
        self.serving = serving
        self.status = settings.status
        self.restarts = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the endpoint."""
        self._open(self.serving)

    def stop(self) -> None:
        """Close the endpoint for good."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.listener.close()

    def restart(self, wanted: Serving, stand_in: Serving, fault: SwitchFault | None, seconds: float) -> None:
        """Restart into what is wanted, or into what the fault makes of it; returns at once.

        Args:
            wanted: what was asked for.
            stand_in: Alibaba's own certificate, one-way.
            fault: what goes wrong.
            seconds: how long the port is closed.
        """
        if fault is SwitchFault.NO_EFFECT:
            return
        with self._lock:
            self.status = UPGRADING
            self.restarts += 1
            after = _after(wanted, self.serving, stand_in, fault)
            status = UPGRADING if fault is SwitchFault.STUCK else IN_SERVICE
            self._thread = threading.Thread(target=self._restart, args=(after, status, seconds), daemon=True)
            self._thread.start()

    def _restart(self, after: Serving, status: int, seconds: float) -> None:
        self.listener.stop()
        if self._ended.wait(seconds):
            return
        self._open(after)
        self._ended.wait(_STATUS_LAG)
        with self._lock:
            self.serving = after
            self.status = status

    def _open(self, serving: Serving) -> None:
        if serving.dead:
            return
        self.listener.start(
            mutual=serving.mutual,
            chain_pem=serving.chain_pem,
            key_pem=serving.key_pem,
            device_cas_pem=serving.device_cas_pem,
            anonymous=serving.anonymous,
        )


def _after(wanted: Serving, before: Serving, stand_in: Serving, fault: SwitchFault | None) -> Serving:
    if fault in {SwitchFault.DEAD, SwitchFault.STUCK}:
        return Serving(wanted.mutual, wanted.chain_pem, wanted.key_pem, dead=True)
    if fault is SwitchFault.WRONG_LEAF:
        return Serving(wanted.mutual, stand_in.chain_pem, stand_in.key_pem, wanted.device_cas_pem)
    if fault is SwitchFault.ANONYMOUS:
        return Serving(wanted.mutual, wanted.chain_pem, wanted.key_pem, wanted.device_cas_pem, anonymous=True)
    if fault is SwitchFault.DEVICES_REFUSED:
        return Serving(wanted.mutual, wanted.chain_pem, wanted.key_pem)
    return before if fault is SwitchFault.REVERTS else wanted
