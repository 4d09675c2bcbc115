"""Progress of a run, on a terminal and elsewhere."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from provisioner.model.event import Event, EventKind
from provisioner.reporting.cleaning import clean, spoken

_EVERY = timedelta(seconds=30)
_LABELS = {
    EventKind.PLANNED: "plan",
    EventKind.ISSUED: "issue",
    EventKind.HOSTED: "host",
    EventKind.REQUESTED: "request",
    EventKind.INSTRUCTED: "do this",
    EventKind.EXTENDED: "wait",
    EventKind.SETTLED: "verify",
    EventKind.ROLLING_BACK: "roll back",
    EventKind.HELD: "hold",
    EventKind.RELEASED: "release",
}


class Progress:
    """Shows events as they come: a live line while waiting on a terminal, plain lines elsewhere.

    Elsewhere a waiting line is written when what is seen changes, and every 30 s. Times are those of the events.

    Args:
        console: where to; talk goes to stderr.
        every_reading: write a line for each reading.
        plans: tell what is planned.
    """

    def __init__(self, console: Console, *, every_reading: bool = False, plans: bool = True) -> None:
        self._console = console
        self._plans = plans
        self._every_reading = every_reading
        self._live: Status | None = None
        self._last: dict[str, tuple[str, datetime]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quiet()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind is EventKind.WAITING:
            self._wait(event)
            return
        label = _LABELS.get(event.kind)
        if label is None or (event.kind is EventKind.PLANNED and not self._plans):
            return
        self._quiet()
        self._console.print(
            f"[bold]{clean(event.instance)}[/bold]  {label:<9}  {clean(event.message)}", highlight=False, soft_wrap=True
        )
        steps = event.data.get("steps")
        if event.kind is EventKind.INSTRUCTED and isinstance(steps, list):
            for number, step in enumerate(steps, start=1):
                self._console.print(f"    {number}. {clean(str(step))}", highlight=False, soft_wrap=True)

    def _wait(self, event: Event) -> None:
        words = waiting_words(event)
        if self._console.is_terminal and not self._every_reading:
            if self._live is None:
                self._live = self._console.status("")
                self._live.start()
            self._live.update(f"[bold]{clean(event.instance)}[/bold]  {clean(words)}")
            return
        seen = f"{event.message} {event.data.get('status')}"
        before = self._last.get(event.instance)
        if self._every_reading or before is None or before[0] != seen or event.at - before[1] >= _EVERY:
            self._last[event.instance] = (seen, event.at)
            self._console.print(
                f"{clean(event.instance)}  {'wait':<9}  {clean(words)}", highlight=False, soft_wrap=True
            )

    def _quiet(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def waiting_words(event: Event) -> str:
    """Return what a wait has to say: what is seen, the status, the count, elapsed time and budget."""
    data = event.data
    parts = [event.message]
    if "status" in data:
        parts.append(f"status {data['status']}")
    if data.get("agreeing"):
        parts.append(f"{data['agreeing']} of {data['needed']} readings agree")
    elapsed, budget = data.get("elapsed"), data.get("budget")
    if isinstance(elapsed, float):
        whole = f" of {spoken(budget)}" if isinstance(budget, float) else ""
        parts.append(f"{spoken(elapsed)}{whole}")
    return "; ".join(parts)
