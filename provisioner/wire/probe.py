"""The probe: one look at one address, as a client without certificate."""

import time
from datetime import timedelta

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required
from provisioner.wire import mqtt
from provisioner.wire.client import Contact, TlsClient, client_contexts


class StdlibWireProbe:
    """Implements ``ports.WireProbe``; threads may share it.

    Args:
        timeout: for one address in all, however slowly it answers.
        grace: how long a server that asked for a certificate is listened to before CONNECT is sent.
    """

    def __init__(self, timeout: timedelta = timedelta(seconds=3), grace: timedelta = timedelta(seconds=1)) -> None:
        self._client = TlsClient(client_contexts(), timeout, grace)

    def probe(self, endpoint: Endpoint, address: str) -> AddressReading:
        """Connect, with SNI, and return what was seen; never raises for what a network or a server does.

        That is one connection, and a second one where the server refuses the version of TLS that it is asked in.
        """
        began = time.monotonic()
        contact = self._client.connect(endpoint, address, mqtt.connect_packet())
        return _reading(contact, address, time.monotonic() - began)


def _reading(contact: Contact, address: str, seconds: float) -> AddressReading:
    return AddressReading(
        address=address,
        stage=contact.stage,
        timed_out=contact.timed_out,
        failure=contact.failure,
        tls_version=contact.version,
        leaf_sha256=contact.leaf_sha256,
        chain=contact.chain or ((contact.leaf,) if contact.leaf else ()),
        chain_complete=bool(contact.chain),
        asked=contact.asked,
        inferred=contact.inferred,
        required=_required(contact),
        connack=contact.connack,
        seconds=seconds,
    )


def _required(contact: Contact) -> Required:
    if contact.connack is not None or contact.asked is False:
        return Required.NO
    if contact.refused:
        return Required.YES
    return Required.LIKELY if contact.closed_early else Required.UNKNOWN
