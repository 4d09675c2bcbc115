"""Pruning through the command line: only this tool's own, and only what nobody could want back."""

from provisioner.model.certificate import KeyType
from provisioner.sandbox.certificates import SandboxAuthority
from tests.e2e.conftest import Cloud


def fill(cloud: Cloud) -> None:
    """Host five certificates of this tool one after the other, and some of others beside them."""
    for key in (KeyType.EC_P256, KeyType.RSA_2048, KeyType.EC_P384, KeyType.EC_P256, KeyType.RSA_2048):
        cloud.configure(key=key)
        cloud.run("issue", "iot")
        assert cloud.apply().code == 0
    authority = SandboxAuthority("somebody else")
    for name in ("iot", "provisioner-iot", "provisioner-iot-0123456789abcdef", "theirs-iot-0123456789abcdef"):
        pair = authority.issue_server([f"{len(name)}.example.com"])
        upload = {"Name": name, "Cert": pair.chain_pem, "Key": pair.private_key_pem}
        cloud.sandbox.hosting.upload(upload)


def names(cloud: Cloud) -> list[str]:
    """Return the names of everything that is hosted."""
    listed = cloud.sandbox.hosting.list({"ShowSize": "100"})["CertificateList"]
    assert isinstance(listed, list)
    return sorted(item["CertificateName"] for item in listed)


def test_pruning_is_dry_by_default(cloud: Cloud) -> None:
    """Without --delete it shows what may go and changes nothing."""
    fill(cloud)
    before = names(cloud)
    done = cloud.run("prune", "--json")
    going = [item for item in done.document["certificates"] if not item["stays_because"]]
    assert (done.code, done.document["dry"], names(cloud)) == (0, True, before)
    assert going
    assert "DeleteUserCertificate" not in cloud.actions()


def test_pruning_leaves_others_alone(cloud: Cloud) -> None:
    """What it deletes it uploaded itself; what serves, is newest, is in use, or restores, stays."""
    fill(cloud)
    own = [name for name in names(cloud) if name.startswith("provisioner-iot-") and "0123456789abcdef" not in name]
    listed = cloud.run("prune", "--json").document["certificates"]
    going = [item["name"] for item in listed if not item["stays_because"]]
    used = next(item for item in listed if not item["stays_because"] and item["name"] in own)
    cloud.sandbox.hosting.use(used["identifier"], "SLB")
    done = cloud.run("prune", "--delete", "--yes", "--json")
    deleted = [item["name"] for item in done.document["certificates"] if item["deleted"]]
    assert sorted(deleted) == sorted(set(going) & set(own) - {used["name"]})
    assert {"iot", "provisioner-iot", "provisioner-iot-0123456789abcdef", "theirs-iot-0123456789abcdef"} <= set(
        names(cloud)
    )
    untagged = next(item for item in done.document["certificates"] if item["name"].endswith("0123456789abcdef"))
    assert untagged["deleted"] is False
    assert cloud.apply().document["outcome"] == "unchanged"
    assert cloud.run("rollback", "prod", "--yes", "--json").code == 0


def test_pruning_needs_to_see_what_is_served(cloud: Cloud) -> None:
    """While an endpoint is down nobody can tell what must stay, so nothing goes."""
    fill(cloud)
    before = names(cloud)
    cloud.machine.listener.stop()
    done = cloud.run("prune", "--delete", "--yes")
    assert (done.code, names(cloud)) == (3, before)


def test_pruning_asks(cloud: Cloud) -> None:
    """Without a terminal and without --yes nothing is deleted."""
    fill(cloud)
    before = names(cloud)
    assert (cloud.run("prune", "--delete").code, names(cloud)) == (2, before)
