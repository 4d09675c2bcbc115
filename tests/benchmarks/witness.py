"""Runs the command line in this process and writes down what it cost: modules imported, peak memory.

``python -m tests.benchmarks.witness REPORT [ARGUMENT...]``. The peak is read by the process itself: what the operating
system tells its parent begins with the parent's own size.
"""

import json
import re
import sys
from pathlib import Path

from provisioner.__main__ import run

_STATUS = Path("/proc/self/status")


def peak_megabytes() -> float:
    """Return the most memory that this process has held."""
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
        assert found is not None
        return int(found[1]) / 1024
    import resource  # noqa: PLC0415  there is none on Windows

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Run the command line that follows the report's path."""
    report = Path(sys.argv.pop(1))
    try:
        run()
    finally:
        seen = {"modules": sorted(sys.modules), "peak_megabytes": peak_megabytes()}
        report.write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
