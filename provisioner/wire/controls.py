"""The negative controls: clients like the canary but for its certificate, which have to be refused."""

from datetime import timedelta

from provisioner.model.instance import Endpoint
from provisioner.model.reading import Control, ControlEnd, ControlResult, Stage
from provisioner.wire import mqtt, words
from provisioner.wire.canary import Device
from provisioner.wire.client import Contact, TlsClient, client_contexts
from provisioner.wire.unknown_certificate import load, unknown_certificate
from provisioner.wire.versions import VersionMemory


class StdlibControls:
    """Implements ``ports.Controls``; threads may share it.

    The end of a connection, by what it showed, the first line that fits:

    | shown                                                    | end             |
    |----------------------------------------------------------|-----------------|
    | another leaf than the expected one                       | `other_leaf`    |
    | CONNACK 0, or any CONNACK where no login was sent        | `let_in`        |
    | another CONNACK                                          | `login_refused` |
    | a fatal alert in answer to the certificate               | `alert`         |
    | asked, answered, and closed before CONNECT               | `closed_early`  |
    | closed after CONNECT, by an alert or without one         | `closed_late`   |
    | silence, a closed port, a handshake that failed          | `unreachable`   |

    Args:
        device: the canary, whose login is used where it has one; None for no login and a random client id.
        timeout: for one connection.
        grace: how long a server that asked for a certificate is listened to before CONNECT is sent.

    Raises:
        UnusableError: the throw-away certificate can't be loaded.
    """

    def __init__(
        self,
        device: Device | None = None,
        timeout: timedelta = timedelta(seconds=5),
        grace: timedelta = timedelta(seconds=1),
    ) -> None:
        self._device = device if device is not None and device.username is not None else None
        strange = client_contexts()
        certificate = unknown_certificate()
        for context in strange.values():
            load(context, certificate)
        memory = VersionMemory()
        self._clients = {
            Control.NO_CERTIFICATE: TlsClient(client_contexts(), timeout, grace, memory),
            Control.UNKNOWN_CERTIFICATE: TlsClient(strange, timeout, grace, memory),
        }

    @property
    def logs_in(self) -> bool:
        """Whether the canary's login is used."""
        return self._device is not None

    def attempt(self, endpoint: Endpoint, address: str, control: Control, leaf_sha256: str) -> ControlResult:
        """Connect once as this client; never raises for what a network or a server does.

        That is a second connection where the server refuses the version of TLS that it is asked in. Where another leaf
        than the expected one is served, the connection ends before anything of the login is sent. The client id is the
        canary's, so that no session of the canary may be going on.
        """
        contact = self._clients[control].connect(endpoint, address, self._packet(), leaf_sha256)
        end = _end(contact, leaf_sha256, logged_in=self.logs_in)
        return ControlResult(
            address=address,
            control=control,
            end=end,
            detail=_detail(contact, end),
            with_login=self.logs_in,
            timed_out=contact.timed_out,
            leaf_sha256=contact.leaf_sha256,
            asked=contact.asked,
        )

    def _packet(self) -> bytes:
        device = self._device
        return (
            mqtt.connect_packet(device.client_id, device.username, device.password) if device else mqtt.connect_packet()
        )


def _end(contact: Contact, expected_leaf: str, *, logged_in: bool) -> ControlEnd:
    if contact.leaf_sha256 not in {None, expected_leaf}:
        return ControlEnd.OTHER_LEAF
    if contact.connack is not None:
        return ControlEnd.LOGIN_REFUSED if logged_in and contact.connack else ControlEnd.LET_IN
    if contact.refused:
        return ControlEnd.ALERT
    if contact.closed_early:
        return ControlEnd.CLOSED_EARLY
    late = contact.stage is Stage.MQTT and (contact.failure == words.CLOSED or words.is_alert(contact.failure))
    return ControlEnd.CLOSED_LATE if late else ControlEnd.UNREACHABLE


def _detail(contact: Contact, end: ControlEnd) -> str:
    code = contact.connack
    details = {
        ControlEnd.LET_IN: f"let in (CONNACK {code})",
        ControlEnd.ALERT: f"refused by TLS: {contact.failure}",
        ControlEnd.CLOSED_EARLY: "closed without an alert before CONNECT was sent",
        ControlEnd.CLOSED_LATE: f"ended after CONNECT was sent: {contact.failure}",
        ControlEnd.LOGIN_REFUSED: f"let in by TLS, its login refused (CONNACK {code})",
        ControlEnd.OTHER_LEAF: f"another leaf is served: {contact.leaf_sha256 or 'none':.16}",
        ControlEnd.UNREACHABLE: contact.failure,
    }
    return details[end]
