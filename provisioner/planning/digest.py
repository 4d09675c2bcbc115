"""Digests: what a person approves, and what tells that a specification changed."""

import hashlib
import json

from provisioner.model.certificate import AuthorityFacts, FilesSpecification, HostedSpecification
from provisioner.model.desired import Desired, Wanted
from provisioner.model.instance import EndpointState
from provisioner.model.plan import Step
from provisioner.planning.wire_state import WireState


def specification_digest(desired: Desired, authority: AuthorityFacts | None, pinned_sha256: str | None = None) -> str:
    """Return the SHA-256 of what an instance's certificates should be, and by whom, and in which mode.

    Args:
        desired: what is wanted.
        authority: what is known of the owner's CA.
        pinned_sha256: the leaf in the files, where they are the specification.
    """
    return _sha256(_wanted(desired, authority, pinned_sha256) | {"mode": desired.mode.value})


def plan_digest(
    desired: Desired,
    authority: AuthorityFacts | None,
    steps: tuple[Step, ...],
    state: WireState | None,
    target: EndpointState | None,
) -> str:
    """Return the SHA-256 of a plan: no times, and no fingerprint that doesn't exist yet."""
    mapped = [[item.domain, item.leaf] for item in target.domains] if target else []
    return _sha256(
        {
            "instance": [desired.region, desired.id, str(desired.endpoint), desired.endpoint.connect_to],
            "driver": [desired.driver, desired.rotation.by_sni],
            "on_failure": [item.value for item in desired.on_failure],
            "steps": [step.kind.value for step in steps],
            "target": [desired.mode.value, target.leaf if target else None, mapped],
            "specification": _wanted(desired, authority, None),
            "observed": None if state is None else [state.mode.value, state.leaf, *map(list, state.domains)],
        }
    )


def _wanted(desired: Desired, authority: AuthorityFacts | None, pinned_sha256: str | None) -> dict[str, object]:
    own = _specification(desired.specification, authority, pinned_sha256)
    mapped = {item.domain: _specification(item.specification, authority) for item in desired.domains}
    return own | ({"domains": mapped} if mapped else {})


def _specification(
    specification: Wanted, authority: AuthorityFacts | None, pinned_sha256: str | None = None
) -> dict[str, object]:
    if isinstance(specification, FilesSpecification):
        return {"files": specification.name, "leaf": pinned_sha256}
    if isinstance(specification, HostedSpecification):
        return {"hosted": specification.identifier}
    return {
        "authority": authority.certificate.sha256 if authority else None,
        "certificate": specification.name,
        "key": specification.key.value,
        "seconds": int(specification.valid_for.total_seconds()),
        "profile": specification.profile.value,
        "dns_names": sorted(specification.dns_names),
        "ip_addresses": sorted(specification.ip_addresses),
        "subject": list(specification.subject.values()),
    }


def _sha256(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
