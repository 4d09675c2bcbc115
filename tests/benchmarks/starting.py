"""Starting: what is imported before anything is asked for, and how long that takes."""

from tests.benchmarks.commands import ratio, witnessed
from tests.benchmarks.figures import Figure

# The cloud's SDKs with what they bring, and the three large libraries that a version or a help text doesn't need.
HEAVY = ("alibabacloud_", "Tea", "darabonba", "aliyunsdk", "sqlalchemy", "pydantic", "cryptography")
_QUICK = ("--version", "--help")


def import_figures() -> list[Figure]:
    """Return how many heavy packages the quick commands import."""
    return [_imports(command) for command in _QUICK]


def start_figures(rounds: int = 15) -> list[Figure]:
    """Return how much longer ``--version`` takes than Python alone."""
    product, bare, times = ratio(("-m", "provisioner", "--version"), ("-c", "pass"), rounds)
    note = f"medians {product * 1000:.0f} ms and {bare * 1000:.0f} ms of {rounds} pairs"
    return [Figure("--version against a bare interpreter", times, "times", 15, noise=2, note=note)]


def heavy(modules: tuple[str, ...]) -> list[str]:
    """Return the heavy packages among imported modules."""
    roots = {name.partition(".")[0] for name in modules}
    return sorted(root for root in roots if root.startswith(HEAVY))


def _imports(command: str) -> Figure:
    seen = witnessed([command])
    assert seen.code == 0
    found = heavy(seen.modules)
    return Figure(f"heavy packages imported by {command}", len(found), "packages", 0, note=", ".join(found))
