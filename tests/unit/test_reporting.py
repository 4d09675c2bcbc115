"""What readers of events and results show: documents to the letter, talk by the facts in it."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from provisioner.model.event import Event, EventKind
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import Mode
from provisioner.model.outcome import AddressEvidence, Evidence, InstanceResult, Outcome, outcome_of
from provisioner.reporting.findings_text import print_findings
from provisioner.reporting.plan_json import plan_document
from provisioner.reporting.progress import Progress
from provisioner.reporting.result_json import overall, run_document
from provisioner.reporting.result_text import print_results
from tests.fakes.stage import NAME, Stage

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
REFUSAL = Finding("on-hold", "on hold since yesterday", Severity.REFUSAL, "provisioner apply prod --release")


def result(outcome: Outcome, **more: object) -> InstanceResult:
    """Return how a run ended."""
    return InstanceResult("prod", "mqtt-1", outcome, f"prod: it is {outcome.label}", **more)  # type: ignore[arg-type]


def only(document: Mapping[str, Any]) -> Any:  # noqa: ANN401  whatever JSON holds
    """Return the one instance of a document."""
    (instance,) = document["instances"]
    return instance


class Paper:
    """A console that is written to a text."""

    def __init__(self, *, terminal: bool = False) -> None:
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=terminal, width=200, color_system=None)

    @property
    def text(self) -> str:
        """What was written."""
        return self._file.getvalue()

    @property
    def lines(self) -> list[str]:
        """The lines that were written."""
        return self.text.splitlines()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Outcome.UNCHANGED),
        ([Outcome.UNCHANGED, Outcome.UNCHANGED], Outcome.UNCHANGED),
        ([Outcome.UNCHANGED, Outcome.CONVERGED], Outcome.CONVERGED),
        ([Outcome.BROKEN], Outcome.BROKEN),
        ([Outcome.REFUSED, Outcome.REFUSED], Outcome.REFUSED),
        ([Outcome.ROLLED_BACK, Outcome.REFUSED], Outcome.ROLLED_BACK),
        ([Outcome.CONVERGED, Outcome.ROLLED_BACK], Outcome.PARTIAL),
        ([Outcome.UNCHANGED, Outcome.REFUSED], Outcome.PARTIAL),
        ([Outcome.FAILED, Outcome.ROLLED_BACK], Outcome.PARTIAL),
        ([Outcome.CONVERGED, Outcome.INTERRUPTED, Outcome.REFUSED], Outcome.INTERRUPTED),
    ],
)
def test_a_run_over_several_instances_has_one_outcome(outcomes: list[Outcome], expected: Outcome) -> None:
    """Good and bad together are partial; what was only not begun does not hide why."""
    assert overall([result(item) for item in outcomes]) is expected


def test_every_exit_code_has_its_outcome() -> None:
    """An error's exit code leads to the outcome of the same code, and an unknown one to a bug."""
    codes = {item.exit_code for item in Outcome}
    assert {outcome_of(code).exit_code for code in codes} == codes
    assert (outcome_of(0), outcome_of(42)) == (Outcome.CONVERGED, Outcome.BUG)


EVIDENCE = Evidence(
    readings=11,
    span_seconds=30.3,
    addresses=(AddressEvidence("192.0.2.1", "TLSv1.3", "aa" * 32, True, "likely", True, True, "logged in"),),  # noqa: FBT003
    left_out=("192.0.2.2",),
    notes=("seen from one host",),
    connections=121,
    stale_share_ruled_out=0.1079,
    not_shown=("something",),
    met_since=400,
    met_otherwise=7,
)


