"""Measures every figure and prints it beside its goal; exit 1 when one is missed beyond noise."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence

from tests.benchmarks.figures import Figure, document, missed, table
from tests.benchmarks.issuing import issue_figures
from tests.benchmarks.running import bench, call_figures, probe_figures, run_figures
from tests.benchmarks.settling import settle_figures
from tests.benchmarks.starting import import_figures, start_figures


def main(arguments: Sequence[str]) -> int:
    """Measure and print; ``--json`` prints one JSON document instead of the table."""
    began = time.perf_counter()
    figures = [figure for measure in _MEASURES for figure in measure()]
    if "--json" in arguments:
        sys.stdout.write(json.dumps(document(figures), indent=2) + "\n")
    else:
        sys.stdout.write(f"{table(figures)}\n\n{_closing(figures, time.perf_counter() - began)}\n")
    return 1 if missed(figures) else 0


def _calls() -> list[Figure]:
    with bench() as one:
        return call_figures(one)


def _probes() -> list[Figure]:
    with bench() as one:
        return probe_figures(one)


_MEASURES: tuple[Callable[[], list[Figure]], ...] = (
    import_figures,
    _calls,
    run_figures,
    _probes,
    start_figures,
    issue_figures,
    settle_figures,
)


def _closing(figures: Sequence[Figure], seconds: float) -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    late = missed(figures)
    verdict = f"missed: {', '.join(late)}" if late else "no figure is missed"
    return (
        f"{verdict}; measured in {seconds:.0f} s on {os.cpu_count()} cores{load}\n"
        "counts must hold; a time fails only beyond a margin that a busy machine can't explain (column fails)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
