"""Faults on request: what goes wrong with the next switch of an instance, or with the next call of an action."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum


class SwitchFault(StrEnum):
    """What becomes of an accepted switch.

    Those of a single backend befall the last one; an instance with one backend has it all to itself.

    - ``dead``: the port stays closed. ``stuck``: likewise, and the status stays 7.
    - ``no_effect``: nothing happens. ``reverts``: a restart into the state before.
    - ``wrong_leaf``: Alibaba's own certificate is served. ``anonymous``: clients without a certificate are let in too.
    - ``takes_any_certificate``: a certificate is demanded, and any will do, self-signed ones too.
    - ``devices_refused``: no device is let in.
    - ``stale_backend``: one backend stays as it was. ``stale_backend_recovers``: for so many seconds.
    - ``backend_down``: one backend stays down. ``backend_late``: for so many seconds.
    - ``broker_late``: TLS is back, and for so many seconds every client is dropped at its CONNECT.
    """

    DEAD = "dead"
    WRONG_LEAF = "wrong_leaf"
    ANONYMOUS = "anonymous"
    DEVICES_REFUSED = "devices_refused"
    NO_EFFECT = "no_effect"
    REVERTS = "reverts"
    STUCK = "stuck"
    TAKES_ANY_CERTIFICATE = "takes_any_certificate"
    STALE_BACKEND = "stale_backend"
    STALE_BACKEND_RECOVERS = "stale_backend_recovers"
    BACKEND_DOWN = "backend_down"
    BACKEND_LATE = "backend_late"
    BROKER_LATE = "broker_late"


class CallFault(StrEnum):
    """What becomes of a call.

    ``hang`` acts and withholds the answer, ``held`` acts only once it is let go, ``denied`` lacks a permission.
    """

    THROTTLED = "throttled"
    DENIED = "denied"
    LOST_ANSWER = "lost_answer"
    LOST_REQUEST = "lost_request"
    INTERNAL_ERROR = "internal_error"
    HTML_502 = "html_502"
    SUCCESS_FALSE = "success_false"
    HANG = "hang"
    HELD = "held"
    REDIRECT_307 = "redirect_307"


LASTING = frozenset({SwitchFault.STALE_BACKEND_RECOVERS, SwitchFault.BACKEND_LATE, SwitchFault.BROKER_LATE})
"""The faults of a switch that are over after a while."""


@dataclass(frozen=True, slots=True)
class ArmedFault:
    """A fault of a switch; ``seconds`` is how long a lasting one lasts, None for what the settings say."""

    kind: SwitchFault
    seconds: float | None = None


class Faults:
    """Armed faults; each is used up after so many times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._switches: dict[str, list[ArmedFault]] = defaultdict(list)
        self._calls: dict[str, list[CallFault]] = defaultdict(list)
        self._let_go = threading.Event()

    def arm(
        self,
        fault: str,
        *,
        instance_id: str | None = None,
        action: str | None = None,
        times: int = 1,
        seconds: float | None = None,
    ) -> None:
        """Arm a fault.

        Args:
            fault: a ``SwitchFault`` with an instance, or a ``CallFault`` with an action.
            instance_id: the instance whose next switches it befalls.
            action: the API action whose next calls it befalls.
            times: how often.
            seconds: how long a fault of ``LASTING`` lasts; what the settings say when not given.

        Raises:
            ValueError: no such fault, not exactly one of instance and action, or seconds that mean nothing.
        """
        if (instance_id is None) == (action is None):
            raise ValueError("name either an instance or an action")
        if seconds is not None and (fault not in LASTING or not 0 <= seconds < float("inf")):
            raise ValueError(f"seconds are for {', '.join(sorted(LASTING))}, and not below 0")
        with self._lock:
            if instance_id is not None:
                self._switches[instance_id] += [ArmedFault(SwitchFault(fault), seconds)] * times
            elif action is not None:
                self._calls[action] += [CallFault(fault)] * times

    def of_switch(self, instance_id: str) -> ArmedFault | None:
        """Take the next fault of an instance's switch."""
        with self._lock:
            waiting = self._switches[instance_id]
            return waiting.pop(0) if waiting else None

    def of_call(self, action: str) -> CallFault | None:
        """Take the next fault of an action's call."""
        with self._lock:
            waiting = self._calls[action]
            return waiting.pop(0) if waiting else None

    def let_go(self) -> None:
        """Let the calls that are held act, however long ago their callers went away."""
        self._let_go.set()

    def was_let_go(self) -> bool:
        """Tell whether calls that are held may act."""
        return self._let_go.is_set()

    def armed(self) -> dict[str, dict[str, list[str]]]:
        """Return what is armed."""
        with self._lock:
            return {
                "instances": {name: [one.kind for one in items] for name, items in self._switches.items() if items},
                "actions": {name: list(items) for name, items in self._calls.items() if items},
            }
