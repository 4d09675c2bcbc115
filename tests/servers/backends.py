"""Several mosquittos, each of which can be turned to another state, killed and revived on its own."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from tests.servers.mosquitto import MosquittoListener


@dataclass(frozen=True, slots=True)
class State:
    """What one backend serves; the arguments of a listener's ``start``."""

    mutual: bool
    chain_pem: str
    key_pem: str = field(repr=False)
    device_cas_pem: tuple[str, ...] = ()
    anonymous: bool = False


class Backends:
    """Mosquittos on ports of their own; none is started at first.

    Args:
        size: how many.
        logins: passwords by user name; with none everybody may log in.
        lowest: the lowest version of TLS that they speak.
    """

    def __init__(self, size: int, logins: Mapping[str, str] | None = None, *, lowest: str = "1.2") -> None:
        self._all = [_Backend(MosquittoListener(logins, lowest=lowest)) for _ in range(size)]
        self._timers: list[threading.Timer] = []
        self._closed = threading.Event()

    def __len__(self) -> int:
        return len(self._all)

    @property
    def ports(self) -> tuple[int, ...]:
        """Their ports, which stay the same."""
        return tuple(backend.mosquitto.port for backend in self._all)

    @property
    def states(self) -> tuple[State | None, ...]:
        """What each serves now, None for one that is not running."""
        return tuple(backend.state if backend.running else None for backend in self._all)

    def turn(self, state: State, *indices: int) -> None:
        """Restart these backends in a state, all of them when none is named; on return clients can connect.

        Raises:
            ValueError: a backend can't serve this; it is stopped then.
        """
        wanted = [self._all[index] for index in indices or range(len(self._all))]
        with ThreadPoolExecutor(len(wanted)) as pool:
            list(pool.map(lambda backend: backend.turn(state), wanted))

    def kill(self, *indices: int) -> None:
        """Stop these backends; they refuse connections until they are revived or turned."""
        for index in indices:
            self._all[index].kill()

    def revive(self, *indices: int, after: float = 0.0) -> None:
        """Start these backends again in the state that they had, at once or after some seconds."""
        for index in indices:
            self.later(after, self._all[index].revive)

    def later(self, seconds: float, change: Callable[[], None]) -> None:
        """Do something with the backends after some seconds, unless they are closed before; 0 does it now."""
        if seconds == 0:
            change()
            return
        timer = threading.Timer(seconds, self._unless_closed, (change,))
        self._timers.append(timer)
        timer.start()

    def cancel(self) -> None:
        """Forget all that was to be done later; a change that has begun is waited for."""
        for timer in self._timers:
            timer.cancel()
        for timer in self._timers:
            timer.join()
        self._timers.clear()

    def close(self) -> None:
        """Stop all and give the ports back, for good."""
        self._closed.set()
        self.cancel()
        for backend in self._all:
            backend.close()

    def _unless_closed(self, change: Callable[[], None]) -> None:
        if not self._closed.is_set():
            change()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Backend:
    """One mosquitto and the state that it serves, or served when it was killed."""

    def __init__(self, mosquitto: MosquittoListener) -> None:
        self.mosquitto = mosquitto
        self.state: State | None = None
        self.running = False
        self._changing = threading.Lock()

    def turn(self, state: State) -> None:
        with self._changing:
            self._stop()
            self._start(state)

    def kill(self) -> None:
        with self._changing:
            self._stop()

    def revive(self) -> None:
        with self._changing:
            if not self.running and self.state is not None:
                self._start(self.state)

    def close(self) -> None:
        with self._changing, contextlib.ExitStack() as ending:
            ending.callback(self.mosquitto.close)
            self._stop()

    def _start(self, state: State) -> None:
        self.mosquitto.start(
            mutual=state.mutual,
            chain_pem=state.chain_pem,
            key_pem=state.key_pem,
            device_cas_pem=state.device_cas_pem,
            anonymous=state.anonymous,
        )
        self.state, self.running = state, True

    def _stop(self) -> None:
        self.running = False
        self.mosquitto.stop()
