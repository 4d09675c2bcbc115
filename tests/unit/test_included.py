"""Source that the README shows is the source that runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# <!-- included:PATH:REGION -->, then a fenced block with that region of that file.
_INCLUDED = re.compile(r"^<!-- included:(\S+?):(\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "<!-- included:"


def region(path: Path, name: str) -> str:
    """Return the lines of a file between the comments that begin and end a region."""
    _, _, after = path.read_text(encoding="utf-8").partition(f"# README begins: {name}\n")
    inside, end, _ = after.partition(f"# README ends: {name}\n")
    return inside.strip() + "\n" if end else ""


def stale(page: str, root: Path) -> Iterator[str]:
    """Return which included regions a page shows otherwise than they are."""
    found = _INCLUDED.findall(page)
    if len(found) != page.count(_MARK):
        yield "a mark without a fenced block below it"
    for path, name, shown in found:
        wanted = region(root / path, name)
        if not wanted or wanted != shown:
            yield f"{path}:{name}"


def test_the_readme_shows_source_as_it_is() -> None:
    """Every block that stands for a region of a file is that region."""
    assert [*stale((ROOT / "README.md").read_text(encoding="utf-8"), ROOT)] == []


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<!-- included:a.py:one -->\n```python\nx = 1\n```\n", []),
        ("<!-- included:a.py:one -->\n```python\nx = 2\n```\n", ["a.py:one"]),
        ("<!-- included:a.py:two -->\n```python\nx = 1\n```\n", ["a.py:two"]),
        ("<!-- included:a.py:one -->\n\nx = 1\n", ["a mark without a fenced block below it"]),
        ("nothing\n", []),
    ],
    ids=["same", "other", "no-region", "no-block", "none"],
)
def test_what_is_stale_is_noticed(page: str, expected: list[str], tmp_path: Path) -> None:
    """A block that differs, a region that isn't there, and a mark that stands for nothing."""
    source = "# README begins: one\n\nx = 1\n\n# README ends: one\ny = 2\n"
    (tmp_path / "a.py").write_text(source, encoding="utf-8")
    assert [*stale(page, tmp_path)] == expected
