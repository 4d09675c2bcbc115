"""Results as JSON, ``provisioner.run/1``."""

from collections.abc import Sequence

from provisioner.model.finding import Finding
from provisioner.model.outcome import Evidence, InstanceResult, Outcome

SCHEMA = "provisioner.run/1"


def run_document(run: str, command: str, results: Sequence[InstanceResult]) -> dict[str, object]:
    """Return the document of a run."""
    outcome = overall(results)
    return {
        "schema": SCHEMA,
        "run": run,
        "command": command,
        "outcome": outcome.label,
        "exit_code": outcome.exit_code,
        "instances": [_instance(item) for item in results],
    }


def overall(results: Sequence[InstanceResult]) -> Outcome:
    """Return the outcome of a run over several instances.

    An interruption is told first. All good is ``converged`` when something was changed, else ``unchanged``; good and
    bad together are ``partial``; what was only not started does not hide why.
    """
    outcomes = [item.outcome for item in results]
    if Outcome.INTERRUPTED in outcomes:
        return Outcome.INTERRUPTED
    if all(item.good for item in outcomes):
        return Outcome.CONVERGED if Outcome.CONVERGED in outcomes else Outcome.UNCHANGED
    bad = {item for item in outcomes if not item.good}
    telling = bad - {Outcome.REFUSED} or bad
    if any(item.good for item in outcomes) or len(telling) > 1:
        return Outcome.PARTIAL
    return telling.pop()


def finding_document(finding: Finding) -> dict[str, object]:
    """Return a finding."""
    return {
        "reason": finding.reason,
        "message": finding.message,
        "severity": finding.severity.value,
        "hint": finding.hint,
    }


def _instance(item: InstanceResult) -> dict[str, object]:
    return {
        "name": item.name,
        "id": item.id,
        "outcome": item.outcome.label,
        "message": item.message,
        "hint": item.hint,
        "mode": item.mode.value if item.mode else None,
        "fingerprint_sha256": item.fingerprint_sha256,
        "hosted_identifier": item.hosted_identifier,
        "outage_seconds": item.outage_seconds,
        "outage_partly": item.outage_partly,
        "evidence": None if item.evidence is None else _evidence(item.evidence),
        "findings": [finding_document(finding) for finding in item.findings],
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    return {
        "readings": evidence.readings,
        "span_seconds": evidence.span_seconds,
        "connections": evidence.connections,
        "stale_share_ruled_out": evidence.stale_share_ruled_out,
        "met_since": evidence.met_since,
        "met_otherwise": evidence.met_otherwise,
        "not_shown": list(evidence.not_shown),
        "addresses": [
            {
                "address": item.address,
                "tls_version": item.tls_version,
                "leaf_sha256": item.leaf_sha256,
                "client_certificate_asked": item.client_certificate_asked,
                "client_certificate_required": item.client_certificate_required,
                "inferred": item.inferred,
                "anonymous_client_refused": item.anonymous_client_refused,
                "canary": item.canary,
                "connections": item.connections,
                "without_certificate": item.without_certificate,
                "unknown_certificate": item.unknown_certificate,
            }
            for item in evidence.addresses
        ],
        "left_out": list(evidence.left_out),
        "notes": list(evidence.notes),
        "missing_clients": list(evidence.missing_clients),
    }
