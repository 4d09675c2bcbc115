"""From a configuration to results; ``apply``, ``resume``, ``rollback``, the reading commands and the demo share it."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from provisioner.cli.composition import Composition
from provisioner.errors import ProvisionerError, RefusedError, ServiceError
from provisioner.model.instance import EndpointState
from provisioner.model.outcome import InstanceResult
from provisioner.model.plan import Plan
from provisioner.planning.checks import Permissions
from provisioner.ports import EventSink
from provisioner.runs import results
from provisioner.runs.attempt import Attempt
from provisioner.runs.changing import describe_target
from provisioner.runs.fleet import Approve, Fleet
from provisioner.runs.rollback import TAKE_OVER_SECONDS, Rollback, taking_over
from provisioner.runs.rotation import Rotation


def new_run_id(now: datetime) -> str:
    """Return an id for a run that sorts by time, such as ``20260301T020000Z-1f3a``."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def run_instances(
    configuration: Path,
    names: Sequence[str],
    approve: Approve,
    *,
    command: str,
    permissions: Permissions,
    sinks: Sequence[EventSink] = (),
) -> tuple[str, tuple[InstanceResult, ...]]:
    """Run ``apply`` or ``resume`` on the named instances, all of them when none is named.

    Args:
        configuration: the file.
        names: instances by their name in the configuration.
        approve: is handed the plans that disconnect clients; raises when they are declined.
        command: the verb; ``resume`` goes on only with instances that have an open intent.
        permissions: what the command line allows.
        sinks: readers of the events.

    Returns:
        The run's id, and how it ended on each instance.
    """
    resuming = command == "resume"
    with Composition(configuration, sinks=sinks) as composition:
        run = new_run_id(composition.clock.now())
        attempts = [
            composition.attempt(name, run, command, permissions, resuming=resuming)
            for name in composition.chosen(names)
        ]
        fleet = Fleet(attempts, composition.locks, run)
        return run, fleet.apply(approve, only_open=resuming)


def rotate_instances(
    configuration: Path, names: Sequence[str], *, sinks: Sequence[EventSink] = ()
) -> tuple[str, tuple[InstanceResult, ...]]:
    """Run ``rotate`` on the named instances, on all that may be rotated unattended when none is named.

    Args:
        configuration: the file.
        names: instances by their name in the configuration.
        sinks: readers of the events.
    """
    with Composition(configuration, sinks=sinks) as composition:
        run = new_run_id(composition.clock.now())
        permissions = Permissions(unattended=True)
        chosen = composition.chosen(names) if names else composition.unattended()
        attempts = [composition.attempt(name, run, "rotate", permissions) for name in chosen]
        rotation = Rotation(attempts, composition.locks, composition.state.backoffs, composition.clock, run)
        return run, rotation.run()


def overall_digest(plans: Sequence[Plan]) -> str:
    """Return the digest that a person approves: a plan's own, or one over the plans of several instances."""
    if len(plans) == 1:
        return plans[0].digest
    return sha256("\n".join(sorted(plan.digest for plan in plans)).encode()).hexdigest()


def require_digest(plans: Sequence[Plan], wanted: str | None) -> None:
    """Raise ``RefusedError`` when the plans are not the ones that were approved by digest."""
    got = overall_digest(plans)
    if wanted is not None and got != wanted.lower():
        raise RefusedError(
            f"the plan is not the approved one: got digest {got}, expected {wanted}; nothing was changed",
            hint="provisioner plan",
        )


def read_plans(configuration: Path, names: Sequence[str], command: str, permissions: Permissions) -> list[Plan]:
    """Return the plans of the named instances; nothing is changed and nothing is locked."""
    with Composition(configuration, create_state=False) as composition:
        run = new_run_id(composition.clock.now())
        chosen = composition.chosen(names)
        return [_read_plan(composition.attempt(name, run, command, permissions)) for name in chosen]


def _read_plan(attempt: Attempt) -> Plan:
    try:
        return attempt.prepare()
    except ProvisionerError as error:
        error.message = results.named(attempt.desired, error.message)
        raise


def _target(attempt: Attempt, rollback: Rollback) -> EndpointState:
    try:
        return rollback.target()
    except ServiceError as error:
        error.message = f"{results.named(attempt.desired, error.message)}; nothing was requested"
        raise


def roll_back(
    configuration: Path,
    name: str,
    to: str | None,
    approve: Callable[[str, str], None],
    *,
    say: Callable[[str], None],
    sinks: Sequence[EventSink] = (),
) -> tuple[str, InstanceResult]:
    """Run ``rollback`` on an instance, asking a run that holds it to stop.

    Args:
        configuration: the file.
        name: the instance's name.
        to: where to, None for the default.
        approve: is handed the target, and what clients must trust then, in words; raises when it is declined.
        say: is told that another run is waited for.
        sinks: readers of the events.
    """
    with Composition(configuration, sinks=sinks) as composition:
        composition.chosen([name])
        run = new_run_id(composition.clock.now())
        attempt, rollback = composition.rollback(name, run, to)
        target = _target(attempt, rollback)
        approve(describe_target(target), rollback.trust(target))
        holder = composition.locks.holder(name)
        if holder is not None:
            say(f"held by {holder}; it is asked to stop, and has {TAKE_OVER_SECONDS:.0f} s for that")
        with taking_over(composition.locks, name, run):
            attempt.journal.begin()
            try:
                result = rollback.carry_out(target)
            except ProvisionerError as error:
                result = results.failed(attempt.desired, error)
            except KeyboardInterrupt:
                result = results.interrupted(attempt.desired)
            return run, attempt.journal.end(result)
