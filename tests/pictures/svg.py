"""Lines of a terminal as an SVG that needs nothing from elsewhere."""

import html
import io
import re
from collections.abc import Sequence

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_FONT_FACE = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
_MATRIX = '<g class="{unique_id}-matrix">'
_FORMAT = (
    _FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    .replace("Fira Code, monospace", _FONTS)
    .replace(_MATRIX, _MATRIX.replace(">", ' xml:space="preserve">'))  # some renderers drop leading spaces
)
_TEXT = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)


def picture(lines: Sequence[Text], *, title: str, columns: int) -> str:
    """Return a picture of lines that are at most so many columns wide."""
    console = Console(file=io.StringIO(), record=True, width=columns, force_terminal=True, color_system="standard")
    for line in lines:
        console.print(line, soft_wrap=True)
    return console.export_svg(title=title, code_format=_FORMAT, unique_id=re.sub(r"\W+", "-", title))


def words_of(svg: str) -> str:
    """Return the words in a picture, one space between any two."""
    return " ".join(html.unescape(" ".join(_TEXT.findall(svg))).split())
