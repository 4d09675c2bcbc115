"""Digests: what a person approves, and what tells that a specification changed."""

import hashlib
import json

from provisioner.model.certificate import AuthorityFacts, Specification
from provisioner.model.desired import Desired
from provisioner.model.instance import Mode
from provisioner.model.plan import Step
from provisioner.planning.wire import WireState


def specification_digest(specification: Specification, authority: AuthorityFacts, mode: Mode) -> str:
    """Return the SHA-256 of what an instance's certificate should be, and by whom, and in which mode."""
    return _sha256(_specification(specification, authority) | {"mode": mode.value})


def plan_digest(
    desired: Desired,
    authority: AuthorityFacts,
    steps: tuple[Step, ...],
    state: WireState | None,
    leaf_sha256: str | None,
) -> str:
    """Return the SHA-256 of a plan: no times, and no fingerprint that doesn't exist yet."""
    return _sha256(
        {
            "instance": [desired.region, desired.id, str(desired.endpoint), desired.endpoint.connect_to],
            "driver": desired.driver,
            "on_failure": [item.value for item in desired.on_failure],
            "steps": [step.kind.value for step in steps],
            "target": [desired.mode.value, leaf_sha256],
            "specification": _specification(desired.specification, authority),
            "observed": None if state is None else [state.mode.value, state.leaf],
        }
    )


def _specification(specification: Specification, authority: AuthorityFacts) -> dict[str, object]:
    return {
        "authority": authority.certificate.sha256,
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
