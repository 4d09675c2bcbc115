"""What the layout promises and import contracts can't say: who may use what, and where things stay small.

Every rule is a function of source text, and is tried on text that breaks it before it is trusted.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

import pytest

from provisioner import errors
from provisioner.errors import ProvisionerError
from provisioner.sandbox.listener import ThreadedListener

ROOT = Path(errors.__file__).parent
LONGEST_FILE = 400
CATCH_ALLS = {"base", "common", "helpers", "manager", "misc", "models", "utils"}
STANDARD = sys.stdlib_module_names | {"provisioner"}

# Third-party packages, and the only packages or modules that may import them.
USERS = {
    "alibabacloud_": {"alibaba"},
    "amqtt": {"sandbox"},
    "cryptography": {"pki", "sandbox"},
    "darabonba": {"alibaba"},
    "paho": {"wire.canary"},
    "pydantic": {"settings"},
    "requests": {"alibaba"},
    "rich": {"cli", "reporting"},
    "sqlalchemy": {"state"},
    "tenacity": {"waiting"},
    "typer": {"cli"},
}
# Everybody else is handed a ``Clock``. Probe and canary give sockets deadlines; the sandbox is a world of its own.
CLOCKS = {"runs.system_clock", "wire.canary", "wire.probe", "sandbox"}
TIME = {
    "time": {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "time", "time_ns"},
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
}
# File locks and private files are the two things that POSIX does its own way.
POSIX = {"state.file_lock", "pki.files"}
POSIX_MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_CALLS = {
    "os": {
        "chown",
        "chroot",
        "fchmod",
        "fchown",
        "fork",
        "forkpty",
        "getegid",
        "geteuid",
        "getgid",
        "getpgid",
        "getuid",
        "killpg",
        "lchown",
        "mkfifo",
        "setgid",
        "setsid",
        "setuid",
        "O_DIRECTORY",
        "O_NOFOLLOW",
    },
    "signal": {"SIGHUP", "SIGKILL", "SIGQUIT", "alarm", "pthread_sigmask", "setitimer"},
}
# A pure function reads no file, no network, no environment, no time, and rolls no dice.
IMPURE = {
    "asyncio",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}


@dataclass(frozen=True)
class Source:
    """A module's text; ``name`` is relative to the product, such as ``wire.probe``."""

    name: str
    text: str

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the module, functions and conditions included."""
        return tuple(ast.walk(ast.parse(self.text)))

    @cached_property
    def imports(self) -> frozenset[str]:
        """The full names of what is imported anywhere in the module."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found.update(item.name for item in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module
                found.update(f"{node.module}.{item.name}" for item in node.names)
        return frozenset(found)

    @property
    def packages(self) -> set[str]:
        """The packages that are imported."""
        return {name.partition(".")[0] for name in self.imports}

    def uses(self, names: dict[str, set[str]]) -> bool:
        """Tell whether an attribute of one of these modules or classes is used, however it was imported."""
        imported = {f"{owner}.{item}" for owner, items in names.items() for item in items}
        if imported & self.imports:
            return True
        return any(
            isinstance(node, ast.Attribute) and node.attr in names.get(_last_name(node.value), ())
            for node in self.nodes
        )

    def within(self, places: Collection[str]) -> bool:
        """Tell whether the module is one of these, or in one of these packages."""
        return any(self.name == place or self.name.startswith(f"{place}.") for place in places)


def product() -> tuple[Source, ...]:
    """Return every module of the product."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Source(name, path.read_text(encoding="utf-8")))
    return tuple(found)


PRODUCT = product()


def trespassers(package: str, places: Collection[str], sources: Collection[Source]) -> list[str]:
    """Return the modules outside these places that import a package whose name begins so."""
    return [
        item.name
        for item in sources
        if any(name.startswith(package) for name in item.packages) and not item.within(places)
    ]


def clock_readers(sources: Collection[Source]) -> set[str]:
    """Return the modules that read the time or sleep by themselves."""
    return {item.name for item in sources if item.uses(TIME)}


def posix_users(sources: Collection[Source]) -> set[str]:
    """Return the modules that call what only POSIX has."""
    return {item.name for item in sources if item.packages & POSIX_MODULES or item.uses(POSIX_CALLS)}


def too_long(sources: Collection[Source]) -> list[str]:
    """Return the modules that should have been split."""
    return [item.name for item in sources if item.text.count("\n") > LONGEST_FILE]


def catch_alls(sources: Collection[Source]) -> list[str]:
    """Return the modules whose name says nothing about what belongs in them."""
    return [item.name for item in sources if CATCH_ALLS & set(item.name.strip("_").split("."))]


def impure(sources: Collection[Source]) -> list[str]:
    """Return the modules of values and pure functions that reach outside."""
    return [item.name for item in sources if item.within({"model", "planning"}) and item.packages & IMPURE]


def drawn(text: str) -> list[tuple[str, str, int]]:
    """Return name, parent and exit code of each error in the tree that ``errors`` draws, in its order."""
    found: list[tuple[str, str, int]] = []
    above: list[str] = []
    for line in text.splitlines():
        start = next((at for at, letter in enumerate(line) if letter.isalpha()), 0)
        fields = line[start:].split()
        if start >= 4 and len(fields) > 1 and fields[0].endswith("Error") and fields[1].isdigit():
            del above[start // 4 - 1 :]
            found.append((fields[0], above[-1] if above else "Exception", int(fields[1])))
            above.append(fields[0])
    return found


def defined(kind: type[ProvisionerError] = ProvisionerError) -> Iterator[tuple[str, str, int]]:
    """Yield the same of the classes, each followed by its own kinds in the order of their definition."""
    assert kind.__base__ is not None
    yield kind.__name__, kind.__base__.__name__, kind.exit_code
    for lower in kind.__subclasses__():
        if lower.__module__ == errors.__name__:
            yield from defined(lower)


@pytest.mark.parametrize("package", sorted(USERS))
def test_a_library_has_its_one_place(package: str) -> None:
    """Nobody else imports it, and its place does."""
    assert trespassers(package, USERS[package], PRODUCT) == []
    for place in USERS[package]:
        assert trespassers(package, USERS[package] - {place}, PRODUCT) != []


def test_every_library_has_a_place() -> None:
    """No third-party package is used that isn't named above."""
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
        if isinstance(node, ast.ClassDef)
        and item.name != "errors"
        and {_last_name(base) for base in node.bases} & known
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
    reader = Source("planning.planner", "from pathlib import Path")
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


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
