"""Changing the endpoint: record the intent, send the request, follow it on the wire."""

from provisioner.errors import ServiceError, UnansweredError
from provisioner.model.desired import Desired
from provisioner.model.event import EventKind
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.intent import Action, Intent
from provisioner.planning.wire_words import mode_words
from provisioner.ports import EndpointSwitch
from provisioner.runs.journal import Journal
from provisioner.runs.seams import Seams
from provisioner.runs.watching import Watched, Watcher
from provisioner.waiting import Repeater


class Changer:
    """The only sender of requests that change an endpoint.

    The intent is durable before the request leaves. A request without an answer is never repeated here: the wire tells.
    """

    def __init__(self, desired: Desired, seams: Seams, journal: Journal, watcher: Watcher) -> None:
        self._desired = desired
        self._seams = seams
        self._journal = journal
        self._watcher = watcher
        self._repeater = Repeater(seams.reads.clock)

    def request(
        self,
        action: Action,
        target: EndpointState,
        previous: EndpointState | None,
        *,
        left_out: tuple[str, ...] = (),
        commanded: bool = False,
        clients: tuple[str, ...] = (),
    ) -> tuple[Intent, Watched]:
        """Ask for a state and wait until the wire has told what became of it.

        Raises:
            RejectedError: the service said no; nothing was changed, and the intent is closed (a rollback's stays open,
                so that it can be resumed).
        """
        driver = self._seams.driver(target, previous)
        intent = self._journal.intend(
            action,
            target,
            previous,
            left_out=left_out,
            commanded=commanded,
            clients=clients,
            addresses=self._watcher.addresses,
        )
        self._journal.tell(EventKind.REQUESTED, f"requesting {describe_target(target)}", attempt=intent.attempts)
        try:
            self._send(driver, target)
        except UnansweredError as error:
            self._journal.tell(EventKind.REQUESTED, f"{error.message}; its effect is looked for on the wire")
        except ServiceError:
            self._forget(intent)
            raise
        return intent, self._watcher.follow(intent, attended=driver.attended)

    def follow(self, intent: Intent) -> Watched:
        """Wait for the effect of a request that an earlier run has sent, or was about to send.

        A person is shown the steps again unless they were done: doing them twice restarts the instance twice.
        """
        self._journal.pursue()
        driver = self._seams.driver(intent.target, intent.previous)
        if driver.attended and self._watcher.not_begun(intent):
            self._send(driver, intent.target)
        message = f"looking for the effect of the request of run {intent.run}: {describe_target(intent.target)}"
        self._journal.tell(EventKind.REQUESTED, message, attempt=intent.attempts)
        return self._watcher.follow(intent, attended=driver.attended)

    def _send(self, driver: EndpointSwitch, target: EndpointState) -> None:
        region, instance = self._desired.region, self._desired.id
        steps = self._repeater.write(lambda: driver.request(region, instance, target))
        if steps:
            self._journal.tell(EventKind.INSTRUCTED, "a person has to do these steps now", steps=list(steps))

    def _forget(self, intent: Intent) -> None:
        if intent.action is Action.SWITCH:
            self._journal.close_intent()
        else:
            self._journal.mark_looked_through(intent)


def describe_target(target: EndpointState) -> str:
    """Return a target in words, such as ``mutual with leaf 0123456789abcdef``."""
    if target.mode is Mode.ONE_WAY:
        return "one-way"
    leaf = f" with leaf {target.leaf[:16]}" if target.leaf else ""
    return f"{mode_words(target.mode)}{leaf}"
