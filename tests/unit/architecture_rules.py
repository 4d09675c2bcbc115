"""Rules about the product's source text: who imports what, who reads the time, how long and how named things are.

Each is a function of modules, so that it can be tried on text that breaks it.
"""

import ast
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from provisioner import errors
from provisioner.errors import ProvisionerError

ROOT = Path(errors.__file__).parent
LONGEST_FILE = 400
CATCH_ALLS = {"base", "common", "helpers", "manager", "misc", "models", "utils"}
STANDARD = sys.stdlib_module_names | {"provisioner"}

# Third-party packages, and the only packages or modules that may import them.
USERS = {
    "alibabacloud_": {"alibaba"},
    "amqtt": {"sandbox"},
    "cronsim": {"planning"},
    "cryptography": {"pki", "sandbox", "wire.unknown_certificate"},
    "darabonba": {"alibaba"},
    "dns": {"wire"},
    "paho": {"wire.canary"},
    "pydantic": {"settings"},
    "requests": {"alibaba"},
    "rich": {"cli", "reporting"},
    "sqlalchemy": {"state"},
    "tenacity": {"waiting"},
    "typer": {"cli"},
}
# Everybody else is handed a ``Clock``. The wire's clients give sockets deadlines, a throw-away certificate has dates;
# the sandbox is a world of its own.
CLOCKS = {
    "runs.system_clock",
    "sandbox",
    "wire.canary",
    "wire.client",
    "wire.probe",
    "wire.rehearsal",
    "wire.session",
    "wire.unknown_certificate",
}
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
# A pure function reads no file, no network, no environment, no time, and rolls no dice. It may hand a path on.
IMPURE = {
    "asyncio",
    "io",
    "logging",
    "os",
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


def last_name(node: ast.AST) -> str:
    """Return the last part of a dotted name, an empty text for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


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
            isinstance(node, ast.Attribute) and node.attr in names.get(last_name(node.value), ()) for node in self.nodes
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
