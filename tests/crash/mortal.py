"""A stage whose runs can be killed before any of the calls that they make to the outside."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from provisioner.model.desired import WaitingPolicy
from provisioner.model.instance import Mode
from provisioner.model.outcome import InstanceResult
from provisioner.runs.seams import Reads, Records, Seams
from tests.fakes.stage import NAME, Killed, Stage, wanted

# Coarser than production, so that a run makes about a hundred calls.
WAITING = WaitingPolicy(
    deadline=timedelta(seconds=240),
    effect_within=timedelta(seconds=120),
    readings=3,
    over=timedelta(seconds=30),
    poll=timedelta(seconds=15),
    connections=1,
    smallest_share=0.99,
)
_PURE = {"now", "monotonic"}


class Life:
    """The life of one process: it ends before its so-many-th call, and nothing is called by a dead one.

    Args:
        calls: how many calls it lives for; for ever when None.
    """

    def __init__(self, calls: int | None = None) -> None:
        self._made = 0
        self._last = calls

    def step(self) -> None:
        """Count a call that is about to be made, or die. Raises ``Killed``."""
        if self._made == self._last:
            raise Killed
        self._made += 1


class Mortal(Stage):
    """A stage whose ports count what they are asked.

    What was done by the calls before a death is there for the next run. What ``finally`` and ``except`` blocks would
    still call is refused: a killed process does nothing.
    """

    def __init__(self, *, attended: bool = False) -> None:
        super().__init__(wanted(waiting=WAITING), attended=attended)
        self._life = Life()

    def seams(self) -> Seams:
        """Return ports that belong to the present life."""
        counted: Seams = _counted(super().seams(), self._life)
        return counted

    def lives(self, calls: int | None, command: Callable[["Mortal"], object]) -> bool:
        """Run a command that is killed before its so-many-th call; return whether it came to its end."""
        self._life = Life(calls)
        try:
            command(self)
        except Killed:
            return False
        finally:
            self._life = Life()
        return True

    def wire(self) -> str:
        """Return what the endpoint shows: ``one-way``, ``first`` or ``second`` certificate, ``down``."""
        if not self.world.shown.up:
            return "down"
        if not self.world.shown.mutual:
            return "one-way"
        number = [der for _, der in self.pki.issued].index(self.world.shown.der)
        return ("first", "second")[number]

    def held(self) -> bool:
        """Tell whether the instance is on hold."""
        return NAME in self.records.holds.kept

    def open(self) -> bool:
        """Tell whether a request's end is not recorded yet."""
        return NAME in self.records.intents.kept


def first_switch() -> Mortal:
    """Return an instance out of the box."""
    return Mortal()


def switched() -> Mortal:
    """Return an instance that was switched once."""
    stage = Mortal()
    apply(stage)
    return stage


def rotation() -> Mortal:
    """Return an instance that is to get its second certificate."""
    stage = switched()
    stage.rotate()
    return stage


def rotated() -> Mortal:
    """Return an instance with its second certificate."""
    stage = rotation()
    apply(stage)
    return stage


def back_by_configuration() -> Mortal:
    """Return a switched instance that is wanted one-way."""
    stage = switched()
    stage.desired = replace(stage.desired, mode=Mode.ONE_WAY)
    return stage


def apply(stage: Stage) -> list[str]:
    """Run ``apply`` and return its outcome."""
    return _labels([stage.apply()])


def resume(stage: Stage) -> list[str]:
    """Run ``resume``, and ``apply`` when there is nothing to resume; return the outcome."""
    return _labels(stage.resume()) or apply(stage)


def rollback(stage: Stage) -> list[str]:
    """Run ``rollback`` and return its outcome."""
    return _labels([stage.rollback()])


def to_one_way(stage: Stage) -> list[str]:
    """Run ``rollback --to one-way`` and return its outcome."""
    return _labels([stage.rollback("one-way")])


def _labels(results: tuple[InstanceResult, ...] | list[InstanceResult]) -> list[str]:
    return [item.outcome.label for item in results]


def _counted(port: Any, life: Life) -> Any:  # noqa: ANN401  whatever the ports are
    if port is None:
        return None
    if isinstance(port, Seams | Reads | Records):
        return replace(port, **{field.name: _counted(getattr(port, field.name), life) for field in fields(port)})
    return _Counted(port, life)


class _Counted:
    """A port that counts the calls of its methods."""

    def __init__(self, port: Any, life: Life) -> None:  # noqa: ANN401  whatever the port is
        self._port = port
        self._life = life

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the port has
        found = getattr(self._port, name)
        return _Counted(found, self._life) if callable(found) and name not in _PURE else found

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401  whatever the method takes
        self._life.step()
        return self._port(*arguments, **named)
