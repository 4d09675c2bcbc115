"""When the endpoint left the state before a request."""

from dataclasses import dataclass

from provisioner.planning.wire_state import Look, View


@dataclass(slots=True)
class Departure:
    """When, and whether, the endpoint left the state before the request.

    A single time-out is no restart. While an operator is awaited, who may not have begun, a single failed reading is
    none either.

    Attributes:
        changed_at: the first reading that showed anything but the state before.
        disturbed_at: the last one.
        failed_at: the first reading that was neither the state before nor the wanted one: the outage begins.
        silent: time-outs in a row.
        blackout: in some reading since then no connection worked.
    """

    attended: bool
    changed_at: float | None = None
    disturbed_at: float | None = None
    failed_at: float | None = None
    silent: int = 0
    blackout: bool = False
    _unclear: int = 0
    _unclear_since: float = 0.0

    def take(self, view: View, at: float, *, before: bool, wanted: bool, busy: bool, changed: bool) -> None:
        """Notice what one reading says.

        Args:
            view: what it shows.
            at: its time.
            before: it shows the state before the request.
            wanted: it shows the wanted state.
            busy: the instance's status says that it is at work.
            changed: the state before was left earlier.
        """
        self.silent = self.silent + 1 if view.look is Look.SILENT else 0
        self._unclear = self._unclear + 1 if view.state is None else 0
        self._unclear_since = at if self._unclear == 1 else self._unclear_since
        if before and not changed:
            self.failed_at = None
        elif self.failed_at is None and not before and not wanted:
            self.failed_at = at
        if self.failed_at is None:
            self.blackout = False
        elif view.look in {Look.DOWN, Look.SILENT}:
            self.blackout = True
        single_silence = view.look is Look.SILENT and self.silent == 1
        single_blip = self.attended and view.state is None and self._unclear == 1
        if busy or not (before or single_silence or single_blip):
            self.disturbed_at = at
            began = self._unclear_since if view.state is None else at
            self.changed_at = began if self.changed_at is None else self.changed_at
