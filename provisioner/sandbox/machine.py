"""An instance at work: its status, what its endpoint serves, and its restarts."""

import hashlib
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from provisioner.sandbox.answers import ApiError, required
from provisioner.sandbox.faults import SwitchFault
from provisioner.sandbox.listener import Listener, LiveDeviceCAs, MapsDomains
from provisioner.sandbox.settings import SandboxInstance

IN_SERVICE = 5
UPGRADING = 7
_STATUS_LAG = 0.15


@dataclass(frozen=True, slots=True)
class Serving:
    """What an endpoint serves; ``devices_refused`` is a fault that lets nobody in, whatever is registered.

    ``domains`` are served to clients that ask for them by SNI.
    """

    mutual: bool
    chain_pem: str
    key_pem: str = field(repr=False)
    devices_refused: bool = False
    anonymous: bool = False
    dead: bool = False
    domains: tuple[tuple[str, "Serving"], ...] = ()

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
        device_cas: returns the device CAs whose devices are let in, in PEM.
    """

    def __init__(
        self,
        settings: SandboxInstance,
        listener: Listener,
        serving: Serving,
        device_cas: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.serving = serving
        self._device_cas = device_cas
        self._opened: Serving | None = None
        self._door = threading.RLock()
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
        with self._door:
            self._opened = None
            self.listener.close()

    def device_cas_changed(self) -> None:
        """Let other devices in from the next connection on; assumed: without a restart of the instance.

        A listener that can't do that while it serves is stopped and started, which drops its clients.
        """
        with self._door:
            opened = self._opened
            if opened is None or not opened.mutual:
                return
            if isinstance(self.listener, LiveDeviceCAs):
                self.listener.accept_device_cas(self._accepted(opened))
            else:
                self._close()
                self._open(opened)

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
        self._close()
        if self._ended.wait(seconds):
            return
        self._open(after)
        self._ended.wait(_STATUS_LAG)
        with self._lock:
            self.serving = after
            self.status = status

    def _close(self) -> None:
        with self._door:
            self._opened = None
            self.listener.stop()

    def _open(self, serving: Serving) -> None:
        if serving.dead:
            return
        with self._door:  # so that no change of device CAs falls between reading and serving them
            if isinstance(self.listener, MapsDomains):
                self.listener.map_domains({name: (one.chain_pem, one.key_pem) for name, one in serving.domains})
            self.listener.start(
                mutual=serving.mutual,
                chain_pem=serving.chain_pem,
                key_pem=serving.key_pem,
                device_cas_pem=self._accepted(serving),
                anonymous=serving.anonymous,
            )
            self._opened = serving

    def _accepted(self, serving: Serving) -> tuple[str, ...]:
        return self._device_cas() if serving.mutual and not serving.devices_refused else ()


def machine_of(machines: Mapping[str, Machine], parameters: dict[str, str]) -> Machine:
    """Return the instance that ``MqttInstanceId`` names. Raises ``ApiError``."""
    found = machines.get(required(parameters, "MqttInstanceId"))
    if found is None:
        raise ApiError("MqttInstanceNotFound", "Specified instance is not found.", 500)
    return found


def _after(wanted: Serving, before: Serving, stand_in: Serving, fault: SwitchFault | None) -> Serving:
    if fault in {SwitchFault.DEAD, SwitchFault.STUCK}:
        return replace(wanted, dead=True)
    if fault is SwitchFault.WRONG_LEAF:
        return replace(wanted, chain_pem=stand_in.chain_pem, key_pem=stand_in.key_pem)
    if fault is SwitchFault.ANONYMOUS:
        return replace(wanted, anonymous=True)
    if fault is SwitchFault.DEVICES_REFUSED:
        return replace(wanted, devices_refused=True)
    return before if fault is SwitchFault.REVERTS else wanted
