"""The rehearsal through the command line: what would fail on the endpoint fails here, with nobody cut off."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import Cloud, Done
from tests.e2e.test_sources import Shop, sell_to
from tests.fakes.authorities import CA_TRUE, good, make

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def refused(cloud: Cloud) -> Done:
    """Run ``apply``, which has to be refused before any upload."""
    done = cloud.apply()
    assert (done.code, done.document["outcome"]) == (3, "refused")
    assert (cloud.machine.restarts, cloud.actions().count("UploadUserCertificate")) == (0, 0)
    return done


def told(done: Done, reason: str = "rehearsal-failed") -> str:
    """Return what the refusals of one reason say."""
    refusals = [item for item in done.instance["findings"] if item["severity"] == "refusal"]
    return "; ".join(item["message"] for item in refusals if item["reason"] == reason)


def kept(cloud: Cloud) -> Path:
    """Make a certificate without using it, and return its folder in the key store."""
    assert cloud.run("issue", "iot").code == 0
    (folder,) = (cloud.writer.files.directory / "state" / "keys" / "iot").iterdir()
    return folder


def test_a_chain_that_clients_do_not_follow(cloud: Cloud) -> None:
    """A purchased certificate whose root is another one than clients trust is not accepted by them."""
    shop = Shop()
    folder = sell_to(cloud, shop, 'source = "files"\ncertificate = "iot.pem"')
    pair = shop.sell()
    (folder / "iot.pem").write_text(pair.chain_pem + pair.private_key_pem, encoding="ascii")
    (folder / "shop-root.crt").write_text(Shop().root, encoding="ascii")
    assert "no trusted CA signed the certificate, or an intermediate is missing" in told(refused(cloud))


def test_a_wrong_chain(cloud: Cloud, tmp_path: Path) -> None:
    """Somebody else's CA below a leaf is told by a check: clients that know the right one would not notice."""
    folder = kept(cloud)
    leaf = (folder / "certificate.pem").read_text(encoding="ascii")
    (folder / "chain.pem").write_text(leaf + good(tmp_path, "Another CA").pem, encoding="ascii")
    assert "does not verify" in told(refused(cloud), "chain-signature")


def test_a_wrong_name(cloud: Cloud) -> None:
    """A certificate for other names is not accepted for the endpoint's."""
    cloud.edit('dns_names = ["*.mqtt.aliyuncs.com"]', 'dns_names = ["other.example.com"]')
    kept(cloud)
    message = told(refused(cloud))
    assert "handshake on loopback failed" in message
    assert "hostname mismatch" in message


@pytest.mark.parametrize(("profile", "code"), [("strict", 3), ("guide", 0)])
def test_an_authority_without_key_usage(cloud: Cloud, tmp_path: Path, profile: str, code: int) -> None:
    """Strict clients refuse what it signs: with the strict profile so does the rehearsal, with the guide's it warns."""
    made = make(tmp_path, "Plain CA", CA_TRUE, begin=YESTERDAY, end=YESTERDAY + timedelta(days=3650))
    files = cloud.writer.files
    files.authority.write_text(made.pem, encoding="ascii")
    files.authority.with_suffix(".key").write_bytes(made.key_path.read_bytes())
    cloud.edit("[certificates.iot]", f'[certificates.iot]\nprofile = "{profile}"')
    done = cloud.apply()
    assert done.code == code
    assert "rehearsal-strict" in [item["reason"] for item in done.instance["findings"]]
    assert cloud.actions().count("UploadUserCertificate") == (0 if code else 1)


def test_a_key_that_does_not_match(cloud: Cloud, tmp_path: Path) -> None:
    """Somebody else's key beside the leaf is noticed."""
    folder = kept(cloud)
    (folder / "private-key.pem").write_bytes(good(tmp_path, "Another CA").key_path.read_bytes())
    done = refused(cloud)
    assert "is not its key" in told(done, "key-mismatch")
    assert "the key does not belong to the certificate" in told(done)


def test_the_rehearsal_is_part_of_check(cloud: Cloud) -> None:
    """``check`` rehearses what is kept, and says what is still to be rehearsed."""
    assert "rehearsal-ahead" in cloud.run("check", "--json").out
    kept(cloud)
    document = cloud.run("check", "--json").document
    assert document["ok"] is True
    assert "rehearsal-ahead" not in [item["reason"] for item in document["instances"][0]["findings"]]
