"""An endpoint of several nodes: mosquittos behind a balancer, as one listener of the sandbox."""

import threading
from collections.abc import Callable, Sequence

from tests.servers.backends import Backends, State
from tests.servers.front import Backend, Balancing, Front, Method
from tests.servers.nginx import Nginx
from tests.servers.ports import HOST

MakeFront = Callable[[Sequence[Balancing]], Front]


class BalancedListener:
    """Implements the sandbox's ``Listener``: each start turns the backends, but for those that are to stay stale.

    While it is stopped the backends run on unseen, since clients reach them through the balancer alone.

    | the next start with | the last backends | the others |
    |---|---|---|
    | ``stale=0`` | turn | turn |
    | ``stale=n``, the first start of all | turn, and ``stale`` stays ``n`` | turn |
    | ``stale=n`` | stay as they were; ``stale`` is 0 then | turn |
    | ``stale=n`` and ``recover_after=s`` | likewise, and turn after ``s`` seconds | turn |

    Args:
        backends: the nodes; it turns and closes them.
        front: ``Nginx`` or ``HAProxy``.
        method: how a backend is chosen.
        weights: the weight of each backend, all 1 by default.
        stale: how many backends the next start leaves as they are.
        recover_after: after how many seconds those turn too; None leaves them until the next start.
        port_stays_open: a stop closes nothing; the next start turns one backend after the other behind the open port.
    """

    def __init__(
        self,
        backends: Backends,
        *,
        front: MakeFront = Nginx,
        method: Method = Method.ROUND_ROBIN,
        weights: Sequence[int] = (),
        stale: int = 0,
        recover_after: float | None = None,
        port_stays_open: bool = False,
    ) -> None:
        self.backends = backends
        self.stale = stale
        self.recover_after = recover_after
        self.port_stays_open = port_stays_open
        pairs = zip(self.backends.ports, weights or [1] * len(backends), strict=True)
        self.front = front([Balancing(tuple(Backend(port, weight) for port, weight in pairs), method)])
        self._changing = threading.Lock()
        self._started = self._served_before = self._closed = False

    @property
    def host(self) -> str:
        """The address it serves on."""
        return HOST

    @property
    def port(self) -> int:
        """The balancer's port; it stays the same over stop and start."""
        return self.front.port

    def start(
        self,
        *,
        mutual: bool,
        chain_pem: str,
        key_pem: str,
        device_cas_pem: Sequence[str],
        anonymous: bool = False,
    ) -> None:
        """Serve from now on through every backend that is not stale; on return clients can connect."""
        state = State(mutual, chain_pem, key_pem, tuple(device_cas_pem), anonymous)
        with self._changing:
            if self._closed or self._started:
                raise RuntimeError(f"endpoint on port {self.port}: {'closed' if self._closed else 'already started'}")
            self.backends.cancel()
            self._turn(state)
            self.front.start()
            self._started = self._served_before = True

    def stop(self) -> None:
        """Close the port and drop every client at once; while stopped it does nothing."""
        with self._changing:
            self._started = False
            if not self.port_stays_open:
                self.front.stop()

    def close(self) -> None:
        """Stop and give the ports back, for good."""
        with self._changing:
            self._started, self._closed = False, True
            self.front.close()
            self.backends.close()

    def _turn(self, state: State) -> None:
        size = len(self.backends)
        stale = self.stale if self._served_before else 0
        fresh, left = range(size - stale), range(size - stale, size)
        if self.port_stays_open and self._served_before:
            for index in fresh:
                self.backends.turn(state, index)
        elif fresh:
            self.backends.turn(state, *fresh)
        if left:
            self.stale = 0
            if self.recover_after is not None:
                self.backends.later(self.recover_after, lambda: self.backends.turn(state, *left))
