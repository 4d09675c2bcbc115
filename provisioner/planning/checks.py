"""The checks: ordered pure functions, each of which looks at one thing and gives findings.

All of them are asked, whatever the first ones find, so that a person sees everything at once. Refusals name the next
step. Sources: Alibaba's public guide for server certificates and API metadata of 2025 and 2026, and measurements of TLS
verifiers.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from provisioner.model.certificate import Leaf, Profile, Specification
from provisioner.model.desired import RollbackTarget
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import Edition, Mode, Status, edition_label, status_label, status_remedy
from provisioner.model.reading import CanaryVerdict
from provisioner.planning import device_ca_checks, domain_checks, source_checks, unattended_checks
from provisioner.planning.case import Case, Check, Permissions, refuse
from provisioner.planning.domain_checks import kept_problems, names_miss
from provisioner.planning.satisfies import covers
from provisioner.planning.wanted import SERVICE_DOMAIN, aim
from provisioner.planning.wire_state import Look
from provisioner.planning.wire_words import mode_words

__all__ = ["CHECKS", "SERVICE_WILDCARD", "Case", "Check", "Permissions", "findings", "shown_leaf"]

SERVICE_WILDCARD = f"*{SERVICE_DOMAIN}"


def findings(case: Case) -> tuple[Finding, ...]:
    """Return what every check has to say, in the order of ``CHECKS``; those of the certificate where it matters.

    With nobody there to ask, questions refuse.
    """
    asked = CHECKS if case.desired.mode is Mode.MUTUAL else [check for check in CHECKS if check not in OF_CERTIFICATES]
    found = (item for check in asked for item in check(case))
    if not case.permissions.unattended:
        return tuple(found)
    hint = f"provisioner apply {case.desired.name}: it asks"
    return tuple(
        replace(item, severity=Severity.REFUSAL, hint=item.hint or hint) if item.severity is Severity.CONFIRM else item
        for item in found
    )


def known(case: Case) -> Iterator[Finding]:
    """Refuse an instance that the directory does not have in that region."""
    desired, instance = case.desired, case.observed.instance
    if instance is None:
        others = ", ".join(case.observed.others[:5]) or "none"
        yield refuse(
            "unknown-instance",
            f"instance {desired.id} is not in region {desired.region}; instances there: {others}",
            f"correct id or region of [instances.{desired.name}]",
        )
    elif instance.region != desired.region:
        yield refuse(
            "wrong-region",
            f"instance {desired.id} is in region {instance.region}, the configuration says {desired.region}",
            f"correct region of [instances.{desired.name}]",
        )


def edition(case: Case) -> Iterator[Finding]:
    """Refuse editions that don't have mutual authentication; the documents disagree about professional."""
    instance = case.observed.instance
    if instance is None or instance.edition == Edition.PLATINUM:
        return
    label = edition_label(instance.edition)
    if instance.edition == Edition.PROFESSIONAL:
        yield Finding(
            "edition-professional",
            f"edition {label}: Alibaba's Chinese pages offer mutual authentication for it, some English ones do not",
            Severity.WARNING,
        )
        return
    yield refuse(
        "edition",
        f"edition {label} has no mutual authentication: got {instance.edition}, expected platinum (1) or "
        "professional (4)",
        "upgrade the instance, or take it out of the configuration",
    )


def in_service(case: Case) -> Iterator[Finding]:
    """Refuse to touch an instance that is not in service."""
    instance = case.observed.instance
    if instance is not None and instance.status != Status.IN_SERVICE:
        yield refuse(
            "not-in-service",
            f"status is {status_label(instance.status)}, expected in service (5)",
            status_remedy(instance.status),
        )


def held(case: Case) -> Iterator[Finding]:
    """Refuse an instance on hold, unless it is released or its specification changed."""
    hold = case.observed.hold
    if hold is None or case.permissions.release:
        return
    since = f"{hold.since:%Y-%m-%d %H:%M} UTC"
    if hold.specification not in {"", case.specification_digest}:
        message = f"on hold since {since} ({hold.reason}); the specification changed, so the hold is lifted"
        yield Finding("hold-lifted", message, Severity.INFO)
        return
    yield refuse(
        "on-hold",
        f"on hold since {since}: {hold.reason}",
        f"find out why, then: provisioner apply {case.desired.name} --release",
    )


