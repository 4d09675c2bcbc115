"""What the product assumes beyond the documents: every sentence with the word "assumed", with the place of the code."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "provisioner"
_WORD = re.compile(r'(?<!")\bassumed\b', re.IGNORECASE)
_MARK = re.compile(r"^.*\bassumed: ", re.IGNORECASE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z`])|\n\s*\n")


def assumptions() -> str:
    """Return a list of all of them in Markdown."""
    return "\n".join(f"- `{where}`: {what}" for where, what in collected(PACKAGE))


def collected(package: Path) -> list[tuple[str, str]]:
    """Return place and sentence of each assumption below a directory, in the order of files and lines."""
    return [item for path in sorted(package.rglob("*.py")) for item in _of_file(path, package.parent)]


def _of_file(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    source = path.read_text(encoding="utf-8")
    if not _WORD.search(source):
        return
    module = path.relative_to(root).as_posix()
    for line, text in sorted([*_docstrings(source), *_comments(source)]):
        for sentence in _SENTENCE.split(text):
            if _WORD.search(sentence):
                owner = _owner(source, line)
                yield f"{module}{f', {owner}' if owner else ''}", _told(sentence)


def _docstrings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def _owner(source: str, line: int) -> str:
    """Return the dotted name of the innermost class or function around a line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.lineno <= line <= node.end_lineno:
                found.append((node.lineno, node.name))
    return ".".join(name for _, name in sorted(found))


def _told(sentence: str) -> str:
    """Return what follows "assumed:", or the whole sentence where the mark stands otherwise."""
    return " ".join(_MARK.sub("", sentence).replace("``", "`").split()).rstrip(".")
