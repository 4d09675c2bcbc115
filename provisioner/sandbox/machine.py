"""An instance at work: its status, what its endpoint serves, and its restarts."""

import threading
from collections.abc import Callable, Mapping

from provisioner.sandbox.answers import ApiError, required
from provisioner.sandbox.backend import Backend
from provisioner.sandbox.balancer import BalancedListener
from provisioner.sandbox.course import IN_SERVICE, UPGRADING, Course, course_of
from provisioner.sandbox.endpoint import JudgesDevices, Listener
from provisioner.sandbox.faults import ArmedFault, SwitchFault
from provisioner.sandbox.serving import Serving
from provisioner.sandbox.settings import SandboxInstance

__all__ = ["IN_SERVICE", "UPGRADING", "Machine", "machine_of"]

_STATUS_LAG = 0.15


class Machine:
    """One instance: in service 5, upgrading 7 while its endpoint restarts, in service again.

    Documents don't say what a restart looks like from outside; assumed: while an instance restarts its port refuses
    connections, every client is dropped, and the status shows it a moment later than the port.

    With several backends the restart may go through them one by one; then the port stays open, and each is down in its
    turn. What goes on after the restart, by a fault, ends with the next restart.

    Args:
        settings: the instance.
        listener: its endpoint; a ``BalancedListener`` has several backends.
        serving: what it serves at the start.
        device_cas: returns the device CAs whose devices are let in, in PEM.
        admit: returns whether a client with this certificate (DER) may stay, where the listener can ask.
    """

    def __init__(
        self,
        settings: SandboxInstance,
        listener: Listener,
        serving: Serving,
        device_cas: Callable[[], tuple[str, ...]] = tuple,
        admit: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.serving = serving
        self._front = listener if isinstance(listener, BalancedListener) else None
        parts = (listener,) if self._front is None else self._front.listeners
        self._backends = tuple(Backend(part, serving, device_cas) for part in parts)
        for part in parts:
            if admit is not None and isinstance(part, JudgesDevices):
                part.judge_devices(admit)
        self.status = settings.status
        self.restarts = 0
        self._lock = threading.Lock()
        self._cut = threading.Event()  # ends what the latest restart still has to do
        self._thread: threading.Thread | None = None

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends, of which there is at least one."""
        return self._backends

    def backend(self, number: int) -> Backend:
        """Return a backend, to be brought into a state of its own; the first one is 0."""
        return self._backends[number]

    def truth(self) -> dict[str, object]:
        """Return what the instance really is, and each of its backends."""
        return {
            "id": self.settings.id,
            "status": self.status,
            "mode": self.serving.mode,
            "leaf_sha256": self.serving.leaf_sha256,
            "restarts": self.restarts,
            "backends": [one.truth() for one in self._backends],
        }

    def start(self) -> None:
        """Open the endpoint."""
        for one in self._backends:
            one.serve(self.serving)
        self._open_front()

    def stop(self) -> None:
        """Close the endpoint for good."""
        self._cut.set()
        if self._thread is not None:
            self._thread.join()
        for one in self._backends:
            one.close()
        if self._front is not None:
            self._front.close()

    def device_cas_changed(self) -> None:
        """Let other devices in from the next connection on; see ``Backend.device_cas_changed``."""
        for one in self._backends:
            one.device_cas_changed()

    def restart(self, wanted: Serving, stand_in: Serving, fault: ArmedFault | None, seconds: float) -> None:
        """Restart into what is wanted, or into what the fault makes of it; returns at once.

        Args:
            wanted: what was asked for.
            stand_in: Alibaba's own certificate, one-way.
            fault: what goes wrong.
            seconds: how long the port is closed; one by one, how long all of them take, unless the instance says.
        """
        if fault is not None and fault.kind is SwitchFault.NO_EFFECT:
            return
        with self._lock:
            self.status = UPGRADING
            self.restarts += 1
            course = course_of(wanted, self.serving, stand_in, fault, len(self._backends))
            self._cut.set()
            self._cut = threading.Event()
            arguments = (course, seconds, self._cut, self._thread)
            self._thread = threading.Thread(target=self._restart, args=arguments, daemon=True)
            self._thread.start()

    def _restart(self, course: Course, seconds: float, cut: threading.Event, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()
        one_by_one = self.settings.restart_order == "one_by_one" and len(self._backends) > 1
        if not (self._one_by_one if one_by_one else self._together)(course, seconds, cut):
            return
        cut.wait(_STATUS_LAG)
        with self._lock:
            self.serving = course.serving
            self.status = course.status if self._cut is cut else self.status
        self._end_fault(course, cut)

    def _together(self, course: Course, seconds: float, cut: threading.Event) -> bool:
        """Take all backends down and bring them back at once; False when it was cut short."""
        if self._front is not None:
            self._front.shut()
        for number, one in enumerate(self._backends):
            if not self._stays(course, number) or self._front is None:
                one.stop()
        if cut.wait(seconds):
            return False
        for number in range(len(self._backends)):
            self._bring(course, number)
        self._open_front()
        return True

    def _one_by_one(self, course: Course, seconds: float, cut: threading.Event) -> bool:
        """Take one backend after the other through the restart; False when it was cut short."""
        spread = seconds if self.settings.restart_spread is None else self.settings.restart_spread
        for number, one in enumerate(self._backends):
            if not self._stays(course, number):
                one.stop()
            if cut.wait(spread / len(self._backends)):
                return False
            self._bring(course, number)
            self._open_front()
        if self._front is not None and not any(one.up for one in self._backends):
            self._front.shut()
        return True

    def _bring(self, course: Course, number: int) -> None:
        one = self._backends[number]
        if self._stays(course, number):
            if not one.up:
                one.serve(one.serving)
        elif number != course.odd:
            one.serve(course.serving, broker_away=course.broker_after > 0)

    def _end_fault(self, course: Course, cut: threading.Event) -> None:
        """Wait for the end of a fault that lasts, and end it; nothing where the next restart comes first."""
        if course.broker_after and not cut.wait(course.broker_after):
            for one in self._backends:
                one.leave_broker(away=False)
        if course.odd is not None and course.odd_after is not None and not cut.wait(course.odd_after):
            self._backends[course.odd].serve(course.serving)
            self._open_front()

    def _open_front(self) -> None:
        if self._front is not None and any(one.up for one in self._backends):
            self._front.open()

    @staticmethod
    def _stays(course: Course, number: int) -> bool:
        return course.odd_stays and number == course.odd


def machine_of(machines: Mapping[str, Machine], parameters: dict[str, str]) -> Machine:
    """Return the instance that ``MqttInstanceId`` names. Raises ``ApiError``."""
    found = machines.get(required(parameters, "MqttInstanceId"))
    if found is None:
        raise ApiError("MqttInstanceNotFound", "Specified instance is not found.", 500)
    return found
