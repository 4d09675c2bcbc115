"""What the layout promises and import contracts can't say: who may use what, and where things stay small.

Every rule is tried on text that breaks it before it is trusted.
"""

import ast
import json
import subprocess
import sys
from ipaddress import ip_address

import pytest

from provisioner import errors
from provisioner.sandbox.listener import ThreadedListener
from tests.unit.architecture_rules import (
    CLOCKS,
    LONGEST_FILE,
    POSIX,
    PRODUCT,
    ROOT,
    STANDARD,
    USERS,
    Source,
    catch_alls,
    clock_readers,
    defined,
    drawn,
    impure,
    last_name,
    posix_users,
    too_long,
    trespassers,
)


@pytest.mark.parametrize("package", sorted(USERS))
def test_a_library_has_its_one_place(package: str) -> None:
    """Nobody else imports it."""
    assert trespassers(package, USERS[package], PRODUCT) == []


def test_every_library_has_a_place() -> None:
    """No third-party package is used whose place nobody has said."""
    strangers = set().union(*(item.packages for item in PRODUCT)) - STANDARD
    assert sorted(name for name in strangers if not name.startswith(tuple(USERS))) == []


def test_nobody_reads_the_time_but_the_clock() -> None:
    """Sleeping and reading the time happen in the system clock, at sockets, and in the sandbox."""
    assert sorted(name for name in clock_readers(PRODUCT) if not Source(name, "").within(CLOCKS)) == []
    assert {"runs.system_clock", "wire.canary", "wire.probe"} <= clock_readers(PRODUCT)


def test_posix_stays_where_it_is() -> None:
    """What other systems lack is called in the two named modules alone."""
    assert sorted(posix_users(PRODUCT) - POSIX) == []
    assert "state.file_lock" in posix_users(PRODUCT)


def test_values_and_planning_are_pure() -> None:
    """Neither reads a file, a socket, the environment or the time."""
    assert impure(PRODUCT) == []


def test_files_stay_small_and_have_a_subject() -> None:
    """No module is too long, and none is a drawer for everything."""
    assert (too_long(PRODUCT), catch_alls(PRODUCT)) == ([], [])
    assert len(PRODUCT) > 100


def test_every_error_is_drawn() -> None:
    """The tree in the docstring is the tree of the classes, with parents, exit codes and order."""
    assert drawn(errors.__doc__ or "") == list(defined())


def test_errors_are_defined_in_one_place() -> None:
    """No other module of the product makes a kind of ``ProvisionerError``."""
    known = {name for name, _, _ in defined()}
    elsewhere = [
        f"{item.name}.{node.name}"
        for item in PRODUCT
        for node in item.nodes
        if isinstance(node, ast.ClassDef) and item.name != "errors" and {last_name(base) for base in node.bases} & known
    ]
    assert elsewhere == []


def test_the_sandbox_binds_to_loopback_alone() -> None:
    """Every socket that a whole sandbox binds has a loopback address; the interpreter itself tells."""
    script = (
        "import json, sys\n"
        "bound = []\n"
        "sys.addaudithook(lambda event, args: bound.append(args[1][0]) if event == 'socket.bind' else None)\n"
        "from provisioner.sandbox import Sandbox\n"
        "with Sandbox():\n"
        "    pass\n"
        "print(json.dumps(bound))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)
    bound = json.loads(done.stdout)
    assert len(bound) >= 3
    assert [address for address in bound if not ip_address(address).is_loopback] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.10", "a.example.com"])  # noqa: S104  what must be refused
def test_an_endpoint_elsewhere_is_refused(host: str) -> None:
    """Neither every interface nor one of the network, and no name that might mean either."""
    with pytest.raises(ValueError, match=host):
        ThreadedListener(("127.0.0.1", 1), host=host)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import tenacity", True),
        ("import tenacity.wait as pause", True),
        ("from tenacity.wait import wait_base", True),
        ("def late():\n    from tenacity import stop_never", True),
        ("if True:\n    import tenacity", True),
        ("import tentacle\nfrom provisioner import waiting", False),
    ],
)
def test_an_import_is_seen_wherever_it_hides(text: str, expected: bool) -> None:
    """Within functions and conditions, whole or in parts; and only in other places."""
    assert trespassers("tenacity", {"waiting"}, [Source("runs.attempt", text)]) == ["runs.attempt"] * expected
    assert trespassers("tenacity", {"waiting"}, [Source("waiting", text)]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import time\ntime.sleep(1)", True),
        ("from time import monotonic", True),
        ("from datetime import datetime\nnow = datetime.now", True),
        ("import datetime\ndatetime.datetime.now()", True),
        ("from datetime import date\ndate.today()", True),
        ("self._clock.sleep(1)\nclock.now()\nclock.monotonic()", False),
        ("from datetime import datetime, timedelta\ndatetime.fromisoformat(text)", False),
    ],
)
def test_reading_the_time_is_seen(text: str, expected: bool) -> None:
    """Called or handed on; a ``Clock`` is not mistaken for it."""
    assert clock_readers([Source("runs.attempt", text)]) == ({"runs.attempt"} if expected else set())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import fcntl", True),
        ("import os\nos.fchmod(1, 2)", True),
        ("from os import getuid", True),
        ("import signal\nsignal.SIGKILL", True),
        ("import os\nos.replace(a, b)\nos.fsync(1)", False),
    ],
)
def test_posix_calls_are_seen(text: str, expected: bool) -> None:
    """Modules, functions and constants that other systems lack."""
    assert posix_users([Source("state.database", text)]) == ({"state.database"} if expected else set())


def test_size_names_and_purity_are_seen() -> None:
    """A long file, a drawer, and a planner that reads files are found."""
    long = Source("runs.attempt", "\n" * (LONGEST_FILE + 1))
    drawer = Source("wire.utils", "")
    reader = Source("planning.planner", "from os import environ")
    sources = [long, drawer, reader, Source("cli.output", "import sys")]
    assert (too_long(sources), catch_alls(sources), impure(sources)) == (
        ["runs.attempt"],
        ["wire.utils"],
        ["planning.planner"],
    )


def test_the_tree_is_read_as_drawn() -> None:
    """Parents follow from the depth, and prose around the tree is no part of it."""
    tree = """Errors.

    AError              1   the first
    ├── BError          2   another
    │   └── CError    130   below it
    └── DError          4   the last

    Error wording: 5
    """
    assert drawn(tree) == [
        ("AError", "Exception", 1),
        ("BError", "AError", 2),
        ("CError", "BError", 130),
        ("DError", "AError", 4),
    ]