def test_the_document_of_a_run_holds_everything() -> None:
    """Outcome and exit code of the whole, and of each instance what it is now and how that is known."""
    ended = result(
        Outcome.ROLLED_BACK,
        hint="find out why",
        mode=Mode.ONE_WAY,
        fingerprint_sha256="aa" * 32,
        hosted_identifier="1-cn-hangzhou",
        outage_seconds=61.5,
        evidence=EVIDENCE,
        findings=(REFUSAL,),
    )
    document = run_document("run-1", "apply", [ended])
    instance = only(document)
    del document["instances"]
    assert document == {
        "schema": "provisioner.run/1",
        "run": "run-1",
        "command": "apply",
        "outcome": "rolled_back",
        "exit_code": 7,
    }
    proof = instance.pop("evidence")
    assert instance == {
        "name": "prod",
        "id": "mqtt-1",
        "outcome": "rolled_back",
        "message": "prod: it is rolled_back",
        "hint": "find out why",
        "mode": "one_way",
        "fingerprint_sha256": "aa" * 32,
        "hosted_identifier": "1-cn-hangzhou",
        "outage_seconds": 61.5,
        "outage_partly": False,
        "findings": [
            {
                "reason": "on-hold",
                "message": "on hold since yesterday",
                "severity": "refusal",
                "hint": "provisioner apply prod --release",
            }
        ],
    }
    assert (proof["readings"], proof["span_seconds"], proof["left_out"]) == (11, 30.3, ["192.0.2.2"])
    assert (proof["connections"], proof["stale_share_ruled_out"], proof["not_shown"]) == (121, 0.1079, ["something"])
    assert (proof["met_since"], proof["met_otherwise"]) == (400, 7)
    assert proof["addresses"] == [
        {
            "address": "192.0.2.1",
            "tls_version": "TLSv1.3",
            "leaf_sha256": "aa" * 32,
            "client_certificate_asked": True,
            "client_certificate_required": "likely",
            "inferred": True,
            "anonymous_client_refused": True,
            "canary": "logged in",
            "connections": 0,
            "without_certificate": None,
            "unknown_certificate": None,
        }
    ]


def test_the_document_of_a_run_that_was_refused_has_no_evidence() -> None:
    """Nothing was watched, so nothing is claimed."""
    instance = only(run_document("run-1", "apply", [result(Outcome.REFUSED)]))
    assert (instance["evidence"], instance["mode"], instance["outage_seconds"]) == (None, None, None)


def test_the_document_of_a_plan_holds_cost_and_way_back() -> None:
    """Steps with reasons, what is served now, the outage, the way back, and what apply's digest takes."""
    plan = Stage().plan()
    document = plan_document([plan], plan.digest)
    instance = only(document)
    assert (document["schema"], document["digest"], instance["digest"]) == (
        "provisioner.plan/1",
        plan.digest,
        plan.digest,
    )
    assert [instance[field] for field in ("name", "mode", "served_mode", "served_sha256")] == [
        NAME,
        "mutual",
        "one_way",
        plan.served,
    ]
    assert [(step["kind"], step["reason"]) for step in instance["steps"]] == [
        (step.kind.value, step.reason) for step in plan.steps
    ]
    assert (instance["outage"], instance["way_back"], instance["trust"]) == (plan.outage, plan.undo, plan.trust)


def test_findings_are_told_the_gravest_first_with_their_next_step() -> None:
    """A refusal stands above a warning, whatever the order of the checks; a note's hint is left out."""
    paper = Paper()
    warning = Finding("no-canary", "no canary is configured", Severity.WARNING, "add one")
    note = Finding("open-intent", "something is open", Severity.INFO, "nothing to do")
    print_findings(paper.console, [note, warning, REFUSAL])
    facts = ["on hold since", "--release", "no canary", "add one", "something is open"]
    places = [paper.text.index(fact) for fact in facts]
    assert places == sorted(places)
    assert "nothing to do" not in paper.text


