"""How text is laid out on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from provisioner.reporting.cleaning import spoken
from provisioner.reporting.layout import print_item, print_items, print_next

LONG = "one two three four five six seven eight nine ten eleven twelve"


def printed(*, terminal: bool) -> tuple[Console, io.StringIO]:
    """Return a console of 40 columns and what it writes to."""
    shown = io.StringIO()
    return Console(file=shown, width=40, force_terminal=terminal, color_system=None), shown


def test_text_goes_on_below_its_beginning_on_a_terminal() -> None:
    """Words are not broken at the edge, and the label stands alone."""
    console, shown = printed(terminal=True)
    print_item(console, "label", LONG, indent=2, width=6)
    assert shown.getvalue().splitlines() == [
        "  label   one two three four five six ",
        "          seven eight nine ten eleven ",
        "          twelve",
    ]


def test_text_is_one_line_elsewhere() -> None:
    """In a file or a pipe a line is a line."""
    console, shown = printed(terminal=False)
    print_items(console, [("label", LONG), ("", "more")], width=5)
    assert shown.getvalue() == f"  label  {LONG}\n         more\n"


def test_wide_characters_count_twice() -> None:
    """Chinese text does not run over the edge."""
    console, shown = printed(terminal=True)
    print_item(console, "1.", "打开控制台选择地域" * 3, gap=1)
    assert [len(line) for line in shown.getvalue().splitlines()] == [21, 12]


def test_a_command_is_never_broken() -> None:
    """What a person copies stays on one line."""
    console, shown = printed(terminal=True)
    command = "provisioner apply a-rather-long-name --unsafe-replace-foreign"
    print_next(console, command)
    assert shown.getvalue() == f"Next: {command}\n"


def test_text_from_outside_can_neither_control_nor_mark_up() -> None:
    """Control characters are gone, and square brackets are shown."""
    console, shown = printed(terminal=True)
    print_item(console, "[bold]a\x1b[2J", "[red]b\x07[/red]\u202e")
    assert shown.getvalue() == "[bold]a[2J  [red]b[/red]\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not over yet"),
        (0.0, "0 s"),
        (3.84, "3.8 s"),
        (12.0, "12 s"),
        (59.96, "1 min"),
        (250.4, "4 min 10 s"),
        (1800.0, "30 min"),
        (3600.0, "1 h"),
        (3725.0, "1 h 2 min 5 s"),
    ],
)
def test_spans_are_spoken(seconds: float | None, words: str) -> None:
    """A span reads like a person says it."""
    assert spoken(seconds) == words
