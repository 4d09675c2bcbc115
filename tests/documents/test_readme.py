"""What the README says is what the code does."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from provisioner.alibaba.failures import _PERMISSIONS
from provisioner.model.outcome import Outcome
from provisioner.sandbox.faults import SwitchFault
from tests.documents import readme
from tests.documents.assumptions import collected
from tests.documents.blocks import BLOCKS, exit_codes, generated, option_names, rendered

ROOT = readme.README.parent


def test_the_generated_parts_are_up_to_date() -> None:
    """The README is what ``python -m tests.documents`` would write, and holds every part once."""
    text = readme.text()
    assert rendered(text) == text
    assert sorted(generated(text)) == sorted(BLOCKS)


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_the_command_lines_are_found_by_the_script_that_runs_them(name: str, tmp_path: Path) -> None:
    """Each of the two stands alone in its block, as .ci/run takes it out."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    program = script.partition("awk -v mark=")[2].partition("'")[2].partition("'")[0]
    command = ["awk", "-v", f"mark=<!-- command:{name} -->", program, str(readme.README)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == readme.block_behind(f"command:{name}")
    assert done.stdout.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[sandbox")


def test_every_command_line_names_commands_and_options_that_exist() -> None:
    """Verbs and options of the lines in sh are those of the command line."""
    lines = [line for line in readme.shell_lines() if line.startswith("provisioner ")]
    assert lines
    for line in lines:
        _, *words = shlex.split(line, comments=True)
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= option_names(words), line


def test_links_lead_somewhere() -> None:
    """Links within the page have their heading, and relative ones their file."""
    targets = readme.targets()
    assert targets
    assert [target for target in targets if target.startswith("#") and target[1:] not in readme.anchors()] == []
    files = [target for target in targets if not target.startswith("#")]
    assert [target for target in files if not (ROOT / target).is_file()] == []


def test_every_dependency_has_its_reason() -> None:
    """The table of dependencies has exactly those of the package, in the same order, the optional ones too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    rows = readme.tables("Dependencies")
    assert [row[0].strip("`") for row in rows] == [re.split(r"[<>=!~\[; ]", item)[0] for item in wanted]
    assert all(row[1] for row in rows)


def test_every_permission_is_named() -> None:
    """The table of RAM permissions has every call that a hint about permissions speaks of, with the same words."""
    rows = {row[0].strip("`"): row[1].replace("`", "") for row in readme.tables("RAM permissions")}
    assert {action: rows.get(action) for action in _PERMISSIONS} == _PERMISSIONS


def test_every_fault_of_a_switch_is_explained() -> None:
    """The table of the sandbox's faults has each of them, once."""
    rows = readme.tables("Every command by hand, on the sandbox")
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(told) == sorted(SwitchFault)


def test_every_way_a_run_ends_is_explained() -> None:
    """The steps of the first switch say what to do about each exit code that one instance can end with."""
    _, _, rest = readme.text().partition("\n### How it can end\n")
    told = set(re.findall(r"^\| (\d+) \|", rest.partition("\n## ")[0], re.MULTILINE))
    assert told == {str(item.exit_code) for item in Outcome} - {"1", "10"}


def test_the_table_of_exit_codes_has_every_outcome() -> None:
    """Each outcome stands in a row with its code."""
    rows = [line.split(" | ")[:2] for line in exit_codes().splitlines()[2:]]
    assert [(code, name.strip("`")) for code, name in rows if code != "| 11"] == [
        (f"| {item.exit_code}", item.label) for item in Outcome
    ]


def test_assumptions_are_collected_from_docstrings_and_comments(tmp_path: Path) -> None:
    """A sentence with the mark is taken, with the name of what it stands in, and its neighbours are not."""
    (tmp_path / "package").mkdir()
    source = '''"""About nothing. What is "assumed" is marked."""

class Service:
    """A service.

    Documents are silent; assumed: it answers at
    once. It is documented to answer.
    """

    def call(self):
        # assumed: nobody else calls
        return 1  # that this is enough is assumed
'''
    (tmp_path / "package" / "service.py").write_text(source, encoding="utf-8")
    assert collected(tmp_path / "package") == [
        ("package/service.py, Service", "it answers at once"),
        ("package/service.py, Service.call", "nobody else calls"),
        ("package/service.py, Service.call", "that this is enough is assumed"),
    ]


def test_nobody_is_told_to_install_a_strangers_package() -> None:
    """The name of the command is another project's on the public index: installing goes by path."""
    places = [*ROOT.glob("*.md"), *(ROOT / "config").rglob("*"), *(ROOT / "provisioner").rglob("*.py")]
    texts = {path: path.read_text(encoding="utf-8") for path in places if path.is_file()}
    told = re.compile(r"pip install[^\n`]*[\s'\"]provisioner(\[|[\s'\"]|$)", re.MULTILINE)
    assert [path.name for path, text in texts.items() if told.search(text)] == []
    assert told.search("pip install 'provisioner[sandbox]'")
    assert told.search("/opt/provisioner/bin/pip install provisioner\n")
