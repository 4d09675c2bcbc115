"""Several instances: plan everything, guard everything, then act on one after the other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from provisioner.errors import ProvisionerError
from provisioner.model.outcome import InstanceResult, Outcome
from provisioner.model.plan import Plan
from provisioner.planning.wire_words import mode_words
from provisioner.ports import Locks
from provisioner.runs import results
from provisioner.runs.attempt import Attempt
from provisioner.runs.guarding import guarded

Approve = Callable[[Sequence[Plan]], None]


class Fleet:
    """Runs attempts on several instances under their locks.

    Every instance is planned and checked before any is touched: one refusal keeps all of them as they are. They are
    then changed one after the other, and the first that does not end well keeps the rest from being begun. Each
    lock is free as soon as its instance is done.

    Args:
        attempts: one per instance.
        locks: one run per instance at a time.
        run: the run's id.
    """

    def __init__(self, attempts: Sequence[Attempt], locks: Locks, run: str) -> None:
        self._attempts = attempts
        self._locks = locks
        self._run = run

    def apply(self, approve: Approve, *, only_open: bool = False) -> tuple[InstanceResult, ...]:
        """Bring every instance to what is desired.

        Args:
            approve: is handed the plans that switch something; raises when they are declined.
            only_open: go on only with instances that have an open intent; the others are left out of the results.
        """
        ended = []
        with ExitStack() as stack:
            held = {}
            for name in sorted(attempt.desired.name for attempt in self._attempts):
                held[name] = stack.enter_context(ExitStack())
                held[name].enter_context(self._locks.hold(name, self._run))
            chosen = [item for item in self._attempts if not only_open or item.journal.open_intent()]
            for result in self._run_all(chosen, approve):
                ended.append(result)
                held[result.name].close()
        return tuple(ended)

    def _run_all(self, attempts: Sequence[Attempt], approve: Approve) -> Iterator[InstanceResult]:
        for attempt in attempts:
            attempt.journal.begin()
        ended = self._take_up(attempts)
        if ended:
            yield from self._rest(attempts, ended)
            return
        plans = {}
        for attempt in attempts:
            made = guarded(attempt.desired, attempt.prepare)
            if isinstance(made, InstanceResult):
                yield from self._rest(attempts, {attempt.desired.name: made})
                return
            plans[attempt.desired.name] = made
        if any(made.refusals for made in plans.values()):
            yield from self._refuse(attempts, plans)
            return
        if any(made.switches for made in plans.values()):
            self._ask(attempts, partial(approve, [made for made in plans.values() if made.steps]))
        ready = self._make_ready(attempts, plans)
        stopped = next((item for item in ready.values() if _is_bad(item)), None)
        if isinstance(stopped, InstanceResult):
            yield from self._rest(attempts, {stopped.name: stopped})
            return
        yield from self._switch(attempts, ready)

    @staticmethod
    def _take_up(attempts: Sequence[Attempt]) -> dict[str, InstanceResult]:
        """Follow every open intent, however the others end: what is on its way is not left alone."""
        ended: dict[str, InstanceResult] = {}
        for attempt in attempts:
            result = guarded(attempt.desired, attempt.take_up)
            if result is not None:
                ended[attempt.desired.name] = result
                if result.outcome is Outcome.INTERRUPTED:
                    break
        return ended

    @staticmethod
    def _ask(attempts: Sequence[Attempt], approve: Callable[[], None]) -> None:
        try:
            approve()
        except ProvisionerError as error:
            for attempt in attempts:
                attempt.journal.end(attempt.taken_up or results.failed(attempt.desired, error))
            raise

    @staticmethod
    def _make_ready(attempts: Sequence[Attempt], plans: dict[str, Plan]) -> dict[str, Plan | InstanceResult]:
        """Make and host what the plans need, before any endpoint is touched; stop at the first that can't be.

        A certificate that an earlier instance had made is looked for anew, so that a shared one is made once.
        """
        ready: dict[str, Plan | InstanceResult] = {}
        made_something = False
        for attempt in attempts:
            made = plans[attempt.desired.name]
            anew = made_something and bool(made.making)
            done = guarded(attempt.desired, partial(_ready, attempt, made, anew=anew))
            made_something = made_something or bool(made.making)
            ready[attempt.desired.name] = done
            if _is_bad(done):
                break
        return ready

    @staticmethod
    def _switch(attempts: Sequence[Attempt], ready: dict[str, Plan | InstanceResult]) -> Iterator[InstanceResult]:
        stopped_by, acted = "", False
        for attempt in attempts:
            name, made = attempt.desired.name, ready[attempt.desired.name]
            if isinstance(made, InstanceResult):
                result = made
            elif stopped_by:
                result = results.not_started(attempt.desired, stopped_by)
            else:
                result = guarded(attempt.desired, partial(_switched, attempt, made, anew=acted))
                acted = True
            yield attempt.journal.end(result)
            if not result.outcome.good and not stopped_by:
                stopped_by = f"{name}, which ended {result.outcome.label}"

    @staticmethod
    def _refuse(attempts: Sequence[Attempt], plans: dict[str, Plan]) -> Iterator[InstanceResult]:
        names = ", ".join(name for name, made in plans.items() if made.refusals)
        for attempt in attempts:
            made = plans[attempt.desired.name]
            if made.refusals:
                result = results.refused(attempt.desired, made)
            elif made.steps:
                result = results.not_started(attempt.desired, f"{names}, which a check refused")
            else:
                result = attempt.taken_up or results.unchanged(attempt.desired, made)
            yield attempt.journal.end(result)

    @staticmethod
    def _rest(attempts: Sequence[Attempt], ended: dict[str, InstanceResult]) -> Iterator[InstanceResult]:
        name, result = next(iter(ended.items()))
        because = f"{name}, which ended {result.outcome.label}"
        for attempt in attempts:
            own = ended.get(attempt.desired.name) or attempt.taken_up
            yield attempt.journal.end(own or results.not_started(attempt.desired, because))


def _ready(attempt: Attempt, made: Plan, *, anew: bool) -> Plan | InstanceResult:
    return attempt.make_ready(attempt.prepare() if anew else made)


def _switched(attempt: Attempt, made: Plan, *, anew: bool) -> InstanceResult:
    """Switch; what was observed before another instance's restart is looked at again."""
    if not anew:
        return attempt.switch(made)
    fresh = attempt.prepare()
    changes = fresh.steps and not fresh.refusals
    if changes and (fresh.served_mode, fresh.served) != (made.served_mode, made.served):
        raise results.changed_meanwhile(attempt.desired, _shown(fresh))
    return attempt.carry_out(fresh)


def _is_bad(item: Plan | InstanceResult) -> bool:
    return isinstance(item, InstanceResult) and not item.outcome.good


def _shown(plan: Plan) -> str:
    mode = mode_words(plan.served_mode) if plan.served_mode else "unclear"
    return f"{mode}, leaf {plan.served[:16]}" if plan.served else mode
