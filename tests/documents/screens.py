"""Screens of the README: whole runs in pretended time, printed by the code that prints real ones.

Times, fingerprints and identifiers are pretended; words and layout are the product's.
"""

import io
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console

from provisioner.alibaba.clients import Site
from provisioner.alibaba.switches import ConsoleSwitch
from provisioner.cli.apply import question
from provisioner.model.desired import WaitingPolicy
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import EndpointState
from provisioner.reporting.plan_text import print_plans
from provisioner.reporting.progress import Progress
from provisioner.reporting.result_text import print_results
from provisioner.runs.seams import Seams
from tests.fakes.stage import Stage, wanted

_COLUMNS = 80
_CLICKS_AFTER = 95.0
_RESTART_SECONDS = 432.0


def first_switch() -> str:
    """Return the screen of an attended first switch that goes well."""
    return _screen(["works"])


def failed_switch() -> str:
    """Return the screen of an attended first switch after which devices are refused, from the rollback on."""
    screen = _screen(["devices_refused", "works"])
    return screen[screen.index("prod  roll back") :]


class _Person:
    """Implements ``EndpointSwitch`` as the console driver does, with a person who clicks a while later."""

    attended = True

    def __init__(self, stage: Stage, effects: list[str]) -> None:
        self._stage = stage
        self._effects = effects
        self._console = ConsoleSwitch(Site.CHINA)
        self._due: list[tuple[float, Callable[[], None]]] = []
        stage.clock.sleepers.append(self._click)

    def request(self, region: str, instance_id: str, target: EndpointState) -> tuple[str, ...]:
        """Return the steps, and do them a while later."""
        effect = self._effects.pop(0)
        self._due.append((self._stage.clock.monotonic() + _CLICKS_AFTER, lambda: self._stage.world.act(target, effect)))
        return self._console.request(region, instance_id, target)

    def _click(self) -> None:
        due = [act for at, act in self._due if at <= self._stage.clock.monotonic()]
        self._due = [item for item in self._due if item[1] not in due]
        for act in due:
            act()


class _AttendedStage(Stage):
    def __init__(self, effects: list[str]) -> None:
        super().__init__(wanted(waiting=WaitingPolicy()), attended=True)
        self.pki._name = "Example MQTT CA"
        self.world.restart = _RESTART_SECONDS
        self._person = _Person(self, effects)

    def seams(self) -> Seams:
        """Return the ports, with the person at the console."""
        return replace(super().seams(), switch=self._person)


def _screen(effects: list[str]) -> str:
    shown = io.StringIO()
    dumb = {"TERM": "dumb"}  # no live line
    console = Console(file=shown, width=_COLUMNS, force_terminal=True, color_system=None, _environ=dumb)
    stage = _AttendedStage(effects)
    progress = Progress(console, plans=False)

    def show(event: Event) -> None:
        if event.kind is EventKind.ISSUED:
            print_plans(console, stage.approved, digests=False)
            console.print(f"{question(stage.approved)} [y/N]: y", markup=False)
        progress(event)

    stage.on_event = show
    print_results(console, [stage.apply()])
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines())
