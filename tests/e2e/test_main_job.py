"""The main job through the command line, on the sandbox."""

from collections.abc import Callable

import pytest

from provisioner.model.certificate import KeyType
from provisioner.sandbox import SandboxInstance
from tests.e2e.conftest import INSTANCE, Cloud


def test_a_first_switch_prints_one_complete_document(cloud: Cloud) -> None:
    """The document of a run holds outcome, evidence and identifiers, and the key travelled in the body alone."""
    done = cloud.apply()
    assert done.code == 0
    document, instance = done.document, done.instance
    assert set(document) == {"schema", "run", "command", "outcome", "exit_code", "instances"}
    assert (document["schema"], document["outcome"], document["exit_code"]) == ("provisioner.run/1", "converged", 0)
    assert (instance["mode"], instance["fingerprint_sha256"]) == ("mutual", cloud.machine.serving.leaf_sha256)
    assert instance["hosted_identifier"] == "14000001-cn-hangzhou"
    assert instance["outage_seconds"] > 0
    (address,) = instance["evidence"]["addresses"]
    assert address.pop("connections") >= 20  # half of the backends are ruled out, as the tests' configuration asks
    assert address == {
        "address": "127.0.0.1",
        "tls_version": "TLSv1.2",
        "leaf_sha256": cloud.machine.serving.leaf_sha256,
        "client_certificate_asked": True,
        "client_certificate_required": "yes",
        "inferred": False,
        "anonymous_client_refused": True,
        "canary": "logged in, message there and back",
        "without_certificate": "refused by TLS: alert: handshake failure",
        "unknown_certificate": "refused by TLS: alert: unknown CA",
    }
    (upload,) = [call for call in cloud.sandbox.calls if call.action == "UploadUserCertificate"]
    assert (upload.method, upload.query) == ("POST", ())
    assert upload.body == ("Cert", "ClientToken", "Key", "Name", "Tags.1.Key", "Tags.1.Value")


def test_a_rotation_replaces_the_certificate(cloud: Cloud) -> None:
    """Another key type leads to another certificate under the same name's prefix."""
    first = cloud.apply().instance["fingerprint_sha256"]
    cloud.configure(key=KeyType.RSA_2048)
    second = cloud.apply().instance
    assert (second["outcome"], second["fingerprint_sha256"] != first) == ("converged", True)
    assert cloud.machine.restarts == 2


@pytest.mark.parametrize("fault", ["wrong_leaf", "anonymous", "devices_refused", "dead"])
def test_a_bad_first_switch_is_rolled_back_to_one_way(cloud: Cloud, fault: str) -> None:
    """A broken endpoint is noticed on the wire and brought back, the instance is on hold, and apply refuses."""
    cloud.sandbox.faults.arm(fault, instance_id=INSTANCE)
    done = cloud.apply()
    assert (done.code, done.instance["outcome"], done.instance["mode"]) == (7, "rolled_back", "one_way")
    assert not cloud.machine.serving.mutual
    again = cloud.apply()
    assert (again.code, [item["reason"] for item in again.instance["findings"]]) == (3, ["on-hold"])
    assert cloud.machine.restarts == 2
    assert "--release" in again.instance["hint"]


def test_a_bad_rotation_is_rolled_back_to_the_previous_certificate(cloud: Cloud) -> None:
    """The certificate before is restored by its hosted copy."""
    first = cloud.apply().instance
    cloud.configure(key=KeyType.RSA_2048)
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    done = cloud.apply()
    assert (done.code, done.instance["fingerprint_sha256"]) == (7, first["fingerprint_sha256"])
    assert done.instance["hosted_identifier"] == first["hosted_identifier"]


def test_a_switch_without_effect_fails_and_is_asked_for_again(cloud: Cloud) -> None:
    """No effect is exit 6; the next run looks first, then asks once more, with one upload in all."""
    cloud.sandbox.faults.arm("no_effect", instance_id=INSTANCE)
    assert cloud.apply().code == 6
    assert cloud.apply().code == 0
    assert cloud.actions().count("UploadUserCertificate") == 1
    assert cloud.actions().count(cloud.sandbox.settings.mutual_action) == 2


def test_a_stuck_instance_needs_a_person(cloud: Cloud) -> None:
    """Down and out of service at the extended deadline is exit 8, with nothing more requested."""
    cloud.configure(waiting={"deadline": "3s", "effect_within": "2s"})
    cloud.sandbox.faults.arm("stuck", instance_id=INSTANCE)
    done = cloud.apply()
    assert (done.code, done.instance["outcome"], cloud.machine.restarts) == (8, "broken", 1)


@pytest.mark.parametrize("action", ["UploadUserCertificate", "switch"])
@pytest.mark.parametrize("fault", ["lost_answer", "lost_request", "internal_error", "html_502"])
def test_a_call_without_answer_never_leads_to_a_second_effect(cloud: Cloud, action: str, fault: str) -> None:
    """Whatever became of the answer, after the next run there is one upload and one restart."""
    named = cloud.sandbox.settings.mutual_action if action == "switch" else action
    cloud.sandbox.faults.arm(fault, action=named)
    first = cloud.apply()
    assert first.code in {0, 6}
    assert first.code == 0 or cloud.apply().code == 0
    assert (cloud.machine.restarts, len(cloud.sandbox.calls) > 0) == (1, True)
    assert cloud.run("check", "--json").code == 0


