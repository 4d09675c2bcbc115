"""History: which state an endpoint was verified in, and what happened in runs."""

from datetime import timedelta

from provisioner.model.event import Event, EventKind
from provisioner.model.instance import EndpointState, MappedState, Mode
from provisioner.model.outcome import InstanceResult, Outcome
from tests.contract.conftest import Kept
from tests.fakes.clock import START

ONE_WAY = EndpointState(Mode.ONE_WAY)
FIRST = EndpointState(Mode.MUTUAL, "ab" * 32, "1-cn-hangzhou", (MappedState("a.example.com", "cd" * 32, "2-cn"),))
SECOND = EndpointState(Mode.MUTUAL, "ef" * 32, "3-cn-hangzhou")


def test_the_latest_verified_state_is_told_with_the_one_before_it(kept: Kept) -> None:
    """As far as they are recorded: nothing at first, then what each record says, for every process at once."""
    told = [(kept.elsewhere.history.latest("prod"), kept.elsewhere.history.previous("prod"))]
    for state, previous in ((FIRST, None), (SECOND, FIRST), (ONE_WAY, SECOND), (ONE_WAY, ONE_WAY)):
        kept.records.history.switched("prod", state, previous, START)
        told.append((kept.elsewhere.history.latest("prod"), kept.elsewhere.history.previous("prod")))
    assert told == [
        ((), None),
        ((FIRST,), None),
        ((SECOND, FIRST), FIRST),
        ((ONE_WAY, SECOND), SECOND),
        ((ONE_WAY, ONE_WAY), ONE_WAY),
    ]


def test_what_was_recorded_last_counts_whatever_the_time(kept: Kept) -> None:
    """A machine's clock that was set back does not bring an older state back."""
    kept.records.history.switched("prod", FIRST, ONE_WAY, START)
    kept.records.history.switched("prod", SECOND, FIRST, START - timedelta(days=1))
    assert kept.records.history.latest("prod") == (SECOND, FIRST)


def test_each_instance_has_a_history_of_its_own(kept: Kept) -> None:
    """What was verified on one instance says nothing of another."""
    kept.records.history.switched("prod", FIRST, ONE_WAY, START)
    kept.records.history.switched("other", SECOND, FIRST, START)
    history = kept.records.history
    assert [history.latest(name) for name in ("prod", "other", "nowhere")] == [(FIRST, ONE_WAY), (SECOND, FIRST), ()]


def test_events_are_kept_whole_and_in_order(kept: Kept) -> None:
    """Run, instance, time, words and data, as they were told; however runs begin and end."""
    data = {"steps": ["one", "two"], "elapsed": 1.5, "address": None, "Ω": {"deep": [1, True]}}
    events = [
        Event(EventKind.REQUESTED, "run-1", "prod", START, "asked for mutual", data),
        Event(EventKind.FINISHED, "run-1", "prod", START + timedelta(seconds=1), "done"),
        Event(EventKind.OBSERVED, "run-2", "other", START, "it's one-way"),
    ]
    history = kept.records.history
    history.begin("run-1", "prod", "apply", START)
    history.begin("run-1", "prod", "apply", START)  # a run may take an instance up twice
    for event in events:
        history.record(event)
    history.end("run-1", InstanceResult("prod", "mqtt-1", Outcome.CONVERGED, "done"), START)
    history.end("run-9", InstanceResult("prod", "mqtt-1", Outcome.FAILED, "never begun"), START)
    assert kept.events() == events