def test_a_result_is_told_with_evidence_and_next_command() -> None:
    """What a person at three in the morning needs: message, outage, evidence, findings, next."""
    paper = Paper()
    ended = result(Outcome.BROKEN, hint="look in the console", outage_seconds=130.0, evidence=EVIDENCE)
    print_results(paper.console, [ended])
    facts = [
        "it is broken",
        "2 min 10 s",
        "11 equal readings",
        "192.0.2.1",
        "aaaa",
        "logged in",
        "192.0.2.2",
        "one host",
    ]
    assert [fact for fact in [*facts, "look in the console"] if fact not in paper.text] == []
    undone = Paper()
    print_results(
        undone.console, [result(Outcome.WAITING, hint="do the steps", evidence=replace(EVIDENCE, not_shown=()))]
    )
    assert ("do the steps" in undone.text, "192.0.2.1" in undone.text) == (True, False)
    good = Paper()
    print_results(good.console, [result(Outcome.UNCHANGED, hint="nothing")])
    assert "nothing" not in good.text


def event(kind: EventKind, message: str = "something", seconds: float = 0.0, **data: object) -> Event:
    """Return an event so many seconds after the run began."""
    return Event(kind, "run-1", "prod", AT + timedelta(seconds=seconds), message, data)


def waiting(seconds: float, seen: str, status: str = "in service (5)") -> Event:
    """Return what a wait tells at each reading."""
    return event(EventKind.WAITING, seen, seconds, status=status, elapsed=seconds, budget=1800.0, agreeing=0, needed=10)


def test_a_log_of_a_wait_has_a_line_for_each_change_and_every_half_minute() -> None:
    """A file is not flooded by ten minutes of equal readings, and is never silent for long."""
    paper = Paper()
    with Progress(paper.console) as progress:
        for second in range(0, 70, 5):
            progress(waiting(float(second), "down: connection refused"))
        progress(waiting(70, "one-way"))
        progress(waiting(75, "one-way", "upgrading (7)"))
    assert len(paper.lines) == 5
    assert ["one-way" in line for line in paper.lines] == [False, False, False, True, True]


def test_every_reading_is_told_on_request() -> None:
    """With -v each reading has its line, with status, count and budget."""
    paper = Paper()
    with Progress(paper.console, every_reading=True) as progress:
        for second in range(4):
            progress(waiting(float(second), "down: connection refused"))
        progress(event(EventKind.WAITING, "mutual", 5, status="in service (5)", agreeing=3, needed=10))
    assert len(paper.lines) == 5
    assert [fact for fact in ("in service (5)", "30 min") if fact not in paper.lines[0]] == []
    assert "3 of 10" in paper.lines[4]


def test_a_terminal_shows_a_wait_in_one_live_line() -> None:
    """It is taken away when something else is told, and at the end."""
    paper = Paper(terminal=True)
    with Progress(paper.console) as progress:
        progress(waiting(1, "down: connection refused"))
        progress(waiting(2, "down: connection refused"))
        progress(event(EventKind.SETTLED, "verified: mutual"))
        progress(waiting(3, "down again"))
    assert "verified: mutual" in paper.text
    assert paper.console._live_stack == []


def test_steps_for_a_person_are_numbered_in_their_order() -> None:
    """The clicks of an attended switch stand one below the other."""
    paper = Paper()
    with Progress(paper.console) as progress:
        progress(event(EventKind.INSTRUCTED, "do these steps", steps=["open the console", "click"]))
        progress(event(EventKind.FINISHED, "told elsewhere"))
    assert ("1. open the console" in paper.text, "2. click" in paper.text) == (True, True)
    assert ("told elsewhere" in paper.text, paper.text.index("open the") < paper.text.index("2. ")) == (False, True)


def test_what_comes_from_outside_cannot_steer_the_terminal() -> None:
    """Escape sequences are taken out, and markup is shown as it is written."""
    paper = Paper(terminal=True)
    hostile = "a\x1b[2Jb\x07 [bold red]c[/bold red] \u202ed"
    with Progress(paper.console) as progress:
        progress(event(EventKind.SETTLED, hostile))
    print_findings(paper.console, [Finding("x", hostile, Severity.WARNING, hostile)])
    print_results(paper.console, [InstanceResult("prod", "mqtt-1", Outcome.FAILED, hostile, hint=hostile)])
    assert [letter for letter in "\x1b\x07\u202e" if letter in paper.text] == []
    assert paper.text.count("[bold red]c[/bold red]") == 5
