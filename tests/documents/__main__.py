"""``python -m tests.documents`` makes the generated parts of the README anew."""

from pathlib import Path

from tests.documents.blocks import rendered

README = Path(__file__).parents[2] / "README.md"


def main() -> None:
    """Rewrite the README where it is out of date."""
    before = README.read_text(encoding="utf-8")
    after = rendered(before)
    if after != before:
        README.write_text(after, encoding="utf-8")
    print(f"{README.name}: {'rewritten' if after != before else 'up to date'}")  # noqa: T201  a command speaks


if __name__ == "__main__":
    main()
