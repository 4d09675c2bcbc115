"""What the demo's own clients see on the wire; the sandbox's word is never taken."""

from ipaddress import ip_address

from provisioner.cli.sandbox_files import CLIENT_ID, TOPIC, SandboxFiles
from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, CanaryResult, Required
from provisioner.model.secret import Secret
from provisioner.pki import Authority, DerCertificateReader
from provisioner.sandbox import Sandbox
from provisioner.wire.canary import Device, PahoCanary
from provisioner.wire.probe import StdlibWireProbe


class DemoWire:
    """Clients of the demo: one without certificate, and one with the device certificate.

    Args:
        sandbox: tells addresses and the canary's login, and nothing else.
        files: where CA and device certificate lie.
    """

    def __init__(self, sandbox: Sandbox, files: SandboxFiles) -> None:
        self._sandbox = sandbox
        self._files = files
        self._probe = StdlibWireProbe()

    def look(self, instance_id: str) -> AddressReading:
        """Return what a client without certificate meets."""
        endpoint, address = self._endpoint(instance_id)
        return self._probe.probe(endpoint, address)

    def ours(self, reading: AddressReading) -> bool:
        """Tell whether our CA signed the served leaf."""
        return bool(reading.chain) and Authority(self._files.authority).signed(reading.chain[0])

    def key(self, instance_id: str) -> str:
        """Return the key type of the served leaf."""
        return DerCertificateReader().read(self.look(instance_id).chain[0]).key

    def refuses_strangers(self, instance_id: str) -> bool:
        """Tell whether a client without certificate is refused."""
        return self.look(instance_id).required in {Required.YES, Required.LIKELY}

    def device_session(self, instance_id: str) -> CanaryResult:
        """Return how a device with its certificate and login fares: publish a message and get it back."""
        username, password = self._sandbox.canary_login(instance_id, CLIENT_ID)
        device = Device(
            certificate=self._files.device_certificate,
            private_key=self._files.device_key,
            client_id=CLIENT_ID,
            username=username,
            password=Secret(password),
            topic=TOPIC,
        )
        trust = Authority(self._files.authority).bundle_pem()
        endpoint, address = self._endpoint(instance_id)
        return PahoCanary(device, [trust]).attempt(endpoint, address)

    def _endpoint(self, instance_id: str) -> tuple[Endpoint, str]:
        name, address, port = self._sandbox.endpoint(instance_id)
        return Endpoint(name, port), str(ip_address(address))
