"""A run is killed; whichever command comes next brings the instance to a good end, asking for nothing twice."""

import pytest

from tests.crash.moments import (
    APPLY,
    QUICK,
    RESUME,
    ROLLBACK,
    SWITCHED,
    UNDONE,
    Requests,
    ended,
    kill_at,
    require_end,
)
from tests.fakes.cloud import Cloud, until

LOOKING = "SELECT count(*) > 0 FROM events WHERE message LIKE 'looking for the effect%'"
TAKING_BACK = "SELECT count(*) > 0 FROM events WHERE kind = 'rolling_back'"


@pytest.mark.parametrize(
    ("moment", "command"), [("switch-landed", APPLY), ("switch-down", RESUME), ("switch-up", APPLY)]
)
def test_a_switch_that_landed_is_followed(cloud: Cloud, moment: str, command: tuple[str, ...]) -> None:
    """The next run finds the request's effect and verifies it, and asks for nothing."""
    kill_at(cloud, moment)
    require_end(cloud, cloud.run(*command, "--json"), 0, "mutual", SWITCHED)


def test_a_switch_without_an_effect_is_asked_for_again(cloud: Cloud) -> None:
    """Only after a look through ``effect_within`` is a request whose fate is unknown sent once more."""
    kill_at(cloud, "switch-asked")
    require_end(cloud, cloud.run(*APPLY, "--json"), 0, "mutual", Requests(mutual=2, restarts=1))


@pytest.mark.parametrize(
    ("command", "begun", "mode", "asked"),
    [(RESUME, LOOKING, "mutual", SWITCHED), (ROLLBACK, TAKING_BACK, "one_way", UNDONE)],
    ids=["resume", "rollback"],
)
def test_a_switch_that_acts_after_the_kill_is_seen(
    cloud: Cloud, command: tuple[str, ...], begun: str, mode: str, asked: Requests
) -> None:
    """A request that acts only while the next run looks for its effect is followed, or taken back."""
    kill_at(cloud, "switch-asked")
    cloud.configure(waiting={**QUICK, "effect_within": "60s", "deadline": "90s"})
    process = cloud.start(*command, "--json")
    until(lambda: cloud.state_rows(begun) == [(1,)])
    assert (cloud.machine.restarts, process.poll()) == (0, None)
    cloud.sandbox.faults.let_go()
    require_end(cloud, ended(process), 0, mode, asked)


@pytest.mark.parametrize("moment", ["upload-asked", "upload-landed"])
def test_a_certificate_is_hosted_once(cloud: Cloud, moment: str) -> None:
    """An upload that landed is found; one that did not is made anew, with the same certificate."""
    kill_at(cloud, moment)
    asked = Requests(mutual=1, restarts=1, uploads=2 if moment == "upload-asked" else 1)
    require_end(cloud, cloud.run(*APPLY, "--json"), 0, "mutual", asked)
    assert len(list((cloud.writer.files.directory / "state" / "keys").rglob("private-key.pem"))) == 1


@pytest.mark.parametrize(("moment", "command"), [("undo-landed", APPLY), ("undo-down", RESUME), ("undo-up", APPLY)])
def test_a_rollback_that_landed_is_followed(cloud: Cloud, moment: str, command: tuple[str, ...]) -> None:
    """The next run ends what the killed one had begun: rolled back, verified, on hold."""
    kill_at(cloud, moment)
    require_end(cloud, cloud.run(*command, "--json"), 7, "one_way", UNDONE)


def test_a_rollback_without_an_effect_is_asked_for_again(cloud: Cloud) -> None:
    """Only after a look through ``effect_within`` is a rollback whose fate is unknown sent once more."""
    kill_at(cloud, "undo-asked")
    asked = Requests(mutual=1, one_way=2, restarts=2)
    require_end(cloud, cloud.run(*APPLY, "--json"), 7, "one_way", asked)


@pytest.mark.parametrize(
    ("moment", "asked"),
    [
        ("upload-landed", Requests()),
        ("switch-asked", Requests(mutual=1)),
        ("switch-landed", UNDONE),
        ("undo-landed", UNDONE),
    ],
)
def test_a_person_takes_the_instance_back(cloud: Cloud, moment: str, asked: Requests) -> None:
    """A rollback waits until what was asked for has acted, asks for no more than it needs, and leaves one-way."""
    kill_at(cloud, moment)
    require_end(cloud, cloud.run(*ROLLBACK, "--json"), 0, "one_way", asked)
