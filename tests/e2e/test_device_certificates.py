"""The canary's own certificate through the command line, on the sandbox: known, inactive, and active again."""

from cryptography import x509

from provisioner.model.certificate import KeyType
from provisioner.sandbox.fields import serial_text
from tests.e2e.conftest import INSTANCE, Cloud


def set_canary(cloud: Cloud, action: str) -> None:
    """Set the status of the ready-made device certificate, as an operator does in the console."""
    pems = {
        "CaSn": cloud.sandbox.certificates.device_ca_pem,
        "DeviceSn": cloud.sandbox.certificates.device.certificate_pem,
    }
    serials = {name: serial_text(x509.load_pem_x509_certificate(pem.encode())) for name, pem in pems.items()}
    cloud.sandbox.console(action, {"MqttInstanceId": INSTANCE, **serials})


def test_a_switch_is_refused_while_the_canary_is_inactive(cloud: Cloud) -> None:
    """The first switch registers the certificate; inactive it stops the next one, and active again it doesn't."""
    assert cloud.apply().code == 0
    set_canary(cloud, "InactivateDeviceCertificate")
    cloud.configure(KeyType.RSA_2048)
    done = cloud.apply()
    refusals = [item["reason"] for item in done.instance["findings"] if item["severity"] == "refusal"]
    assert (done.code, cloud.machine.restarts) == (3, 1)
    assert "canary-certificate-inactive" in refusals
    set_canary(cloud, "ActiveDeviceCertificate")
    assert (cloud.apply().code, cloud.machine.restarts) == (0, 2)


def test_a_service_that_refuses_to_say_refuses_nothing(cloud: Cloud) -> None:
    """As with an account whose policy lacks that one permission."""
    cloud.sandbox.faults.arm("denied", action="ListDeviceCertificateByCaSn", times=9)
    assert cloud.apply().code == 0