def reachable(case: Case) -> Iterator[Finding]:
    """Refuse an endpoint whose state can't be told: nobody could say afterwards what changed."""
    observed = case.observed
    if observed.view.dropped:
        yield refuse(
            "endpoint-drops-logins",
            f"endpoint {case.desired.endpoint} closes a CONNECT without login: {observed.view.words}; its state can't "
            "be told, nor whether a way back worked",
            f"give [instances.{case.desired.name}] a canary that logs in (username and password)",
        )
    elif observed.view.look is not Look.UP:
        yield refuse(
            "endpoint-unclear",
            f"endpoint {case.desired.endpoint} shows no clear state: {observed.view.words}",
            f"provisioner probe {case.desired.endpoint}; check firewall, IP allow list and the instance's status",
        )
    elif observed.left_out:
        yield Finding(
            "addresses-left-out",
            f"unreachable before any change, so not judged later: {', '.join(observed.left_out)}",
            Severity.WARNING,
        )


def material(case: Case) -> Iterator[Finding]:
    """Refuse a chain that is out of order or does not verify, and a key that is not the leaf's."""
    if case.candidate is not None:
        yield from kept_problems(case.candidate)


def dates(case: Case) -> Iterator[Finding]:
    """Refuse a certificate or an authority outside its dates, and one that would outlive its authority."""
    now = case.observed.at
    authority = case.observed.authority.certificate if case.observed.authority else None
    leaf = case.candidate.material.leaf if case.candidate else None
    for what, item in (("the authority", authority), ("the certificate", leaf)):
        if item is not None and not item.not_before <= now < item.not_after:
            yield refuse(
                "outside-dates",
                f"{what} is valid from {item.not_before:%Y-%m-%d} to {item.not_after:%Y-%m-%d}, "
                f"today is {now:%Y-%m-%d}",
                "check this machine's clock; renew the authority if it has expired",
            )
    if authority is not None:
        yield from _authority_dates(case, authority, making=case.to_mutual and leaf is None)


def _authority_dates(case: Case, authority: Leaf, *, making: bool) -> Iterator[Finding]:
    now, wanted = case.observed.at, case.desired.specification
    if making and isinstance(wanted, Specification) and now + wanted.valid_for > authority.not_after:
        yield refuse(
            "outlives-authority",
            f"a certificate of {wanted.valid_for.days} days would outlive its authority, "
            f"which ends on {authority.not_after:%Y-%m-%d}",
            f"shorten valid_days of [certificates.{wanted.name}] or renew the authority",
        )
    elif authority.not_after - now < timedelta(days=90):
        yield Finding(
            "authority-ends-soon",
            f"the authority ends on {authority.not_after:%Y-%m-%d}; devices need its successor before that",
            Severity.WARNING,
        )


def names(case: Case) -> Iterator[Finding]:
    """Refuse names that don't cover the endpoint; warn without the wildcard that Alibaba documents as needed."""
    wanted, host = aim(case.desired.specification, case.observed.pinned), case.desired.endpoint.host
    if not wanted.names and not isinstance(case.desired.specification, Specification):
        return
    if not covers(wanted.names, host):
        yield names_miss(wanted, host)
    if SERVICE_WILDCARD not in {name.lower() for name in wanted.names}:
        yield Finding(
            "no-service-wildcard",
            f"the certificate does not name {SERVICE_WILDCARD}, which Alibaba's FAQ says it must",
            Severity.WARNING,
            wanted.adding(SERVICE_WILDCARD),
        )


def profile(case: Case) -> Iterator[Finding]:
    """Warn about extensions that strict verifiers reject."""
    wanted = case.desired.specification
    if isinstance(wanted, Specification) and wanted.profile is Profile.GUIDE:
        yield Finding(
            "guide-profile",
            'profile "guide" puts keyCertSign on the leaf: Python 3.13 and other strict clients refuse it (measured)',
            Severity.WARNING,
            'profile = "strict" is accepted by all of them',
        )
    for objection in case.observed.authority.objections if case.observed.authority else ():
        message = f"the authority: {objection}; strict clients will refuse every certificate it signs"
        yield Finding("authority-objection", message, Severity.WARNING)


def device_cas(case: Case) -> Iterator[Finding]:
    """Refuse a switch after which no device could log in, or the canary could not, or where nobody can tell."""
    seen = case.observed.device_cas
    if seen.authority_among:
        yield Finding(
            "authority-is-device-ca",
            "the authority is registered as a device CA too: whoever holds its key can make both servers and devices",
            Severity.WARNING,
        )
    if not case.to_mutual or case.observed.instance is None:
        return
    severity = Severity.WARNING if case.permissions.unsafe_allow_lockout else Severity.REFUSAL
    yield from device_ca_checks.before_switch(seen, case.observed.at, case.desired.name, severity)


