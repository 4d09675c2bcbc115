"""Plans as JSON, ``provisioner.plan/1``."""

from collections.abc import Sequence

from provisioner.model.plan import Plan
from provisioner.reporting.result_json import finding_document

SCHEMA = "provisioner.plan/1"


def plan_document(plans: Sequence[Plan], digest: str) -> dict[str, object]:
    """Return the document of a plan.

    Args:
        plans: one per instance.
        digest: what ``apply --digest`` takes.
    """
    return {"schema": SCHEMA, "digest": digest, "instances": [_plan(item) for item in plans]}


def _plan(plan: Plan) -> dict[str, object]:
    return {
        "name": plan.instance,
        "mode": plan.mode.value,
        "served_mode": plan.served_mode.value if plan.served_mode else None,
        "served_sha256": plan.served,
        "steps": [{"kind": item.kind.value, "subject": item.subject, "reason": item.reason} for item in plan.steps],
        "outage": plan.outage,
        "way_back": plan.undo,
        "trust": plan.trust,
        "digest": plan.digest,
        "findings": [finding_document(item) for item in plan.findings],
    }
