"""What the sandbox asks of the endpoint of an instance, so that another broker can stand in: a seam without code."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable


class Listener(Protocol):
    """One endpoint of an instance: serves TLS on a fixed loopback port while started."""

    @property
    def host(self) -> str:
        """The address it serves on."""
        ...

    @property
    def port(self) -> int:
        """The port, chosen once; it stays the same over stop and start."""
        ...

    def start(
        self,
        *,
        mutual: bool,
        chain_pem: str,
        key_pem: str,
        device_cas_pem: Sequence[str],
        anonymous: bool = False,
    ) -> None:
        """Serve TLS from now on; on return clients can connect.

        Args:
            mutual: require a client certificate that chains to one of ``device_cas_pem``.
            chain_pem: the server's certificate, then the CA certificates that are sent with it.
            key_pem: its private key, without a passphrase.
            device_cas_pem: one PEM text per device CA; with none, mutual authentication refuses everybody.
            anonymous: a fault: with ``mutual``, ask for a client certificate and accept clients without one.

        Raises:
            RuntimeError: it is already started, or closed for good.
            ValueError: chain, key or a device CA can't be used.
        """
        ...

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        ...

    def close(self) -> None:
        """Stop and give the port back, for good."""
        ...


@runtime_checkable
class LiveDeviceCAs(Protocol):
    """What a listener may be able to do beside: change who is let in while it serves."""

    def accept_device_cas(self, device_cas_pem: Sequence[str]) -> None:
        """Accept what chains to these device CAs from the next connection on; connected clients stay.

        Without mutual authentication, and while stopped, it does nothing.
        """
        ...


@runtime_checkable
class MapsDomains(Protocol):
    """What a listener may be able to do beside: serve other certificates to clients that ask for them by SNI."""

    def map_domains(self, domains: Mapping[str, tuple[str, str]]) -> None:
        """Serve these chains and keys for these domains from the next start on."""
        ...


@runtime_checkable
class JudgesDevices(Protocol):
    """What a listener may be able to do beside: cut single devices off."""

    def judge_devices(self, admit: Callable[[bytes], bool]) -> None:
        """Ask about every client certificate (DER) that TLS has let in, and cut the client off where it is False.

        The function is called in the listener's thread, hence it must be quick.
        """
        ...


@runtime_checkable
class Misbehaves(Protocol):
    """What a listener may be able to do beside: serve in ways that a broken endpoint does."""

    def take_any_certificate(self, *, taken: bool) -> None:
        """Where certificates are demanded, take any that a client proves to hold, from the next start on."""
        ...

    def leave_broker(self, *, away: bool) -> None:
        """Drop every new client at its first bytes after the handshake, as if no broker stood behind; or don't."""
        ...
