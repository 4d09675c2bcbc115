"""Command lines in processes of their own, and what they cost."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command line left behind: exit code, output, seconds, modules, peak memory in megabytes."""

    code: int
    out: str
    seconds: float
    modules: tuple[str, ...]
    peak: float

    @property
    def document(self) -> Any:  # noqa: ANN401  whatever JSON holds
        """The JSON document on stdout."""
        return json.loads(self.out)


def witnessed(arguments: Sequence[str]) -> Seen:
    """Run a command line of the product and return what it cost."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        began = time.perf_counter()
        done = _python("-m", "tests.benchmarks.witness", str(report), *arguments)
        seconds = time.perf_counter() - began
        seen = json.loads(report.read_text(encoding="utf-8"))
    return Seen(done.returncode, done.stdout, seconds, tuple(seen["modules"]), seen["peak_megabytes"])


def ratio(one: Sequence[str], other: Sequence[str], rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of two Python command lines, and the median of their ratios, pair by pair.

    Pairs are run one right after the other, so that both meet the same load.
    """
    pairs = [(_seconds(one), _seconds(other)) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs), median(a / b for a, b in pairs)


def _seconds(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    done = _python(*arguments)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
