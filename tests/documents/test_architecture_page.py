"""The page on the architecture names files and functions that exist, and every package."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "provisioner"
PAGE = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_every_file_that_is_named_exists() -> None:
    """A reader finds what the page sends to."""
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", PAGE))
    assert len(named) > 15
    root = PACKAGE.parent
    assert [name for name in sorted(named) if not ((PACKAGE / name).is_file() or (root / name).is_file())] == []


def test_every_package_has_its_line() -> None:
    """The table of packages is whole."""
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    told = set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE))
    assert told == packages
