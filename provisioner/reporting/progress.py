"""Progress of a run, on a terminal and elsewhere."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from provisioner.model.event import Event, EventKind
from provisioner.reporting.cleaning import clean, spoken
from provisioner.reporting.layout import print_item

_EVERY = timedelta(seconds=30)
_WIDTH = 9
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
    """Shows events as they come: what happened stays on the screen as a trail, elsewhere as lines.

    A waiting line is written when what is seen changes, not when only the number of connections that met it does; and
    elsewhere than on a terminal every 30 s too. On a terminal one live line below the trail tells elapsed time, budget,
    and the connections that agree, or how many don't. Times are those of the events.

    Args:
        console: where to; talk goes to stderr.
        every_reading: write a line for each reading.
        plans: tell what is planned; off where the whole plan is shown.
        idle: tell that nothing is planned.

    Attributes:
        told: the instances of which something was told.
    """

    def __init__(self, console: Console, *, every_reading: bool = False, plans: bool = True, idle: bool = True) -> None:
        self._console = console
        self._every_reading = every_reading
        self._plans = plans
        self._idle = idle
        self.told: set[str] = set()
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
        if label is None or (event.kind is EventKind.PLANNED and not self._tells_plan(event)):
            return
        self._quiet()
        self._last.pop(event.instance, None)
        self._line(event, label, event.message)
        steps = event.data.get("steps")
        if event.kind is EventKind.INSTRUCTED and isinstance(steps, list):
            for number, step in enumerate(steps, start=1):
                print_item(self._console, f"{number}.", str(step), indent=4, gap=1)

    def _tells_plan(self, event: Event) -> bool:
        return self._plans and (self._idle or bool(event.data.get("steps")))

    def _wait(self, event: Event) -> None:
        seen = seen_words(event)
        picture = _picture(event) or seen
        if self._worth_a_line(event, picture):
            self._last[event.instance] = (picture, event.at)
            self._line(event, "wait", "; ".join(filter(None, (_time_words(event), seen, _count_words(event)))))
        if self._console.is_terminal:
            self._show_live(event)

    def _worth_a_line(self, event: Event, picture: str) -> bool:
        before = self._last.get(event.instance)
        if before is None or before[0] != picture or self._every_reading:
            return True
        return not self._console.is_terminal and event.at - before[1] >= _EVERY

    def _show_live(self, event: Event) -> None:
        if self._live is None:
            self._live = self._console.status("")
            self._live.start()
        seen = event.message if _picture(event) else _count_words(event)
        words = "; ".join(filter(None, (_time_words(event), seen, _poll_words(event))))
        self._live.update(f"{clean(event.instance)}  {clean(words)}")

    def _line(self, event: Event, label: str, text: str) -> None:
        self.told.add(event.instance)
        style = "" if event.kind is EventKind.WAITING else "bold"
        print_item(self._console, f"{event.instance}  {label:<{_WIDTH}}", text, style=style)

    def _quiet(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def seen_words(event: Event) -> str:
    """Return what a wait sees: the endpoint, and the instance's status where it was asked for."""
    status = event.data.get("status")
    return event.message if status is None else f"{event.message}; status {status}"


def _picture(event: Event) -> str:
    """Return which states connections that disagree have met, without how often; an empty text when they agree."""
    picture, status = event.data.get("picture"), event.data.get("status")
    return f"{picture}; {status}" if picture else ""


def _time_words(event: Event) -> str:
    elapsed, budget = event.data.get("elapsed"), event.data.get("budget")
    if not isinstance(elapsed, float):
        return ""
    whole = f" of {spoken(budget)}" if isinstance(budget, float) else ", waiting for the steps to be done"
    return f"{spoken(elapsed)}{whole}"


def _count_words(event: Event) -> str:
    data = event.data
    waiting_for_a_person = "budget" in data and data["budget"] is None
    if not data.get("agreeing") or waiting_for_a_person:
        return ""
    return f"{data['agreeing']} of {data['needed']} connections agree"


def _poll_words(event: Event) -> str:
    poll = event.data.get("poll")
    return f"looking every {spoken(poll)}" if isinstance(poll, float) else ""
