"""Certificates that were purchased, or are hosted already, through the command line."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from provisioner.sandbox.certificates import KeyPair, SandboxAuthority
from tests.e2e.conftest import Cloud
from tests.e2e.test_rotation import OPENAPI, reasons, rotate

NAMES = ["*.mqtt.aliyuncs.com", "mqtt.example.com"]


class Shop:
    """Sells certificates under an intermediate of a root of its own."""

    def __init__(self) -> None:
        self._root = SandboxAuthority("Shop Root", path_length=1)
        self._intermediate = SandboxAuthority("Shop Issuing CA", issuer=self._root)

    @property
    def root(self) -> str:
        """The root in PEM."""
        return self._root.certificate_pem

    def sell(self) -> KeyPair:
        """Return a new certificate with its chain."""
        return self._intermediate.issue_server(NAMES)

    def pack(self, pair: KeyPair, password: str) -> bytes:
        """Return a certificate, its key and its chain as PKCS#12."""
        leaf, *above = x509.load_pem_x509_certificates(pair.chain_pem.encode())
        key = load_pem_private_key(pair.private_key_pem.encode(), None)
        lock = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"iot", key, leaf, above, lock)  # type: ignore[arg-type]


def sell_to(cloud: Cloud, shop: Shop, section: str) -> Path:
    """Let the instance use a certificate of the shop, and return the configuration's folder."""
    folder = cloud.writer.files.directory
    (folder / "shop-root.crt").write_text(shop.root, encoding="ascii")
    text = cloud.configuration.read_text(encoding="utf-8")
    begin, end = text.index("[certificates.iot]"), text.index("[instances.prod]")
    purchased = f'[certificates.iot]\n{section}\ntrust = "shop-root.crt"\n\n'
    cloud.configuration.write_text(text[:begin] + purchased + text[end:], encoding="utf-8")
    return folder


def test_a_purchased_pkcs12(cloud: Cloud) -> None:
    """It is taken in, normalised, rehearsed, hosted and switched to; a renewed one rotates."""
    shop = Shop()
    section = 'source = "files"\ncertificate = "iot.p12"\nprivate_key_password = { file = "secrets/p12" }'
    folder = sell_to(cloud, shop, section)
    (folder / "secrets" / "p12").write_text("open sesame", encoding="utf-8")
    (folder / "iot.p12").write_bytes(shop.pack(shop.sell(), "open sesame"))
    plan = cloud.run("plan", "--json").document["instances"][0]
    assert [step["kind"] for step in plan["steps"]] == ["import", "host", "switch"]
    first = cloud.apply()
    assert (first.code, first.instance["fingerprint_sha256"]) == (0, cloud.machine.serving.leaf_sha256)
    assert cloud.machine.serving.chain_pem.count("BEGIN CERTIFICATE") == 2
    assert "BEGIN PRIVATE KEY" in cloud.machine.serving.key_pem
    assert cloud.apply().document["outcome"] == "unchanged"
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true")
    (folder / "iot.p12").write_bytes(shop.pack(shop.sell(), "open sesame"))
    second = rotate(cloud)
    assert (second.code, second.instance["outcome"]) == (0, "converged")
    assert second.instance["fingerprint_sha256"] != first.instance["fingerprint_sha256"]


def test_purchased_files_that_are_due_and_unchanged_alarm(cloud: Cloud) -> None:
    """There is nothing newer to rotate to, so a person is told."""
    shop = Shop()
    section = 'source = "files"\ncertificate = "iot.pem"\nprivate_key = "iot.key"\nrenew_before_days = 5'
    folder = sell_to(cloud, shop, section)
    pair = shop.sell()
    (folder / "iot.pem").write_text(pair.chain_pem, encoding="ascii")
    (folder / "iot.key").write_text(pair.private_key_pem, encoding="ascii")
    assert cloud.apply().code == 0
    cloud.edit("renew_before_days = 5", "renew_before_days = 1000")
    cloud.edit(OPENAPI, f"{OPENAPI}\nunattended = true")
    done = rotate(cloud)
    assert (done.code, reasons(done), cloud.machine.restarts) == (3, ["due-unchanged"], 1)


def test_a_purchased_chain_without_its_intermediate(cloud: Cloud) -> None:
    """The missing intermediate is told by name, before anything is uploaded."""
    shop = Shop()
    folder = sell_to(cloud, shop, 'source = "files"\ncertificate = "iot.pem"\nprivate_key = "iot.key"')
    pair = shop.sell()
    (folder / "iot.pem").write_text(pair.certificate_pem, encoding="ascii")
    (folder / "iot.key").write_text(pair.private_key_pem, encoding="ascii")
    done = cloud.apply()
    assert done.code in {3, 5}
    assert "Shop Issuing CA" in done.out
    assert "UploadUserCertificate" not in cloud.actions()


def test_a_certificate_that_is_hosted_already(cloud: Cloud) -> None:
    """Its identifier is the specification: nothing is made or uploaded, and what can't be checked is said."""
    shop = Shop()
    pair = shop.sell()
    upload = {"Name": "bought", "Cert": pair.chain_pem, "Key": pair.private_key_pem}
    number = cloud.sandbox.hosting.upload(upload)["CertId"]
    sell_to(cloud, shop, f'source = "hosted"\nidentifier = "{number}-cn-hangzhou"')
    done = cloud.apply()
    assert (done.code, done.instance["hosted_identifier"]) == (0, f"{number}-cn-hangzhou")
    assert "no-rehearsal" in reasons(done, "warning")
    assert "UploadUserCertificate" not in cloud.actions()
    assert cloud.apply().document["outcome"] == "unchanged"
    cloud.edit(f"{number}-cn-hangzhou", "999-cn-hangzhou")
    unknown = cloud.apply()
    assert (unknown.code, reasons(unknown, "refusal")) == (3, ["unknown-identifier"])
