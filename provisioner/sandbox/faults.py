"""Faults on request: what goes wrong with the next switch of an instance, or with the next call of an action."""

import threading
from collections import defaultdict
from enum import StrEnum


class SwitchFault(StrEnum):
    """What becomes of an accepted switch."""

    DEAD = "dead"
    WRONG_LEAF = "wrong_leaf"
    ANONYMOUS = "anonymous"
    DEVICES_REFUSED = "devices_refused"
    NO_EFFECT = "no_effect"
    REVERTS = "reverts"
    STUCK = "stuck"


class CallFault(StrEnum):
    """What becomes of a call: ``hang`` acts and withholds the answer, ``held`` acts only once it is let go."""

    THROTTLED = "throttled"
    LOST_ANSWER = "lost_answer"
    LOST_REQUEST = "lost_request"
    INTERNAL_ERROR = "internal_error"
    HTML_502 = "html_502"
    SUCCESS_FALSE = "success_false"
    HANG = "hang"
    HELD = "held"
    REDIRECT_307 = "redirect_307"


class Faults:
    """Armed faults; each is used up after so many times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._switches: dict[str, list[SwitchFault]] = defaultdict(list)
        self._calls: dict[str, list[CallFault]] = defaultdict(list)
        self._let_go = threading.Event()

    def arm(self, fault: str, *, instance_id: str | None = None, action: str | None = None, times: int = 1) -> None:
        """Arm a fault.

        Args:
            fault: a ``SwitchFault`` with an instance, or a ``CallFault`` with an action.
            instance_id: the instance whose next switches it befalls.
            action: the API action whose next calls it befalls.
            times: how often.

        Raises:
            ValueError: no such fault, or not exactly one of instance and action.
        """
        if (instance_id is None) == (action is None):
            raise ValueError("name either an instance or an action")
        with self._lock:
            if instance_id is not None:
                self._switches[instance_id] += [SwitchFault(fault)] * times
            elif action is not None:
                self._calls[action] += [CallFault(fault)] * times

    def of_switch(self, instance_id: str) -> SwitchFault | None:
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
                "instances": {name: list(items) for name, items in self._switches.items() if items},
                "actions": {name: list(items) for name, items in self._calls.items() if items},
            }
