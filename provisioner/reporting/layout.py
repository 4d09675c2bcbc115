"""How labelled text is laid out: wrapped under itself on a terminal, one line each elsewhere.

On a terminal nobody should have to read words that break at its edge. In a file or a pipe, a line is a line, so that it
can be searched. Commands are never broken: a person copies them.
"""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from provisioner.reporting.cleaning import printable

_NARROWEST = 30
_COMMAND = "provisioner "


def print_item(
    console: Console, label: str, text: str, *, style: str = "", indent: int = 0, width: int = 0, gap: int = 2
) -> None:
    """Print a label and its text, which goes on below its own beginning.

    Args:
        console: where to.
        label: may be empty.
        text: from outside or not; it loses control characters, and markup in it means nothing.
        style: the label's.
        indent: columns before the label.
        width: columns of the label at least.
        gap: columns between the label and the text.
    """
    head = Text(" " * indent).append(f"{printable(label):<{width}}", style).append(" " * gap if label or width else "")
    for number, line in enumerate(_lines(console, printable(text), head.cell_len)):
        start = head if number == 0 else Text(" " * head.cell_len)
        console.print(start + line, highlight=False, soft_wrap=True)


def print_items(console: Console, items: Iterable[tuple[str, str]], *, indent: int = 2, width: int = 10) -> None:
    """Print labelled texts below each other."""
    for label, text in items:
        print_item(console, label, text, indent=indent, width=width)


def print_next(console: Console, hint: str, *, indent: int = 0) -> None:
    """Print the next command or check; one that holds a command is one line, whole, because a person copies it."""
    if _COMMAND in hint:
        console.print(Text(f"{' ' * indent}Next: {printable(hint)}"), highlight=False, soft_wrap=True)
    else:
        print_item(console, "Next:", hint, indent=indent, gap=1)


def _lines(console: Console, text: str, taken: int) -> list[Text]:
    if not console.is_terminal:
        return [Text(text)]
    return list(Text(text).wrap(console, max(_NARROWEST, console.width - taken))) or [Text("")]
