"""Pruning: finding out what must stay, and deleting what may go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provisioner.errors import RefusedError, ServiceError
from provisioner.model.certificate import HostedSpecification
from provisioner.model.desired import Desired
from provisioner.model.instance import EndpointState
from provisioner.planning.endpoint_view import view
from provisioner.planning.pruning import Needed, Verdict, own_name, verdicts
from provisioner.ports import CertificateRemoval, Clock, History, HostedCertificates, Intents
from provisioner.runs.looking import Looker
from provisioner.waiting import Repeater


@dataclass(frozen=True, slots=True)
class Place:
    """An instance whose endpoint may serve a hosted certificate."""

    desired: Desired
    looker: Looker


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of one certificate that may go: deleted, or why not."""

    verdict: Verdict
    deleted: bool
    problem: str = ""


class Pruner:
    """Deletes hosted certificates that this tool uploaded, by name and tag, and that nobody needs.

    Args:
        prefix: the configured name prefix.
        places: every configured instance.
        hosted: the service.
        removal: deletes.
        intents: open requests, whose certificates stay.
        history: verified states, whose certificates stay.
        clock: time between repeated calls.
    """

    def __init__(
        self,
        prefix: str,
        places: Sequence[Place],
        *,
        hosted: HostedCertificates,
        removal: CertificateRemoval,
        intents: Intents,
        history: History,
        clock: Clock,
    ) -> None:
        self._prefix = prefix
        self._places = places
        self._hosted = hosted
        self._removal = removal
        self._intents = intents
        self._history = history
        self._repeater = Repeater(clock)

    def look(self) -> tuple[Verdict, ...]:
        """Return a verdict for each certificate of this tool; nothing is changed.

        Raises:
            RefusedError: an endpoint does not show what it serves, so nobody can tell what must stay.
            ServiceError: the service can't be read.
        """
        needed = self._needed()
        listed = self._repeater.read(lambda: self._hosted.find(f"{self._prefix}-"))
        return verdicts(listed, self._prefix, needed)

    def delete(self, chosen: Sequence[Verdict]) -> Iterator[Pruned]:
        """Delete what may go, one after the other; one that can't be deleted does not keep the others."""
        for verdict in chosen:
            try:
                yield self._delete(verdict)
            except ServiceError as error:
                yield Pruned(verdict, deleted=False, problem=error.message)

    def _delete(self, verdict: Verdict) -> Pruned:
        """Delete one, after its own record has said whose it is and that nothing uses it."""
        number = verdict.hosted.id
        found = self._repeater.read(lambda: self._hosted.read_back(number))
        if own_name(found.name, self._prefix) != verdict.certificate or found.identifier != verdict.hosted.identifier:
            return Pruned(verdict, deleted=False, problem="it is not the certificate that was listed")
        if not found.tagged:
            return Pruned(verdict, deleted=False, problem="its tag does not say that this tool uploaded it")
        self._repeater.write(lambda: self._removal.delete(number))
        return Pruned(verdict, deleted=True)

    def _needed(self) -> Needed:
        leaves: set[str] = set()
        identifiers: set[str] = set()
        for place in self._places:
            leaves |= self._served(place)
            configured = (place.desired.specification, *(item.specification for item in place.desired.domains))
            identifiers |= {item.identifier for item in configured if isinstance(item, HostedSpecification)}
            for state in self._remembered(place.desired.name):
                pairs = [(state.leaf, state.identifier), *((item.leaf, item.identifier) for item in state.domains)]
                leaves |= {leaf for leaf, _ in pairs if leaf}
                identifiers |= {identifier for _, identifier in pairs if identifier}
        return Needed(frozenset(leaves), frozenset(identifiers))

    def _served(self, place: Place) -> set[str]:
        seen = view(place.looker.look())
        if seen.state is None:
            raise RefusedError(
                f"{place.desired.name}: endpoint {place.desired.endpoint} does not show what it serves ({seen.words}), "
                "so nobody can tell what must stay; nothing was deleted",
                hint=f"provisioner status {place.desired.name}; run prune again when the endpoint answers",
            )
        return {seen.state.leaf, *(leaf for _, leaf in seen.state.domains)}

    def _remembered(self, name: str) -> Iterator[EndpointState]:
        intent = self._intents.open(name)
        states = [intent.target, intent.previous] if intent else []
        yield from (state for state in (*states, *self._history.latest(name)) if state is not None)