@pytest.mark.parametrize("fault", ["throttled", "internal_error", "html_502", "lost_answer"])
def test_reads_survive_passing_trouble(cloud: Cloud, fault: str) -> None:
    """Every read is repeated when that may help."""
    for action in ("ListInstances", "ListCertificates", "ListCaCertificate", "GetUserCertificateDetail"):
        cloud.sandbox.faults.arm(fault, action=action)
    assert cloud.apply().code == 0


def test_rollback_reaches_its_target_and_holds(cloud: Cloud) -> None:
    """A person's rollback is converged, and apply refuses until the hold is released."""
    cloud.apply()
    done = cloud.run("rollback", "prod", "--to", "one-way", "--yes", "--json")
    assert (done.code, done.instance["outcome"], done.instance["mode"]) == (0, "converged", "one_way")
    assert cloud.apply().code == 3
    assert cloud.apply("--release").code == 0


def test_rollback_to_an_identifier_and_to_the_previous_certificate(cloud: Cloud) -> None:
    """The previous certificate is the default; an identifier names any."""
    first = cloud.apply().instance
    cloud.configure(key=KeyType.RSA_2048)
    second = cloud.apply().instance
    back = cloud.run("rollback", "prod", "--yes", "--json").instance
    assert back["fingerprint_sha256"] == first["fingerprint_sha256"]
    named = cloud.run("rollback", "prod", "--to", second["hosted_identifier"], "--yes", "--json").instance
    assert named["fingerprint_sha256"] == second["fingerprint_sha256"]


def test_a_plan_is_approved_by_its_digest(cloud: Cloud) -> None:
    """Apply acts on the plan with that digest and on no other."""
    plan = cloud.run("plan", "--json", "--detailed-exitcode")
    assert plan.code == 11
    cloud.configure(key=KeyType.RSA_2048)
    assert cloud.apply("--digest", plan.document["digest"]).code == 3
    cloud.configure()
    assert cloud.apply("--digest", plan.document["digest"]).code == 0


def test_several_instances_are_guarded_together(make_cloud: Callable[..., Cloud]) -> None:
    """One refusal keeps all as they are; without it they are switched one after the other."""
    other = "mqtt-cn-sandbox02"
    cloud = make_cloud(SandboxInstance(INSTANCE), SandboxInstance(other, device_ca_registered=False))
    cloud.configure(names={"prod": INSTANCE, "other": other})
    done = cloud.apply()
    assert (done.code, [item["outcome"] for item in done.document["instances"]]) == (3, ["refused", "refused"])
    assert (cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (0, 0)


def test_two_instances_share_a_certificate(make_cloud: Callable[..., Cloud]) -> None:
    """One certificate is issued and uploaded once for both."""
    other = "mqtt-cn-sandbox02"
    cloud = make_cloud(SandboxInstance(INSTANCE), SandboxInstance(other))
    cloud.configure(names={"prod": INSTANCE, "other": other})
    done = cloud.apply()
    assert (done.code, [item["outcome"] for item in done.document["instances"]]) == (0, ["converged", "converged"])
    assert cloud.actions().count("UploadUserCertificate") == 1


def test_fingerprints_of_public_keys_mislead_nobody(make_cloud: Callable[..., Cloud]) -> None:
    """Where a listing tells those, as its document says, hosted copies are known all the same.

    Nothing is uploaded twice, the previous certificate is restored by its copy, and pruning knows what is served.
    """
    cloud = make_cloud(fingerprints_of_keys=True)
    first = cloud.apply().instance
    again = cloud.apply().instance
    assert (again["outcome"], again["hosted_identifier"]) == ("unchanged", first["hosted_identifier"])
    cloud.configure(key=KeyType.RSA_2048)
    cloud.sandbox.faults.arm("devices_refused", instance_id=INSTANCE)
    back = cloud.apply()
    assert (back.code, back.instance["hosted_identifier"]) == (7, first["hosted_identifier"])
    (cloud.writer.files.directory / "state" / "provisioner.sqlite").unlink()
    listed = cloud.run("prune", "--json").document["certificates"]
    served = next(item for item in listed if item["identifier"] == first["hosted_identifier"])
    assert "it is served" in served["stays_because"]
    assert cloud.actions().count("UploadUserCertificate") == 2


def test_status_tells_wire_hold_and_last_run(cloud: Cloud) -> None:
    """Status writes nothing and works before any run."""
    before = cloud.run("status", "--json").document["instances"][0]
    assert (before["mode"], before["last_run"], before["hold"]) == ("one_way", None, None)
    assert not (cloud.writer.files.directory / "state").exists()
    cloud.apply()
    after = cloud.run("status", "--json").document["instances"][0]
    assert (after["mode"], after["last_run"]["outcome"], after["differs"]) == ("mutual", "converged", [])
    assert cloud.run("status").code == 0


def test_no_secret_is_shown_or_kept(cloud: Cloud) -> None:
    """Neither output nor state nor history holds a key or a secret."""
    shown = [cloud.run("-vv", "apply", "--yes"), cloud.run("plan"), cloud.run("status"), cloud.run("check")]
    directory = cloud.writer.files.directory
    secrets = [path.read_text(encoding="utf-8") for path in (directory / "secrets").iterdir() if "id" not in path.name]
    key = next((directory / "state" / "keys").rglob("private-key.pem")).read_text(encoding="utf-8")
    secrets += [line for line in key.splitlines() if not line.startswith("-----")]
    kept = b"".join(path.read_bytes() for path in (directory / "state").glob("provisioner.sqlite*"))
    texts = [done.out + done.err for done in shown] + [kept.decode("latin-1")]
    assert not [secret for secret in secrets for text in texts if secret in text]