def canary(case: Case) -> Iterator[Finding]:
    """Refuse when the canary fails before anything was changed; warn when there is no canary.

    One without login that distrusts the served certificate, or doesn't get through, is no reason to leave that
    certificate there.
    """
    policy, result = case.desired.canary, case.observed.canary
    accepted = result is None or result.verdict is CanaryVerdict.ACCEPTED
    if not case.to_mutual:
        if result is not None and not accepted:
            message = f"the canary can't log in: {result.detail or result.verdict.value}"
            yield Finding("canary-refused", message, Severity.ALARM, "look at device certificates and logins")
        return
    if not policy.configured:
        yield Finding(
            "no-canary",
            "no canary is configured: that a device can still log in will not be proven",
            Severity.WARNING,
            f"add canary to [instances.{case.desired.name}]",
        )
    elif result is not None and not accepted:
        message = f"the canary can't log in before any change: {result.detail or result.verdict.value}"
        section = f"[instances.{case.desired.name}]"
        if not policy.logs_in and result.verdict not in {CanaryVerdict.REFUSED_BY_TLS, CanaryVerdict.CUT_OFF}:
            yield Finding("canary-refused", message, Severity.WARNING, f"look at canary of {section}")
        elif result.verdict is CanaryVerdict.DISTRUSTED:
            hint = (
                f"name the CA of the served certificate in canary.trust of {section}; if it expired, leave canary out"
            )
            yield refuse("canary-fails-before", message, hint)
        else:
            yield refuse("canary-fails-before", message, f"correct canary of {section}")


def narrowing(case: Case) -> Iterator[Finding]:
    """Ask about a new certificate that drops a served name or changes the key type."""
    served, wanted = case.observed.served, aim(case.desired.specification, case.observed.pinned)
    if not case.to_mutual or not case.served_mutual or served is None or source_checks.is_foreign(case):
        return
    now_named = (*served.leaf.dns_names, *served.leaf.ip_addresses)
    lost = [name for name in now_named if not _still_named(name, wanted.names)]
    if lost:
        yield Finding("names-dropped", f"names served now and no longer: {', '.join(lost)}", Severity.CONFIRM)
    if wanted.key and served.leaf.key != wanted.key:
        yield Finding(
            "key-type-changes",
            f"the key type changes from {served.leaf.key} to {wanted.key}: every device must support the new one",
            Severity.CONFIRM,
        )


def way_back(case: Case) -> Iterator[Finding]:
    """Say how good the way back is."""
    if not case.switching:
        return
    if case.attended:
        stay = "provisioner resume has ended" if case.permissions.unattended else "the run has ended"
        yield Finding(
            "attended-rollback",
            f"the console driver needs a person for the switch and for its rollback: stay until {stay}",
            Severity.WARNING,
        )
    wanted, previous = case.desired.on_failure, case.previous
    to_previous = (
        RollbackTarget.PREVIOUS_CERTIFICATE in wanted and previous is not None and previous.mode is Mode.MUTUAL
    )
    hosted = previous is not None and previous.identifier is not None
    if RollbackTarget.ONE_WAY not in wanted and not (to_previous and hosted and case.observed.previous_valid):
        yield Finding(
            "no-rollback",
            f"on_failure ({', '.join(wanted)}) names nothing to go back to: a failed switch is left as it is",
            Severity.WARNING,
        )
    if to_previous and not case.observed.previous_valid:
        yield Finding(
            "previous-expired", "the served certificate has expired, so a rollback doesn't restore it", Severity.WARNING
        )
    if to_previous and not hosted:
        yield Finding(
            "previous-not-hosted",
            "the served certificate has no known hosted copy, so a rollback can't restore it",
            Severity.WARNING,
        )


def open_intent(case: Case) -> Iterator[Finding]:
    """Tell of a request whose end nobody has recorded yet."""
    intent = case.observed.intent
    if intent is not None:
        then = "its effect was not seen, so it may be asked for again"
        ahead = "the next apply or resume looks for its effect first"
        yield Finding(
            "open-intent",
            f"run {intent.run} asked for {mode_words(intent.target.mode)} at {intent.requested_at:%Y-%m-%d %H:%M} UTC; "
            f"{then if intent.looked_through else ahead}",
            Severity.INFO,
        )


CHECKS: tuple[Check, ...] = (
    open_intent,
    known,
    edition,
    in_service,
    held,
    reachable,
    material,
    dates,
    names,
    profile,
    device_cas,
    canary,
    source_checks.pinned,
    source_checks.rehearsed,
    domain_checks.mapped,
    domain_checks.resolved,
    source_checks.foreign,
    narrowing,
    way_back,
    *unattended_checks.CHECKS,
)
OF_CERTIFICATES = frozenset({material, dates, names, profile, source_checks.pinned})


def _still_named(name: str, dns_names: tuple[str, ...]) -> bool:
    lowered = {item.lower() for item in dns_names}
    return name.lower() in lowered or covers(dns_names, name)


def shown_leaf(leaf: Leaf) -> str:
    """Return a leaf in a few words for a plan."""
    return f"{leaf.sha256[:16]} ({leaf.key}, until {leaf.not_after:%Y-%m-%d})"
