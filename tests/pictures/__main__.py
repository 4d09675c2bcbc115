"""``python -m tests.pictures`` runs the demo and makes the README's picture of it anew."""

import sys
import tempfile
from pathlib import Path

from tests.pictures.svg import picture
from tests.pictures.terminal import screen_of

ROOT = Path(__file__).parents[2]
DEMO = Path(__file__).parent / "demo.svg"
_COLUMNS = 100


def main() -> None:
    """Run the demo and write its picture; a demo that fails leaves the picture as it is."""
    with tempfile.TemporaryDirectory() as directory:
        lines = screen_of(
            [sys.executable, "-m", "provisioner", "demo"],
            columns=_COLUMNS,
            directory=Path(directory),
            environment={"PYTHONPATH": str(ROOT)},
        )
    DEMO.write_text(picture(lines, title="provisioner demo", columns=_COLUMNS), encoding="utf-8")
    print(f"{DEMO.relative_to(ROOT)}: {len(lines)} lines")  # noqa: T201  a command speaks


if __name__ == "__main__":
    main()
