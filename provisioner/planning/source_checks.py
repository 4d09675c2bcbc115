"""Checks of where the certificate comes from: files, an identifier, its rehearsal, and whose root clients trust."""

from collections.abc import Iterator

from provisioner.model.certificate import FilesSpecification, HostedSpecification, Pinned, Profile, Specification
from provisioner.model.finding import Finding, Severity
from provisioner.planning.case import Case, current, refuse
from provisioner.planning.observed import Part, hosted_copy
from provisioner.planning.parts import gaps, own_part
from provisioner.planning.wanted import pinned_reason


def pinned(case: Case) -> Iterator[Finding]:
    """Refuse a leaf of files or of an identifier that can't be told, is out of date, or is due with nothing newer."""
    yield from _pinned(case, own_part(case.desired, case.observed), changes=True)
    for part in case.observed.domains:
        yield from _pinned(case, part, changes=bool(gaps(part, case.observed.at)))


def _pinned(case: Case, part: Part, *, changes: bool) -> Iterator[Finding]:
    """Check one part; what does not change must not keep the others from being changed."""
    wanted, found = part.wanted, part.pinned
    if isinstance(wanted, Specification):
        return
    if isinstance(wanted, HostedSpecification) and (found is None or found.sha256 is None):
        yield _unknown(wanted, found)
    elif found is not None and not current(found.not_after, case):
        expired = f"{_which(wanted)} expired on {found.not_after:%Y-%m-%d}"
        refuses = changes or not case.switching
        yield Finding("outside-dates", expired, Severity.REFUSAL if refuses else Severity.WARNING, _replace(wanted))
    elif found is not None and (late := pinned_reason(found, wanted, case.observed.at)):
        if case.switching:
            yield Finding("due-soon", f"{_which(wanted)} is due already: {late}", Severity.WARNING, _replace(wanted))
        else:
            yield refuse("due-unchanged", f"{_which(wanted)} is due and unchanged: {late}", _replace(wanted))


def rehearsed(case: Case) -> Iterator[Finding]:
    """Refuse what fails in the rehearsal: it would fail on the endpoint too, with every client cut off."""
    if not case.to_mutual:
        return
    wanted, rehearsal = case.desired.specification, case.observed.rehearsal
    if isinstance(wanted, HostedSpecification):
        yield no_rehearsal(case, wanted)
        return
    if case.candidate is None or rehearsal is None or rehearsal.sha256 != case.candidate.material.leaf.sha256:
        yield Finding(
            "rehearsal-ahead", "the new certificate is rehearsed on loopback before it is hosted", Severity.INFO
        )
        return
    yield from rehearsal_failures(own_part(case.desired, case.observed))


def no_rehearsal(case: Case, wanted: HostedSpecification) -> Finding:
    """Return what is said where the key isn't here; with nobody watching it refuses."""
    return Finding(
        "no-rehearsal",
        f"the key of {wanted.identifier} isn't here: that it matches, and that the chain verifies, can't be rehearsed",
        Severity.REFUSAL if case.permissions.unattended else Severity.WARNING,
        f"provisioner apply {case.desired.name}" if case.permissions.unattended else "",
    )


def foreign(case: Case) -> Iterator[Finding]:
    """Refuse to replace a certificate of another root that clients may rely on."""
    served = case.observed.served
    if not is_foreign(case):
        return
    allowed = case.permissions.unsafe_replace_foreign
    issuer = f"issuer {served.leaf.issuer}" if served else "it can't be read"
    yield Finding(
        "foreign-certificate",
        f"the endpoint serves a certificate that is not this tool's, or leads to another root ("
        f"{issuer}): clients that trust only its root will be cut off",
        Severity.WARNING if allowed else Severity.REFUSAL,
        f"give every device the new CA first, then: provisioner apply {case.desired.name} --unsafe-replace-foreign",
    )


def is_foreign(case: Case) -> bool:
    """Tell whether the served leaf, in mutual mode, is somebody else's or leads to another root than the new one.

    Ours is what the authority signed, what is hosted under this tool's name for this certificate, and, where an
    identifier is the specification, what this state verified before. The roots are the same when the served and the
    new chain share a key that signed one of their certificates.
    """
    served = case.observed.served
    if not case.to_mutual or not case.served_mutual or (served is not None and served.signed):
        return False
    if served is None:
        return True
    if isinstance(case.desired.specification, HostedSpecification):
        return not served.known
    ours = hosted_copy(case.observed.hosted, served.leaf) is not None
    return not ours or not served.issuers & _new_issuers(case)


def _new_issuers(case: Case) -> frozenset[str]:
    if case.candidate is not None:
        return case.candidate.issuers
    if case.observed.pinned is not None:
        return case.observed.pinned.issuers
    authority = case.observed.authority
    return authority.issuers if authority else frozenset()


def rehearsal_failures(part: Part) -> Iterator[Finding]:
    """Refuse what failed in the rehearsal of a part's certificate; what only strict clients object to may warn."""
    assert part.rehearsal is not None
    wanted, sessions = part.wanted, part.rehearsal.sessions
    strict = isinstance(wanted, Specification) and wanted.profile is Profile.STRICT
    next_step = f"correct [certificates.{wanted.name}] or its authority, then: provisioner check"
    failed = [item for item in sessions if item.failure]
    for failure in dict.fromkeys(item.failure for item in failed):
        where = ", ".join(f"{item.name} in {item.tls_version}" for item in failed if item.failure == failure)
        yield refuse("rehearsal-failed", f"a client's handshake on loopback failed for {where}: {failure}", next_step)
    for objection in dict.fromkeys(
        item.strict_failure for item in sessions if item.strict_failure and not item.failure
    ):
        yield Finding(
            "rehearsal-strict",
            f"strict clients, Python 3.13 among them, would refuse the certificate: {objection}",
            Severity.REFUSAL if strict else Severity.WARNING,
            next_step if strict else 'profile = "strict" and a CA with keyUsage are accepted by all of them',
        )
    if sessions and not failed and not all(item.client_certificate for item in sessions):
        yield Finding(
            "rehearsal-without-device",
            "no device certificate took part in the rehearsal: there is no canary, or the device CAs are not known",
            Severity.INFO,
        )


def _unknown(wanted: HostedSpecification, found: Pinned | None) -> Finding:
    if found is None:
        return refuse(
            "unknown-identifier",
            f"no hosted certificate has the identifier {wanted.identifier}",
            f"correct identifier of [certificates.{wanted.name}] as the console shows it",
        )
    return refuse(
        "no-fingerprint",
        f"the service does not tell the SHA-256 of {wanted.identifier}, so the wire could not be judged",
        'use a certificate whose files you have (source = "files")',
    )


def _which(wanted: FilesSpecification | HostedSpecification) -> str:
    if isinstance(wanted, FilesSpecification):
        return f"the certificate in the files of [certificates.{wanted.name}]"
    return f"hosted certificate {wanted.identifier}"


def _replace(wanted: FilesSpecification | HostedSpecification) -> str:
    if isinstance(wanted, FilesSpecification):
        return f"put the renewed certificate and key in the files of [certificates.{wanted.name}]"
    return f"name the renewed certificate's identifier in [certificates.{wanted.name}]"
