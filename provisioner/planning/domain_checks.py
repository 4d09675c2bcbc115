"""Checks of the mapped domains, and what they share with those of the endpoint's own certificate."""

from collections.abc import Iterator

from provisioner.model.certificate import HostedSpecification, Specification
from provisioner.model.finding import Finding, Severity
from provisioner.planning import parts
from provisioner.planning.case import Case, refuse
from provisioner.planning.observed import Kept
from provisioner.planning.parts import PartPlan
from provisioner.planning.satisfies import covers
from provisioner.planning.source_checks import no_rehearsal, rehearsal_failures
from provisioner.planning.wanted import Aim, aim


def mapped(case: Case) -> Iterator[Finding]:
    """Refuse a mapped domain whose certificate does not cover it, is not sound, or fails in its rehearsal.

    Names are known before the endpoint is in mutual mode, where domains can be mapped.
    """
    if not case.to_mutual:
        return
    for part in case.observed.domains:
        wanted = aim(part.wanted, part.pinned)
        if (wanted.names or isinstance(part.wanted, Specification)) and not covers(wanted.names, part.host):
            yield names_miss(wanted, part.host)
    if not case.domains:
        return
    own = parts.target(parts.plan_part(parts.own_part(case.desired, case.observed), case.observed.at, anyway=False))
    if own is not None and own.identifier is None and case.candidate is None:
        yield refuse(
            "default-not-hosted",
            "the served certificate has no known hosted copy, so it can't stay the default of the mapping",
            "let the specification of the instance's own certificate differ, so that a new one is made",
        )
    for item in case.domains:
        yield from _domain(case, item)


def resolved(case: Case) -> Iterator[Finding]:
    """Tell aliases, and warn of a mapped domain that leads elsewhere than the endpoint."""
    records = {item.name: item for item in case.observed.names}
    for record in records.values():
        if record.alias:
            yield Finding("alias", f"{record.name} is an alias of {record.alias}", Severity.INFO)
    own = records.get(case.desired.endpoint.host)
    for part in case.observed.domains:
        found = records.get(part.host)
        if own is None:
            continue
        if found is None or set(found.addresses) != set(own.addresses):
            where = ", ".join(found.addresses) if found else "nowhere"
            yield Finding(
                "domain-elsewhere",
                f"{part.host} leads to {where}, the endpoint {own.name} to {', '.join(own.addresses)}",
                Severity.WARNING,
                f"make {part.host} a CNAME of the instance's own name",
            )


def names_miss(wanted: Aim, host: str) -> Finding:
    """Return the refusal of a certificate whose names don't cover a host."""
    return refuse(
        "names-miss-endpoint",
        f"the certificate's names do not cover {host}: got {', '.join(wanted.names)}",
        wanted.adding(host),
    )


def kept_problems(kept: Kept) -> Iterator[Finding]:
    """Refuse a kept chain that is out of order or does not verify, and a key that is not the leaf's."""
    item = kept.material
    short = item.leaf.sha256[:16]
    next_step = "move it out of the key store and run the command again: a new one is issued"
    if not item.key_matches:
        yield refuse("key-mismatch", f"the private key kept for leaf {short} is not its key", next_step)
    if item.order_problem:
        yield refuse("chain-order", f"the chain of leaf {short} is out of order: {item.order_problem}", next_step)
    if item.signature_problem:
        message = f"the chain of leaf {short} does not verify: {item.signature_problem}"
        yield refuse("chain-signature", message, next_step)


def _domain(case: Case, item: PartPlan) -> Iterator[Finding]:
    part = item.part
    kept = parts.target(item)
    if kept is not None and kept.identifier is None and item.leaf is None:
        yield refuse(
            "domain-not-hosted",
            f"the certificate that {part.host} serves has no known hosted copy, so it would fall out of the mapping",
            f"let [certificates.{part.wanted.name}] differ, so that a new one is made, or run where its key is kept",
        )
    if item.reasons and isinstance(part.wanted, HostedSpecification):
        yield no_rehearsal(case, part.wanted)
    if item.candidate is not None:
        yield from kept_problems(item.candidate)
    if item.leaf is not None and part.rehearsal is not None and part.rehearsal.sha256 == item.leaf.sha256:
        yield from rehearsal_failures(part)
