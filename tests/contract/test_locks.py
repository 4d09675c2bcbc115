"""Locks: one run per instance at a time, and asking a run to stop."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from provisioner.errors import BusyError
from provisioner.state import open_state
from tests.contract.conftest import Kept
from tests.fakes.clock import FakeClock


def busy(action: Callable[[], object]) -> str:
    """Return in which words an instance is refused because another run holds it."""
    with pytest.raises(BusyError) as caught:
        action()
    return caught.value.message


def test_a_held_instance_is_refused_with_its_holder(kept: Kept) -> None:
    """The message says which run and process holds it and since when; afterwards the instance is free."""

    def second() -> None:
        with kept.elsewhere.locks.hold("prod", "run-2"):
            pytest.fail("held twice")

    with kept.records.locks.hold("prod", "run-1"):
        words = busy(second)
    with kept.elsewhere.locks.hold("prod", "run-2"):
        pass
    assert words == (
        f"prod: held by run run-1 (process {os.getpid()}) since 2026-03-01 02:00:00 UTC; nothing was changed"
    )


def test_instances_are_held_apart(kept: Kept) -> None:
    """Names that look alike as files are different instances."""
    with ExitStack() as stack:
        for name in ("prod", "Prod", "pro.d", "pro/d", "pro d", "../prod", "prod "):
            stack.enter_context(kept.records.locks.hold(name, "run-1"))
            assert f"{name}: held by run run-1" in busy(lambda: kept.elsewhere.locks.hold(name, "run-2").__enter__())  # noqa: B023


def test_a_lock_is_free_after_an_error(kept: Kept) -> None:
    """However the block ends, the next run gets in."""
    with pytest.raises(ZeroDivisionError), kept.records.locks.hold("prod", "run-1"):
        raise ZeroDivisionError
    with kept.records.locks.hold("prod", "run-2"):
        pass


def test_somebody_who_waits_gets_in_when_the_other_is_done(kept: Kept) -> None:
    """The wait ends as soon as the lock is free, and not later."""
    first, held = ExitStack(), []
    first.enter_context(kept.records.locks.hold("prod", "run-1"))
    kept.clock.sleepers.append(lambda: first.close() if kept.clock.monotonic() > 3 else None)
    with kept.elsewhere.locks.hold("prod", "run-2", wait=60):
        held.append(kept.clock.monotonic())
    assert len(held) == 1
    assert 3 < held[0] < 4


def test_somebody_who_waits_in_vain_is_refused_at_the_end(kept: Kept) -> None:
    """The whole wait is used, and then the words are those of an instance that is held."""
    with kept.records.locks.hold("prod", "run-1"):
        words = busy(lambda: kept.elsewhere.locks.hold("prod", "run-2", wait=5).__enter__())
    assert words.startswith("prod: held by run run-1 ")
    assert 5 <= kept.clock.monotonic() < 6


def test_who_waited_in_vain_is_not_sent_to_wait_again(tmp_path: Path) -> None:
    """A run that sits at its question does not stop: the next step is to answer or end it, not to ask once more."""
    clock = FakeClock()
    with open_state(tmp_path / "state.sqlite", clock) as state, state.locks.hold("prod", "run-1"):
        with pytest.raises(BusyError) as at_once:
            state.locks.hold("prod", "run-2").__enter__()
        with pytest.raises(BusyError) as waited:
            state.locks.hold("prod", "run-2", wait=5).__enter__()
    assert (at_once.value.hint, waited.value.hint) == (
        "wait for the other run to end, or take over with: provisioner rollback prod",
        "answer or end that run, which did not stop when asked, then: provisioner rollback prod",
    )


def test_only_the_holder_is_asked_to_stop(kept: Kept) -> None:
    """Another run, and the same run on another instance, see nothing of it; the latest who asks is told."""
    locks, elsewhere = kept.records.locks, kept.elsewhere.locks
    with locks.hold("prod", "run-1"), locks.hold("other", "run-1"):
        assert locks.stop_asked("prod", "run-1") is None
        for by in ("run-2", "run-3"):
            elsewhere.ask_to_stop("prod", by)
            asked = [locks.stop_asked(*pair) for pair in (("prod", "run-1"), ("prod", "run-2"), ("other", "run-1"))]
            assert asked == [by, None, None]


def test_nobody_is_asked_where_nobody_holds(kept: Kept) -> None:
    """Neither before the first run nor after it is a request kept for whoever comes next."""
    locks = kept.records.locks
    locks.ask_to_stop("prod", "run-9")
    with locks.hold("prod", "run-1"):
        assert locks.stop_asked("prod", "run-1") is None
    locks.ask_to_stop("prod", "run-9")
    with locks.hold("prod", "run-2"):
        assert [locks.stop_asked("prod", run) for run in ("run-1", "run-2")] == [None, None]


def test_a_request_to_stop_ends_with_its_run_and_not_before(kept: Kept) -> None:
    """A run that takes the instance again is still asked to stop; the next run is not, and clears it away."""
    locks = kept.records.locks
    with locks.hold("prod", "run-1"):
        kept.elsewhere.locks.ask_to_stop("prod", "run-9")
    with locks.hold("prod", "run-1"):
        assert locks.stop_asked("prod", "run-1") == "run-9"
    with locks.hold("prod", "run-2"):
        assert [locks.stop_asked("prod", run) for run in ("run-1", "run-2")] == [None, None]
