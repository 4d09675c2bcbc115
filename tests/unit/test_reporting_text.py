"""Results and plans for a person."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from provisioner.cli.apply import question
from provisioner.model.finding import Finding, Severity
from provisioner.model.outcome import AddressEvidence, Evidence, InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.reporting.plan_text import print_plans
from provisioner.reporting.result_text import print_results
from tests.fakes.stage import Stage

LEAF = "0123456789abcdef" * 4
UP = AddressEvidence(
    address="192.0.2.10",
    tls_version="TLSv1.2",
    leaf_sha256=LEAF,
    client_certificate_asked=True,
    client_certificate_required="likely",
    inferred=False,
    anonymous_client_refused=True,
    canary="logged in",
)
DOWN = AddressEvidence(
    "192.0.2.11", None, None, None, "unknown", inferred=False, anonymous_client_refused=False, canary=None
)


def shown(*results: InstanceResult) -> list[str]:
    """Return the lines of results."""
    file = io.StringIO()
    print_results(Console(file=file, width=80), results)
    return file.getvalue().splitlines()


def test_evidence_is_told_address_by_address() -> None:
    """What the wire showed has a line each, and an address that did not answer claims nothing."""
    evidence = Evidence(10, 30.0, (UP, DOWN), left_out=("192.0.2.12",), notes=("a limit",))
    result = InstanceResult(
        "prod", "mqtt-1", Outcome.BROKEN, "prod: done", "look", outage_seconds=75.0, evidence=evidence
    )
    assert shown(result) == [
        "broken       prod: done",
        "  outage     clients were cut off for 1 min 15 s",
        "  evidence   10 equal readings over 30 s",
        "             192.0.2.10: TLS 1.2, leaf 0123456789abcdef",
        "             - client certificate: asked for, likely required",
        "             - a client without one: refused",
        "             - canary: logged in",
        "             192.0.2.11: no TLS answer",
        "             not judged: 192.0.2.12, unreachable before the change",
        "  note       a limit",
        "Next: look",
    ]


@pytest.mark.parametrize(("readings", "words"), [(0, "no reading showed one clear state"), (1, "1 reading over 0 s")])
def test_few_readings_are_no_agreement(readings: int, words: str) -> None:
    """Nothing is called equal that has no equal."""
    result = InstanceResult("prod", "mqtt-1", Outcome.BROKEN, "m", evidence=Evidence(readings, 0.0, ()))
    assert shown(result)[1] == f"  evidence   {words}"


def test_the_next_step_is_told_once() -> None:
    """A hint that a finding has told is not repeated."""
    finding = Finding("on-hold", "on hold", Severity.REFUSAL, "release it")
    result = InstanceResult("prod", "mqtt-1", Outcome.REFUSED, "prod: refused", "release it", findings=(finding,))
    assert [line for line in shown(result) if "Next:" in line] == ["             Next: release it"]
    other = replace(result, hint="something else")
    assert shown(other)[-1] == "Next: something else"


def test_what_was_said_before_a_good_run_is_not_said_after_it() -> None:
    """That somebody has to stay until the end is no news at the end; after a failure it is."""
    finding = Finding("attended-rollback", "stay", Severity.WARNING)
    good = InstanceResult("prod", "mqtt-1", Outcome.CONVERGED, "prod: done", findings=(finding,))
    assert shown(good) == ["converged    prod: done"]
    assert len(shown(replace(good, outcome=Outcome.FAILED))) == 2


def test_a_plan_says_what_why_cost_and_way_back() -> None:
    """Steps with reasons, then outage, way back and whom clients must trust; the digest on request."""
    plan = replace(Stage().plan(), findings=())
    lines = _plan_lines(plan, digests=True)
    assert lines[1:7:2] == [
        "  1. issue certificate iot (rsa-2048)",
        "  2. host certificate iot",
        f"  3. {_switch(plan)}",
    ]
    assert [line.split("  ")[1] for line in lines[7:]] == ["outage", "way back", "clients", "digest"]
    assert lines[-1] == f"  digest     {plan.digest}"
    assert _plan_lines(plan, digests=False) == lines[:-1]


def test_the_question_names_instances_and_what_is_to_be_confirmed() -> None:
    """One question, whose answer covers the findings that are marked."""
    plan = Stage().plan()
    asking = replace(plan, findings=(Finding("key-type-changes", "it changes", Severity.CONFIRM),))
    assert question([plan]) == "Disconnect every client of prod now?"
    assert question([asking]) == "Disconnect every client of prod now, with what is marked confirm above?"


def _switch(plan: Plan) -> str:
    return f"switch {plan.steps[2].subject}"


def _plan_lines(plan: Plan, *, digests: bool) -> list[str]:
    file = io.StringIO()
    print_plans(Console(file=file, width=80), [plan], digests=digests)
    return file.getvalue().splitlines()
