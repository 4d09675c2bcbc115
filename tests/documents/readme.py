"""Reading the README: its command lines, links and tables."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text() -> str:
    """Return the README."""
    return README.read_text(encoding="utf-8")


def block_behind(mark: str) -> list[str]:
    """Return the lines of the fenced block right behind a marker line."""
    _, _, rest = text().partition(f"\n<!-- {mark} -->\n")
    found = _FENCE.match(rest)
    assert found is not None, f"no fenced block behind {mark}"
    return found[2].splitlines()


def shell_lines() -> list[str]:
    """Return the lines of every block in sh."""
    return [line for language, body in _FENCE.findall(text()) if language == "sh" for line in body.splitlines()]


def tables(heading: str) -> list[list[str]]:
    """Return the cells of every table row below a heading of the second level, heads and rules left out."""
    _, _, rest = text().partition(f"\n## {heading}\n")
    section, _, _ = rest.partition("\n## ")
    lines = section.splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("|---")]
    heads = {number - 1 for number in rules} | set(rules)
    rows = [line for number, line in enumerate(lines) if line.startswith("|") and number not in heads]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def anchors() -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    outside = _FENCE.sub("", text())
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets() -> list[str]:
    """Return the targets of all links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text()))
