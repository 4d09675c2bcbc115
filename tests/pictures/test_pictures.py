"""The picture of the demo in the README."""

import os
import sys
from pathlib import Path

import pytest

from provisioner.cli.demo_story import ACTS
from tests.pictures.__main__ import DEMO
from tests.pictures.svg import picture, words_of
from tests.pictures.terminal import screen_of


def test_the_picture_shows_the_acts_of_the_demo() -> None:
    """The picture holds every act that the demo has today, all of them proven."""
    words = words_of(DEMO.read_text(encoding="utf-8"))
    titles = [f"{number}. {title}" for number, title in enumerate(ACTS.values(), start=1)]
    assert [title for title in titles if title not in words] == []
    assert f"{len(ACTS)} of {len(ACTS)} acts proven on the wire" in words
    assert "NOT proven" not in words


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    """Neither fonts nor styles come from another address, and no path of a machine is shown."""
    text = DEMO.read_text(encoding="utf-8")
    assert "@font-face" not in text
    assert "url(http" not in text
    assert "<image" not in text
    assert "Files are in provisioner-demo/" in words_of(text)


@pytest.mark.skipif(os.name != "posix", reason="pseudo terminals are POSIX's")
def test_a_screen_is_what_a_user_sees(tmp_path: Path) -> None:
    """Lines that were drawn over are gone, styles are kept, and the picture has the words that are left."""
    program = r"print('gone\rover'); print('\x1b[1;32mgreen\x1b[0m <plain>')"
    lines = screen_of([sys.executable, "-c", program], columns=40, directory=tmp_path, environment={})
    assert [line.plain for line in lines] == ["over", "green <plain>"]
    assert str(lines[1].spans[0].style) == "bold green"
    assert words_of(picture(lines, title="a title", columns=40)).endswith("over green <plain>")
