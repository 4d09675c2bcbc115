"""Progress of a run on a terminal and elsewhere."""

import io
import time
from dataclasses import replace
from datetime import timedelta

import pyte
from rich.console import Console

from provisioner.model.event import Event, EventKind
from provisioner.reporting.progress import Progress
from tests.fakes.clock import START


def waiting(seconds: float, message: str, *, budget: float | None = 1800.0, agreeing: int = 0) -> Event:
    """Return an event of a wait."""
    data = {
        "status": "in service (5)",
        "elapsed": seconds,
        "budget": budget,
        "agreeing": agreeing,
        "needed": 10,
        "poll": 3.0,
    }
    return Event(EventKind.WAITING, "run", "prod", START + timedelta(seconds=seconds), message, data)


def lines(*events: Event, every_reading: bool = False, plans: bool = True) -> list[str]:
    """Return what is written for events where no terminal is."""
    shown = io.StringIO()
    with Progress(Console(file=shown, width=60), every_reading=every_reading, plans=plans) as progress:
        for event in events:
            progress(event)
    return shown.getvalue().splitlines()


def test_a_wait_leaves_a_line_when_something_changes() -> None:
    """Equal readings are told once, and again after 30 s."""
    assert lines(
        waiting(0.0, "down"), waiting(3.0, "down"), waiting(33.0, "down"), waiting(36.0, "mutual", agreeing=1)
    ) == [
        "prod  wait       0 s of 30 min; down; status in service (5)",
        "prod  wait       33 s of 30 min; down; status in service (5)",
        "prod  wait       36 s of 30 min; mutual; status in service (5); 1 of 10 connections agree",
    ]


def test_a_mixture_is_told_once_however_its_numbers_change() -> None:
    """Half an hour of connections that disagree is no half an hour of lines; another mixture has its line."""

    def mixed(seconds: float, message: str, *picture: str) -> Event:
        event = waiting(seconds, message)
        return replace(event, data={**event.data, "picture": picture})

    assert lines(
        mixed(0.0, "6 of 12 old", "new", "old"),
        mixed(3.0, "7 of 15 old", "new", "old"),
        mixed(6.0, "1 of 15 fail", "closed", "new"),
        mixed(36.0, "2 of 12 fail", "closed", "new"),
    ) == [
        "prod  wait       0 s of 30 min; 6 of 12 old; status in service (5)",
        "prod  wait       6 s of 30 min; 1 of 15 fail; status in service (5)",
        "prod  wait       36 s of 30 min; 2 of 12 fail; status in service (5)",
    ]


def test_every_reading_is_told_on_request() -> None:
    """With -v each reading has its line."""
    assert len(lines(waiting(0.0, "down"), waiting(3.0, "down"), every_reading=True)) == 2


def test_a_wait_for_a_person_counts_nothing() -> None:
    """Before the steps are done there is neither a budget nor a count."""
    assert lines(waiting(12.0, "one-way", budget=None, agreeing=5)) == [
        "prod  wait       12 s, waiting for the steps to be done; one-way; status in service (5)"
    ]


def test_a_wait_after_a_request_begins_a_new_trail() -> None:
    """The same sight after another request is told again."""
    asked = Event(EventKind.REQUESTED, "run", "prod", START, "requesting one-way")
    assert [line.split()[1] for line in lines(waiting(0.0, "down"), asked, waiting(0.0, "down"))] == [
        "wait",
        "request",
        "wait",
    ]


def test_plans_are_left_out_where_they_are_shown_whole() -> None:
    """Nothing is said twice."""
    planned = Event(EventKind.PLANNED, "run", "prod", START, "nothing to do")
    assert (lines(planned), lines(planned, plans=False)) == (["prod  plan       nothing to do"], [])


def test_steps_for_a_person_are_numbered() -> None:
    """Each step stands on a line of its own."""
    told = Event(EventKind.INSTRUCTED, "run", "prod", START, "do these", {"steps": ["open", "click"]})
    assert lines(told) == ["prod  do this    do these", "    1. open", "    2. click"]


def test_a_terminal_shows_the_trail_and_one_live_line_below_it() -> None:
    """The live line moves while the trail stays, and is gone at the end."""
    shown = io.StringIO()
    console = Console(file=shown, width=72, force_terminal=True, color_system=None)
    with Progress(console) as progress:
        progress(waiting(0.0, "down"))
        progress(waiting(3.0, "down"))
        progress(waiting(40.0, "down", agreeing=2))
        during = until_two_lines(shown)
    assert during[0] == "prod  wait       0 s of 30 min; down; status in service (5)"
    assert during[1][2:] == "prod  40 s of 30 min; 2 of 10 connections agree; looking every 3 s"
    assert screen(shown) == during[:1]


def until_two_lines(shown: io.StringIO) -> list[str]:
    """Return the screen once the live line was drawn, which happens in a thread of its own."""
    end = time.monotonic() + 60
    while "2 of 10" not in "".join(screen(shown)[1:]):
        assert time.monotonic() < end
        time.sleep(0.02)
    return screen(shown)


def screen(shown: io.StringIO) -> list[str]:
    """Return the lines on a terminal's screen after what was written."""
    terminal = pyte.Screen(72, 12)
    pyte.Stream(terminal).feed(shown.getvalue().replace("\n", "\r\n"))
    return [line.rstrip() for line in terminal.display if line.strip()]
