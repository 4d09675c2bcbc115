"""The checks: ordered pure functions, each of which looks at one thing and gives findings.

All of them are asked, whatever the first ones find, so that a person sees everything at once. Refusals name the next
step. Sources: Alibaba's public guide for server certificates and API metadata of 2025 and 2026, and measurements of TLS
verifiers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.model.certificate import Leaf, Profile
from provisioner.model.desired import Desired, RollbackTarget
from provisioner.model.finding import Finding, Severity
from provisioner.model.instance import Edition, EndpointState, Mode, Status, edition_label, status_label
from provisioner.model.reading import CanaryVerdict
from provisioner.planning.observed import Kept, Observed
from provisioner.planning.satisfies import covers
from provisioner.planning.wire import Look, mode_words

SERVICE_WILDCARD = "*.mqtt.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the person at the command line allows.

    Args:
        release: lift a hold.
        unsafe_allow_lockout: go on although nobody can tell that a device will be let in.
        unsafe_replace_foreign: replace a certificate that the configured authority did not sign.
    """

    release: bool = False
    unsafe_allow_lockout: bool = False
    unsafe_replace_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at.

    ``candidate`` is the certificate that would be switched to, None while it has to be issued; ``switching`` tells
    whether the plan touches the endpoint; ``attended`` whether the driver needs a person.
    """

    desired: Desired
    observed: Observed
    candidate: Kept | None
    switching: bool
    attended: bool
    permissions: Permissions
    specification_digest: str
    previous: EndpointState | None

    @property
    def to_mutual(self) -> bool:
        """Whether clients without an accepted certificate will be refused afterwards."""
        return self.switching and self.desired.mode is Mode.MUTUAL


Check = Callable[[Case], Iterator[Finding]]


def findings(case: Case) -> tuple[Finding, ...]:
    """Return what every check has to say, in the order of ``CHECKS``; those of the certificate where it matters."""
    asked = CHECKS if case.desired.mode is Mode.MUTUAL else [check for check in CHECKS if check not in OF_CERTIFICATES]
    return tuple(item for check in asked for item in check(case))


def known(case: Case) -> Iterator[Finding]:
    """Refuse an instance that the directory does not have in that region."""
    desired, instance = case.desired, case.observed.instance
    if instance is None:
        others = ", ".join(case.observed.others[:5]) or "none"
        yield _refuse(
            "unknown-instance",
            f"instance {desired.id} is not in region {desired.region}; instances there: {others}",
            f"correct id or region of [instances.{desired.name}]",
        )
    elif instance.region != desired.region:
        yield _refuse(
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
    yield _refuse(
        "edition",
        f"edition {label} has no mutual authentication: got {instance.edition}, expected platinum (1) or "
        "professional (4)",
        "upgrade the instance, or take it out of the configuration",
    )


def in_service(case: Case) -> Iterator[Finding]:
    """Refuse to touch an instance that is not in service."""
    instance = case.observed.instance
    if instance is not None and instance.status != Status.IN_SERVICE:
        yield _refuse(
            "not-in-service",
            f"status is {status_label(instance.status)}, expected in service (5)",
            "wait until the console shows the instance in service, then run the command again",
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
    yield _refuse(
        "on-hold",
        f"on hold since {since}: {hold.reason}",
        f"find out why, then: provisioner apply {case.desired.name} --release",
    )


def reachable(case: Case) -> Iterator[Finding]:
    """Refuse an endpoint whose state can't be told: nobody could say afterwards what changed."""
    observed = case.observed
    if observed.view.look is not Look.UP:
        yield _refuse(
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
    if case.candidate is None:
        return
    item = case.candidate.material
    short = item.leaf.sha256[:16]
    next_step = "move it out of the key store and run the command again: a new one is issued"
    if not item.key_matches:
        yield _refuse("key-mismatch", f"the private key kept for leaf {short} is not its key", next_step)
    if item.order_problem:
        yield _refuse("chain-order", f"the chain of leaf {short} is out of order: {item.order_problem}", next_step)
    if item.signature_problem:
        message = f"the chain of leaf {short} does not verify: {item.signature_problem}"
        yield _refuse("chain-signature", message, next_step)


def dates(case: Case) -> Iterator[Finding]:
    """Refuse a certificate or an authority outside its dates, and one that would outlive its authority."""
    now = case.observed.at
    authority = case.observed.authority.certificate
    leaf = case.candidate.material.leaf if case.candidate else None
    for what, item in (("the authority", authority), ("the certificate", leaf)):
        if item is not None and not item.not_before <= now < item.not_after:
            yield _refuse(
                "outside-dates",
                f"{what} is valid from {item.not_before:%Y-%m-%d} to {item.not_after:%Y-%m-%d}, "
                f"today is {now:%Y-%m-%d}",
                "check this machine's clock; renew the authority if it has expired",
            )
    if case.to_mutual and leaf is None and now + case.desired.specification.valid_for > authority.not_after:
        yield _refuse(
            "outlives-authority",
            f"a certificate of {case.desired.specification.valid_for.days} days would outlive its authority, "
            f"which ends on {authority.not_after:%Y-%m-%d}",
            f"shorten valid_days of [certificates.{case.desired.specification.name}] or renew the authority",
        )
    elif authority.not_after - now < timedelta(days=90):
        yield Finding(
            "authority-ends-soon",
            f"the authority ends on {authority.not_after:%Y-%m-%d}; devices need its successor before that",
            Severity.WARNING,
        )


def names(case: Case) -> Iterator[Finding]:
    """Refuse names that don't cover the endpoint; warn without the wildcard that Alibaba documents as needed."""
    specification, host = case.desired.specification, case.desired.endpoint.host
    where = f"dns_names of [certificates.{specification.name}]"
    if not covers(specification.dns_names, host):
        yield _refuse(
            "names-miss-endpoint",
            f"the certificate's names do not cover {host}: got {', '.join(specification.dns_names)}",
            f"add {host} to {where}",
        )
    if SERVICE_WILDCARD not in {name.lower() for name in specification.dns_names}:
        yield Finding(
            "no-service-wildcard",
            f"the certificate does not name {SERVICE_WILDCARD}, which Alibaba's FAQ says it must",
            Severity.WARNING,
            f"add it to {where}",
        )


def profile(case: Case) -> Iterator[Finding]:
    """Warn about extensions that strict verifiers reject."""
    if case.desired.specification.profile is Profile.GUIDE:
        yield Finding(
            "guide-profile",
            'profile "guide" puts keyCertSign on the leaf: Python 3.13 and other strict clients refuse it (measured)',
            Severity.WARNING,
            'profile = "strict" is accepted by all of them',
        )
    for objection in case.observed.authority.objections:
        message = f"the authority: {objection}; strict clients will refuse every certificate it signs"
        yield Finding("authority-objection", message, Severity.WARNING)


def device_cas(case: Case) -> Iterator[Finding]:
    """Refuse a switch after which no device could log in, or where nobody can tell."""
    seen = case.observed.device_cas
    if seen.authority_among:
        yield Finding(
            "authority-is-device-ca",
            "the authority is registered as a device CA too: whoever holds its key can make both servers and devices",
            Severity.WARNING,
        )
    if not case.to_mutual:
        return
    severity = Severity.WARNING if case.permissions.unsafe_allow_lockout else Severity.REFUSAL
    allow = f"provisioner apply {case.desired.name} --unsafe-allow-lockout"
    if seen.unknown:
        yield Finding(
            "device-cas-unknown",
            f"whether a device CA is registered could not be known: {seen.unknown}",
            severity,
            f"look at Certificates > CA Certificate in the console; if one is active: {allow}",
        )
    elif not any(item.active and _current(item.valid_until, case) for item in seen.registered):
        count = len(seen.registered)
        yield Finding(
            "no-device-ca",
            f"no active device CA that is in date ({count} registered): no device could log in after the switch",
            severity,
            "register and activate the CA that signs your devices (console: Certificates > CA Certificate)",
        )


def canary(case: Case) -> Iterator[Finding]:
    """Refuse when the canary's login fails before anything was changed; warn when there is no canary."""
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
    elif policy.logs_in and result is not None and not accepted:
        yield _refuse(
            "canary-fails-before",
            f"the canary can't log in before any change: {result.detail or result.verdict.value}",
            f"correct canary of [instances.{case.desired.name}]",
        )


def foreign(case: Case) -> Iterator[Finding]:
    """Refuse to replace a certificate of another root, or one that can't be read, which clients may rely on."""
    served, state = case.observed.served, case.observed.view.state
    mutual = state is not None and state.mode is Mode.MUTUAL
    if not case.to_mutual or not mutual or (served is not None and served.signed):
        return
    allowed = case.permissions.unsafe_replace_foreign
    issuer = f"issuer {served.leaf.issuer}" if served else "it can't be read"
    yield Finding(
        "foreign-certificate",
        f"the endpoint serves a certificate that the configured authority did not sign ({issuer}): "
        "clients that trust only its root will be cut off",
        Severity.WARNING if allowed else Severity.REFUSAL,
        f"give every device the new CA first, then: provisioner apply {case.desired.name} --unsafe-replace-foreign",
    )


def narrowing(case: Case) -> Iterator[Finding]:
    """Ask about a new certificate that drops a served name or changes the key type."""
    served, specification = case.observed.served, case.desired.specification
    state = case.observed.view.state
    ours = served is not None and served.signed and state is not None and state.mode is Mode.MUTUAL
    if not case.to_mutual or not ours or served is None:
        return
    lost = [name for name in served.leaf.dns_names if not _still_named(name, specification.dns_names)]
    if lost:
        yield Finding("names-dropped", f"names served now and no longer: {', '.join(lost)}", Severity.CONFIRM)
    if served.leaf.key != specification.key.value:
        yield Finding(
            "key-type-changes",
            f"the key type changes from {served.leaf.key} to {specification.key.value}: "
            "every device must support the new one",
            Severity.CONFIRM,
        )


def way_back(case: Case) -> Iterator[Finding]:
    """Say how good the way back is."""
    if not case.switching:
        return
    if case.attended:
        yield Finding(
            "attended-rollback",
            "the console driver needs a person for the switch and for its rollback: stay until the run has ended",
            Severity.WARNING,
        )
    wanted, previous = case.desired.on_failure, case.previous
    to_previous = (
        RollbackTarget.PREVIOUS_CERTIFICATE in wanted and previous is not None and previous.mode is Mode.MUTUAL
    )
    hosted = previous is not None and previous.identifier is not None
    if RollbackTarget.ONE_WAY not in wanted and not (to_previous and hosted):
        yield Finding(
            "no-rollback",
            f"on_failure ({', '.join(wanted)}) names nothing to go back to: a failed switch is left as it is",
            Severity.WARNING,
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
    foreign,
    narrowing,
    way_back,
)
OF_CERTIFICATES = frozenset({material, dates, names, profile})


def _refuse(reason: str, message: str, hint: str) -> Finding:
    return Finding(reason, message, Severity.REFUSAL, hint)


def _current(until: datetime | None, case: Case) -> bool:
    return until is None or until > case.observed.at


def _still_named(name: str, dns_names: tuple[str, ...]) -> bool:
    lowered = {item.lower() for item in dns_names}
    return name.lower() in lowered or covers(dns_names, name)


def shown_leaf(leaf: Leaf) -> str:
    """Return a leaf in a few words for a plan."""
    return f"{leaf.sha256[:16]} ({leaf.key}, until {leaf.not_after:%Y-%m-%d})"
