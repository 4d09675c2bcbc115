"""Two runs on one instance: one at a time, and a person's rollback goes first."""

from tests.crash.moments import (
    APPLY,
    QUICK,
    RESUME,
    ROLLBACK,
    SWITCHED,
    UNDONE,
    ended,
    kill,
    requests,
    require_end,
    start_until,
)
from tests.fakes.cloud import Cloud


def test_a_rollback_takes_over(cloud: Cloud) -> None:
    """The waiting run ends and names the run that took over; the instance is back, verified, on hold."""
    process = start_until(cloud, "switch-down")
    cloud.configure(waiting=QUICK)
    done = cloud.run(*ROLLBACK, "--json")
    require_end(cloud, done, 0, "one_way", UNDONE)
    assert "; it is asked to stop, and has 90 s for that" in " ".join(done.err.split())
    stopped = ended(process)
    words = " ".join(stopped.err.split())
    assert (stopped.code, stopped.out, "Traceback" in words) == (130, "", False), words
    assert f"prod: stopped because run {done.document['run']} takes over; what was requested stays recorded" in words
    assert words.endswith("Next: provisioner status prod")


def test_a_second_run_is_told_who_is_at_work(cloud: Cloud) -> None:
    """Apply and resume end at once with exit code 4 and the holder's process; nothing is asked of the cloud."""
    process = start_until(cloud, "switch-up")
    before = requests(cloud)
    for command in (APPLY, RESUME):
        done = cloud.run(*command)
        assert (done.code, f"(process {process.pid}) since" in " ".join(done.err.split())) == (4, True), done.err
        assert "nothing was changed" in " ".join(done.err.split())
    assert (requests(cloud), before) == (SWITCHED, SWITCHED)
    kill(process)


def test_two_runs_at_once(cloud: Cloud) -> None:
    """Whichever comes first does the work; the other finds the instance held, or nothing to do."""
    cloud.configure(waiting=QUICK)
    done = [ended(process) for process in [cloud.start(*APPLY, "--json") for _ in range(2)]]
    ends = sorted((one.code, one.document.get("outcome", "")) for one in done)
    assert ends in [[(0, "converged"), (4, "")], [(0, "converged"), (0, "unchanged")]], done
    assert (cloud.machine.serving.mutual, requests(cloud)) == (True, SWITCHED)
