"""One backend of an instance: a listener, and what it serves at the moment."""

import threading
from collections.abc import Callable

from provisioner.sandbox.endpoint import Listener, LiveDeviceCAs, MapsDomains, Misbehaves
from provisioner.sandbox.serving import Serving


class Backend:
    """A listener that is brought from one state into another; safe for threads.

    Args:
        listener: what clients reach.
        serving: what it is going to serve first.
        device_cas: returns the device CAs whose devices are let in, in PEM.
    """

    def __init__(self, listener: Listener, serving: Serving, device_cas: Callable[[], tuple[str, ...]]) -> None:
        self.listener = listener
        self._device_cas = device_cas
        self._serving = serving
        self._up = False
        self._door = threading.RLock()

    @property
    def serving(self) -> Serving:
        """What it serves, or served before it went down."""
        return self._serving

    @property
    def up(self) -> bool:
        """Whether clients can connect to it."""
        return self._up

    def truth(self) -> dict[str, object]:
        """Return mode, leaf, and whether it is up."""
        with self._door:
            return {"mode": self._serving.mode, "leaf_sha256": self._serving.leaf_sha256, "up": self._up}

    def serve(self, serving: Serving, *, broker_away: bool = False) -> None:
        """Drop all clients and serve this from now on; a dead state leaves it down.

        Args:
            serving: the state.
            broker_away: drop new clients at their first bytes after the handshake, until ``leave_broker`` says else.
        """
        with self._door:  # so that no change of device CAs falls between reading and serving them
            if self._up:
                self.stop()
            self._serving = serving
            self.leave_broker(away=broker_away)
            if serving.dead:
                return
            self._adjust(serving)
            self.listener.start(
                mutual=serving.mutual,
                chain_pem=serving.chain_pem,
                key_pem=serving.key_pem,
                device_cas_pem=self._accepted(),
                anonymous=serving.anonymous,
            )
            self._up = True

    def stop(self) -> None:
        """Drop all clients and refuse new ones."""
        with self._door:
            self._up = False
            self.listener.stop()

    def close(self) -> None:
        """Stop for good."""
        with self._door:
            self._up = False
            self.listener.close()

    def leave_broker(self, *, away: bool) -> None:
        """Drop new clients at their first bytes after the handshake, or don't."""
        if isinstance(self.listener, Misbehaves):
            self.listener.leave_broker(away=away)

    def device_cas_changed(self) -> None:
        """Let other devices in from the next connection on; assumed: a changed CA restarts nothing.

        A listener that can't do that while it serves is stopped and started, which drops its clients.
        """
        with self._door:
            if not self._up or not self._serving.mutual:
                return
            if isinstance(self.listener, LiveDeviceCAs):
                self.listener.accept_device_cas(self._accepted())
            else:
                self.serve(self._serving)

    def _adjust(self, serving: Serving) -> None:
        if isinstance(self.listener, MapsDomains):
            self.listener.map_domains({name: (one.chain_pem, one.key_pem) for name, one in serving.domains})
        if isinstance(self.listener, Misbehaves):
            self.listener.take_any_certificate(taken=serving.any_certificate)

    def _accepted(self) -> tuple[str, ...]:
        return self._device_cas() if self._serving.mutual and not self._serving.devices_refused else ()
