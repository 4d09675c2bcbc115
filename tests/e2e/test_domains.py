"""Mapped domains and awaited clients through the command line, on the sandbox."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from provisioner.model.instance import Endpoint
from provisioner.wire.probe import StdlibWireProbe
from tests.e2e.conftest import INSTANCE, Cloud, until
from tests.e2e.test_rotation import OPENAPI, reasons, rotate

DOMAIN = "mqtt.example.com"
SNI = f'{OPENAPI}\nunattended = true\nrotate_with = "sni"\nsni_owns_mapping = true'


def served(cloud: Cloud, name: str) -> str | None:
    """Return the leaf that a client sees which asks for a name by SNI."""
    _, address, port = cloud.sandbox.endpoint(INSTANCE)
    return StdlibWireProbe().probe(Endpoint(name, port), address).leaf_sha256


def map_domain(cloud: Cloud, names: str = f'"{DOMAIN}"') -> None:
    """Give the instance a further domain with a certificate of its own."""
    cloud.edit(OPENAPI, f'{SNI}\ndomains = {{ "{DOMAIN}" = "other" }}')
    other = f'[certificates.other]\nkey = "ec-p256"\ndns_names = [{names}]\nsubject = {{ common_name = "other" }}\n'
    cloud.edit("[instances.prod]", f"{other}\n[instances.prod]")


def test_a_mapped_domain_gets_its_own_certificate(cloud: Cloud) -> None:
    """Switch and mapping happen in one run, each certificate is uploaded once, and each name serves its own."""
    map_domain(cloud)
    done = cloud.apply()
    own, domain = served(cloud, f"{INSTANCE}.mqtt.aliyuncs.com"), served(cloud, DOMAIN)
    assert (done.code, done.instance["fingerprint_sha256"], own != domain) == (0, own, True)
    assert cloud.actions().count("UploadUserCertificate") == 2
    assert cloud.actions().count("SetSniConfig") == 1
    assert cloud.apply().document["outcome"] == "unchanged"


def test_a_mapped_domain_is_rotated_alone(cloud: Cloud) -> None:
    """The default certificate stays what it is."""
    map_domain(cloud)
    assert cloud.apply().code == 0
    own, domain = served(cloud, f"{INSTANCE}.mqtt.aliyuncs.com"), served(cloud, DOMAIN)
    cloud.edit(f'dns_names = ["{DOMAIN}"]', f'dns_names = ["{DOMAIN}", "b.example.com"]')
    assert rotate(cloud).code == 0
    assert served(cloud, f"{INSTANCE}.mqtt.aliyuncs.com") == own
    assert served(cloud, DOMAIN) != domain


def test_a_mapped_domain_outside_its_certificate_is_refused(cloud: Cloud) -> None:
    """The certificate of a domain has to name it."""
    map_domain(cloud)
    assert cloud.apply().code == 0
    cloud.edit(f'dns_names = ["{DOMAIN}"]', 'dns_names = ["b.example.com"]')
    done = rotate(cloud)
    assert (done.code, "names-miss-endpoint" in reasons(done)) == (3, True)


@contextmanager
def device(cloud: Cloud, client_id: str, *, comes_back: bool = True) -> Iterator[Client]:
    """Keep a device online, which comes back by itself after each restart or doesn't."""
    files = cloud.writer.files
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv311, reconnect_on_failure=comes_back
    )
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(files.device_certificate, files.device_key)
    client.tls_set_context(context)
    client.username_pw_set(*cloud.sandbox.canary_login(INSTANCE, client_id))
    client.reconnect_delay_set(1, 1)
    _, address, port = cloud.sandbox.endpoint(INSTANCE)
    client.connect(address, port)
    client.loop_start()
    until(client.is_connected)
    yield client
    client.disconnect()
    client.loop_stop()


def await_clients(cloud: Cloud, *more: str) -> None:
    """Let two devices be awaited after a switch."""
    cloud.edit('client_id = "GID_ops@@@canary"', 'client_id = "GID_ops@@@canary", clients = ["GID_a@@@1", "GID_a@@@2"]')
    for line in more:
        cloud.edit(OPENAPI, f"{OPENAPI}\n{line}")


def test_devices_that_come_back_are_awaited(cloud: Cloud) -> None:
    """One of the two is online before the switch, so it alone is awaited, and the evidence misses nobody."""
    await_clients(cloud, 'on_missing_clients = "rollback"')
    with device(cloud, "GID_a@@@1"):
        done = cloud.apply()
    assert (done.code, done.instance["evidence"]["missing_clients"]) == (0, [])
    assert "BatchQuerySessionByClientIds" in cloud.actions()


def test_devices_that_stay_away_are_named(cloud: Cloud) -> None:
    """A device that was online before and does not come back by the deadline is told by name."""
    cloud.configure(waiting={"deadline": "4s", "effect_within": "2s"})
    await_clients(cloud)
    with device(cloud, "GID_a@@@2", comes_back=False):
        done = cloud.apply()
    assert (done.code, done.instance["evidence"]["missing_clients"]) == (0, ["GID_a@@@2"])
    assert reasons(done, "warning")[-1] == "clients-missing"


def test_the_way_back_to_one_way_needs_no_authority(cloud: Cloud) -> None:
    """With the CA's files and the key store gone, a person still gets the endpoint back."""
    assert cloud.apply().code == 0
    files = cloud.writer.files
    for path in (files.authority, files.authority.with_suffix(".key"), files.device_certificate):
        path.unlink()
    done = cloud.run("rollback", "prod", "--to", "one-way", "--yes", "--json")
    assert (done.code, done.instance["mode"], cloud.machine.serving.mutual) == (0, "one_way", False)
