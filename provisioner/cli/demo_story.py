"""The story of the demo: the whole job on a sandbox, each act proven by what a client sees on the wire."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from provisioner.cli.demo_wire import DemoWire
from provisioner.cli.running import run_instances
from provisioner.cli.sandbox_files import QUICK_WAITING, SandboxWriter
from provisioner.model.certificate import KeyType
from provisioner.model.event import Event, EventKind
from provisioner.model.instance import Mode
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.planning.checks import Permissions
from provisioner.reporting.cleaning import spoken
from provisioner.reporting.layout import print_item, print_next
from provisioner.reporting.progress import Progress
from provisioner.runs.system_clock import SystemClock
from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings

_RESTART_SECONDS = 1.5
_FIRST, _SECOND, _BALANCED = "mqtt-cn-sandbox01", "mqtt-cn-sandbox02", "mqtt-cn-sandbox03"
_STALE_SECONDS = 4.0
ACTS = {
    "out-of-the-box": "The endpoint out of the box",
    "first-switch": "Issue, host, switch, wait, verify",
    "device-session": "A device logs in, a stranger does not",
    "converged": "The same apply again",
    "rotation": "A rotation, EC this time",
    "back-to-previous": "A bad rotation goes back to the previous certificate",
    "back-to-one-way": "A bad first switch goes back to one-way",
    "stale-backend": "A stale backend behind a balancer is noticed",
}
_LOOKS = 40
_WRITES = {EventKind.ISSUED, EventKind.HOSTED, EventKind.REQUESTED}


@dataclass(frozen=True, slots=True)
class Act:
    """One act: whether what the wire showed is what it should, and what that was."""

    name: str
    ok: bool
    seconds: float
    detail: str


class _NotProvenError(Exception):
    """The wire does not show what an act claims."""


class Story:
    """Plays the acts.

    Args:
        directory: each run makes a folder of its own in it.
        console: where the talk goes.
    """

    def __init__(self, directory: Path, console: Console) -> None:
        self._clock = SystemClock()
        self._directory = directory / f"{self._clock.now():%Y%m%dT%H%M%SZ}"
        self._console = console
        self._acts: list[Act] = []
        self._events: list[Event] = []
        self._title = ""
        self._cut_off: list[tuple[str, float]] = []

    def play(self) -> Sequence[Act]:
        """Play all acts, stopping at the first that isn't proven, and return them."""
        self._say(
            "Everything here happens on this machine. Restarts take seconds instead of 5 to 10 minutes,\n"
            "and an endpoint counts as settled after 4 equal readings over 1 s instead of 10 over 30 s."
        )
        instances = (
            SandboxInstance(_FIRST),
            SandboxInstance(_SECOND, name="second"),
            SandboxInstance(_BALANCED, name="balanced", backends=2),
        )
        with Sandbox(SandboxSettings(instances, restart_seconds=_RESTART_SECONDS)) as sandbox:
            self._writer = SandboxWriter(sandbox, self._directory)
            self._wire = DemoWire(sandbox, self._writer.files)
            self._sandbox = sandbox
            acts: tuple[Callable[[], str], ...] = (
                self._out_of_the_box,
                self._first_switch,
                self._device_session,
                self._converged,
                self._rotation,
                self._back_to_previous,
                self._back_to_one_way,
                self._stale_backend,
            )
            for number, ((name, title), act) in enumerate(zip(ACTS.items(), acts, strict=True), start=1):
                if not self._play(f"{number}. {title}", name, act):
                    break
        self._summary()
        return self._acts

    def _play(self, title: str, name: str, act: Callable[[], str]) -> bool:
        self._title = title
        self._console.print(f"\n[bold]{title}[/bold]", highlight=False)
        began = self._clock.monotonic()
        try:
            detail, ok = act(), True
        except _NotProvenError as error:
            detail, ok = str(error), False
        self._acts.append(Act(name, ok, self._clock.monotonic() - began, detail))
        verdict, style = ("proven", "green") if ok else ("NOT proven", "bold red")
        print_item(self._console, verdict, detail, style=style)
        return ok

    def _out_of_the_box(self) -> str:
        self._writer.write_secrets()
        self._writer.write_device()
        self._writer.create_authority()
        self._configure({"prod": _FIRST})
        reading = self._wire.look(_FIRST)
        _require(not reading.asked and reading.connack is not None, "the endpoint is not one-way")
        _require(not self._wire.ours(reading), "the endpoint serves a certificate of ours already")
        return (
            f"one-way TLS: leaf {reading.leaf_sha256:.16} is not signed by our CA, no client certificate is asked for"
        )

    def _first_switch(self) -> str:
        result = self._apply("prod", Outcome.CONVERGED)
        self._require_served(_FIRST, result)
        return f"mutual TLS with our {self._wire.key(_FIRST)} leaf {result.fingerprint_sha256:.16}"

    def _device_session(self) -> str:
        accepted = self._wire.device_session(_FIRST)
        _require(accepted.echoed, f"the device got no message back: {accepted.detail}")
        refusal = self._wire.look(_FIRST).failure
        _require(self._wire.refuses_strangers(_FIRST), "a client without certificate gets in")
        return f"with the device certificate: {accepted.detail}; without one: {refusal}"

    def _converged(self) -> str:
        before = self._wire.look(_FIRST).leaf_sha256
        seen = len(self._events)
        self._apply("prod", Outcome.UNCHANGED)
        writes = [event for event in self._events[seen:] if event.kind in _WRITES]
        _require(not writes, f"the run wrote: {[event.message for event in writes]}")
        _require(self._wire.look(_FIRST).leaf_sha256 == before, "the served leaf changed")
        return "nothing to do, nothing written, the same leaf is served"

    def _rotation(self) -> str:
        before = self._wire.look(_FIRST).leaf_sha256
        self._configure({"prod": _FIRST}, key=KeyType.EC_P256)
        result = self._apply("prod", Outcome.CONVERGED)
        self._require_served(_FIRST, result)
        _require(result.fingerprint_sha256 != before, "the served leaf did not change")
        _require(self._wire.key(_FIRST) == KeyType.EC_P256, "the served key is not EC")
        return f"leaf {before:.16} was replaced by {self._wire.key(_FIRST)} leaf {result.fingerprint_sha256:.16}"

    def _back_to_previous(self) -> str:
        before = self._wire.look(_FIRST).leaf_sha256
        self._configure({"prod": _FIRST}, key=KeyType.EC_P256, more_names=("mqtt.example.com",))
        self._sandbox.faults.arm("devices_refused", instance_id=_FIRST)
        self._apply("prod", Outcome.ROLLED_BACK)
        _require(self._wire.look(_FIRST).leaf_sha256 == before, "the previous leaf is not back")
        _require(self._wire.device_session(_FIRST).echoed, "the device does not get in")
        self._apply("prod", Outcome.REFUSED)
        return f"devices were refused; leaf {before:.16} is back, the device gets in, apply refuses until --release"

    def _back_to_one_way(self) -> str:
        self._configure({"prod": _FIRST, "second": _SECOND}, key=KeyType.EC_P256)
        self._sandbox.faults.arm("dead", instance_id=_SECOND)
        self._apply("second", Outcome.ROLLED_BACK)
        reading = self._wire.look(_SECOND)
        _require(not reading.asked and reading.connack is not None, "the endpoint is not one-way again")
        return "the endpoint stayed down; it is one-way again with the certificate it had, MQTT answers, on hold"

    def _stale_backend(self) -> str:
        self._configure({"prod": _FIRST, "second": _SECOND, "balanced": _BALANCED}, key=KeyType.EC_P256)
        self._sandbox.faults.arm("stale_backend_recovers", instance_id=_BALANCED, seconds=_STALE_SECONDS)
        seen = len(self._events)
        result = self._apply("balanced", Outcome.CONVERGED)
        told = [event.message for event in self._events[seen:] if "still meet the old certificate" in event.message]
        _require(bool(told), "nothing told of the connections that met the stale backend")
        met = {self._wire.look(_BALANCED).leaf_sha256 for _ in range(_LOOKS)}
        _require(met == {result.fingerprint_sha256}, f"{_LOOKS} connections met {len(met)} different leaves")
        count = result.evidence.connections if result.evidence else 0
        return f"{told[-1]}; verified only when {count} connections in a row met the new one, and {_LOOKS} after it"

    def _configure(
        self, names: dict[str, str], *, key: KeyType = KeyType.RSA_2048, more_names: tuple[str, ...] = ()
    ) -> None:
        self._writer.write_configuration(names, key=key, more_names=more_names, waiting=QUICK_WAITING)

    def _apply(self, name: str, expected: Outcome) -> InstanceResult:
        with Progress(self._console) as progress:
            _, results = run_instances(
                self._writer.files.configuration,
                [name],
                lambda _plans: None,
                command="apply",
                permissions=Permissions(),
                sinks=[progress, self._events.append],
            )
        result = results[0]
        if result.outcome is Outcome.INTERRUPTED:
            raise KeyboardInterrupt
        if result.outage_seconds:
            self._cut_off.append((self._title, result.outage_seconds))
        _require(
            result.outcome is expected,
            f"apply ended {result.outcome.label}, expected {expected.label}: {result.message} {_reasons(result)}",
        )
        return result

    def _require_served(self, instance_id: str, result: InstanceResult) -> None:
        reading = self._wire.look(instance_id)
        _require(result.mode is Mode.MUTUAL and bool(reading.asked), "no client certificate is asked for")
        _require(reading.leaf_sha256 == result.fingerprint_sha256, "another leaf is served")
        _require(self._wire.ours(reading), "the served leaf is not signed by our CA")
        _require(self._wire.refuses_strangers(instance_id), "a client without certificate gets in")

    def _summary(self) -> None:
        proven = sum(act.ok for act in self._acts)
        self._console.print(f"\n[bold]{proven} of {len(self._acts)} acts proven on the wire[/bold]", highlight=False)
        if self._cut_off:
            self._console.print("Clients were cut off for", highlight=False)
        for title, seconds in self._cut_off:
            print_item(self._console, f"{spoken(seconds):>8}", title, indent=2)
        self._console.print(f"Files are in {self._directory}", markup=False, highlight=False, soft_wrap=True)
        print_next(self._console, "provisioner sandbox serve, then every command by hand, as the README shows")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _NotProvenError(otherwise)


def _reasons(result: InstanceResult) -> str:
    return "; ".join(item.message for item in result.findings if item.severity.value == "refusal")
