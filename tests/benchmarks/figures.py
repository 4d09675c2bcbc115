"""Figures as values: what was measured beside its goal, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SCHEMA = "provisioner.figures/1"


class Verdict(StrEnum):
    """What a figure says: its goal is met, missed by no more than noise explains, missed, or it has none."""

    MET = "met"
    NOISE = "within noise"
    MISSED = "MISSED"
    TOLD = "no goal"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: what was measured.
        got: the measurement.
        unit: of measurement and goal.
        goal: the most it may be, or the least; None when it is only told.
        at_least: the goal is the least.
        noise: by which factor the goal may be missed on a busy machine; 1 for counts.
        note: what stands behind the number.
    """

    name: str
    got: float
    unit: str
    goal: float | None = None
    at_least: bool = False
    noise: float = 1.0
    note: str = ""

    @property
    def limit(self) -> float | None:
        """Where a miss can't be noise any more."""
        if self.goal is None:
            return None
        return self.goal / self.noise if self.at_least else self.goal * self.noise

    @property
    def verdict(self) -> Verdict:
        """What the figure says."""
        if self.goal is None or self.limit is None:
            return Verdict.TOLD
        if self._holds(self.goal):
            return Verdict.MET
        return Verdict.NOISE if self._holds(self.limit) else Verdict.MISSED

    def _holds(self, bound: float) -> bool:
        return self.got >= bound if self.at_least else self.got <= bound


def missed(figures: Sequence[Figure]) -> list[str]:
    """Return the names of the figures that are missed."""
    return [figure.name for figure in figures if figure.verdict is Verdict.MISSED]


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table, with the notes below it."""
    rows = [("figure", "got", "goal", "fails", "verdict")] + [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"  {figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", "notes", *notes])


def document(figures: Sequence[Figure]) -> dict[str, object]:
    """Return the figures as a JSON document."""
    return {
        "schema": SCHEMA,
        "ok": not missed(figures),
        "figures": [
            {
                "name": figure.name,
                "got": round(figure.got, 4),
                "unit": figure.unit,
                "goal": figure.goal,
                "at_least": figure.at_least,
                "fails_beyond": figure.limit,
                "verdict": figure.verdict.value.lower(),
                "note": figure.note,
            }
            for figure in figures
        ],
    }


def _row(figure: Figure) -> tuple[str, ...]:
    within, beyond = (">=", "<") if figure.at_least else ("<=", ">")
    goal = "" if figure.goal is None else f"{within} {_shown(figure.goal)}"
    fails = "" if figure.limit is None else f"{beyond} {_shown(figure.limit)}"
    return figure.name, f"{_shown(figure.got)} {figure.unit}", goal, fails, figure.verdict.value


def _shown(number: float) -> str:
    whole = float(number).is_integer()
    return f"{number:.0f}" if whole or number >= 100 else f"{number:.2f}"
