"""Running: what a first switch and a converged apply cost, on the sandbox."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from provisioner.cli.sandbox_files import SandboxWriter
from provisioner.model.certificate import KeyType
from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required
from provisioner.pki.making import make_key
from provisioner.sandbox import Sandbox, SandboxSettings
from provisioner.wire.probe import StdlibWireProbe
from tests.benchmarks.commands import Seen, witnessed
from tests.benchmarks.figures import Figure

_RESTART, _SETTLE = 0.5, 0.4
_WAITING = {
    "deadline": "30s",
    "effect_within": "20s",
    "poll": "100ms",
    "status_poll": "200ms",
    "settle": {"readings": 3, "over": f"{_SETTLE * 1000:.0f}ms", "connections": 30},
}
_POLL = "ListInstances"
_KEYS = 15


@dataclass(frozen=True, slots=True)
class Bench:
    """A sandbox out of the box with its ready-made files."""

    sandbox: Sandbox
    files: SandboxWriter

    def apply(self) -> Seen:
        """Run ``apply`` in a process of its own; it has to end well."""
        seen = witnessed(["--config", str(self.files.files.configuration), "apply", "--yes", "--json"])
        assert seen.code == 0, seen.out
        return seen

    def actions(self) -> list[str]:
        """Return the actions that were called so far."""
        return [call.action for call in self.sandbox.calls]

    def probe(self, *, mutual: bool) -> AddressReading:
        """Look once at the endpoint, whose mode has to be this one."""
        name, address, port = self.sandbox.endpoint(self.sandbox.instances[0].id)
        reading = StdlibWireProbe().probe(Endpoint(name, port), address)
        assert reading.required is (Required.YES if mutual else Required.NO), reading
        return reading


@contextmanager
def bench() -> Iterator[Bench]:
    """Start a sandbox with an instance that restarts in half a second."""
    with TemporaryDirectory() as folder, Sandbox(SandboxSettings(restart_seconds=_RESTART)) as sandbox:
        files = SandboxWriter(sandbox, Path(folder))
        files.write_secrets()
        files.write_device()
        files.create_authority()
        files.write_configuration({"prod": sandbox.instances[0].id}, key=KeyType.RSA_2048, waiting=_WAITING)
        yield Bench(sandbox, files)


def call_figures(one: Bench) -> list[Figure]:
    """Return how many calls a first switch and the apply after it make."""
    one.apply()
    switch = one.actions()
    one.apply()
    again = one.actions()[len(switch) :]
    calls, polls = counted(switch, one.sandbox.settings.mutual_action)
    return [
        Figure("cloud calls of a first switch", calls, "calls", 14),
        Figure("ListInstances polls while it waits", polls, "calls", note="one per status_poll of the wait, apart"),
        Figure("cloud calls of a converged apply", len(again), "calls", 6, note=", ".join(again)),
    ]


def counted(actions: Sequence[str], switch: str) -> tuple[int, int]:
    """Return how many calls were made, the directory's polls after the switch was requested apart, and those."""
    polls = actions[actions.index(switch) :].count(_POLL)
    return len(actions) - polls, polls


def run_figures(rounds: int = 5) -> list[Figure]:
    """Return the overhead and the memory of first switches, each on a sandbox of its own."""
    keygen = median(_keygen() for _ in range(_KEYS))
    seen = []
    for _ in range(rounds):
        with bench() as one:
            seen.append(one.apply())
    whole = median(item.seconds for item in seen)
    note = (
        f"{whole:.2f} s in all, less {keygen:.2f} s for an RSA-2048 key, {_RESTART} s restart and {_SETTLE} s settling;"
        f" median of {rounds} processes"
    )
    overhead = whole - keygen - _RESTART - _SETTLE
    return [
        Figure("run overhead of a first switch", overhead, "s", 3, noise=2, note=note),
        Figure("peak memory of a first switch", max(item.peak for item in seen), "MB", 150, noise=1.1),
    ]


def probe_figures(one: Bench, rounds: int = 60) -> list[Figure]:
    """Return how long one probe takes, before and after the first switch."""
    before = median(one.probe(mutual=False).seconds for _ in range(rounds)) * 1000
    one.apply()
    after = median(one.probe(mutual=True).seconds for _ in range(rounds)) * 1000
    note = f"median of {rounds} on loopback"
    return [
        Figure("probe of a one-way endpoint", before, "ms", 50, noise=2, note=note),
        Figure("probe of a mutual endpoint", after, "ms", 50, noise=2, note=note),
    ]


def _keygen() -> float:
    began = time.perf_counter()
    make_key(KeyType.RSA_2048)
    return time.perf_counter() - began
