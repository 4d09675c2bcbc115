"""Help texts, and what is said where there was nothing to do."""

import pytest

from provisioner.cli.help import WIDTH
from provisioner.cli.main import _run
from tests.documents.blocks import commands


def test_help_has_one_width(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text on a narrow and on a wide terminal, under the name that users type."""
    texts = []
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert _run(["ca", "create", "--help"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("Usage: provisioner ca create [OPTIONS]\n\n  Make a CA")
    assert texts[0].strip() in commands()


def test_help_names_arguments_options_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that is required stands bare, one that is not in brackets; defaults are told."""
    assert (_run(["probe", "--help"]), _run(["plan", "--help"]), _run(["sandbox", "serve", "--help"])) == (0, 0, 0)
    out = capsys.readouterr().out
    assert "Usage: provisioner probe [OPTIONS] HOST[:PORT]\n" in out
    assert "Usage: provisioner plan [OPTIONS] [NAME]...\n" in out
    assert "[default: 5.0]" in out
    assert max(len(line) for line in out.splitlines()) <= WIDTH


@pytest.mark.parametrize("group", [[], ["ca"], ["sandbox"]])
def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str], group: list[str]) -> None:
    """It is no error message: the person asked what there is."""
    assert _run(group) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"Usage: {' '.join(['provisioner', *group])} [OPTIONS] COMMAND [ARGS]...\n")
    assert "Error" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["plan", "--nope"], "no such option: --nope", "provisioner plan --help"),
        (["ca", "nope"], "no such command 'nope'", "provisioner ca --help"),
        (["rollback"], "missing argument 'NAME'", "provisioner rollback --help"),
    ],
)
def test_a_wrong_command_line_points_to_its_help(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, hint: str
) -> None:
    """The message is one line, and the next step is the help of that very command."""
    assert _run(arguments) == 2
    assert capsys.readouterr().err == f"Error: {message}; nothing was changed\nNext: {hint}\n"
