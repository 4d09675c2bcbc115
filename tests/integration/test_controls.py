"""The negative controls against servers of every kind: how each connection ends, and what was sent on it."""

import contextlib
import hashlib
import os
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.errors import UnusableError
from provisioner.model.instance import Endpoint
from provisioner.model.reading import Control, ControlEnd, ControlResult
from provisioner.model.secret import Secret
from provisioner.wire import unknown_certificate
from provisioner.wire.canary import Device
from provisioner.wire.controls import StdlibControls
from tests.integration import scripted_tls as scripted
from tests.servers import tls
from tests.servers.mosquitto import MosquittoListener

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
USER, PASSWORD, CLIENT_ID = "device", "password of the device", "GID_ops@@@canary"
DEVICE = Device(Path("none.crt"), Path("none.key"), CLIENT_ID, username=USER, password=Secret(PASSWORD))
LEAF = hashlib.sha256(ssl.PEM_cert_to_DER_cert(tls.CERTIFICATES.server.certificate_pem)).hexdigest()
OTHER = "00" * 32
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NONE, UNKNOWN = Control.NO_CERTIFICATE, Control.UNKNOWN_CERTIFICATE
LOGGED_IN = bytes.fromhex("20020000")


def attempt(
    port: int,
    control: Control,
    device: Device | None = DEVICE,
    leaf: str = LEAF,
    timeout: float = tls.PATIENCE,
) -> ControlResult:
    """Try a control at a port of this machine."""
    controls = StdlibControls(device, timedelta(seconds=timeout), timedelta(seconds=0.3))
    return controls.attempt(Endpoint(HOST, port), "127.0.0.1", control, leaf)


def result(control: Control, end: ControlEnd, detail: str, *, asked: bool | None = True) -> ControlResult:
    """Return what a control with the canary's login shows where the expected leaf is served."""
    return ControlResult("127.0.0.1", control, end, detail, with_login=True, leaf_sha256=LEAF, asked=asked)


@pytest.fixture(params=[V12, V13], ids=["tls12", "tls13"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """Give each version of TLS."""
    return ssl.TLSVersion(request.param)


@pytest.fixture(params=list(Control), ids=[item.value for item in Control])
def control(request: pytest.FixtureRequest) -> Control:
    """Give each control."""
    return Control(request.param)


@contextlib.contextmanager
def mosquitto(version: ssl.TLSVersion, *, mutual: bool = True) -> Iterator[int]:
    """Lend mosquitto, which knows the canary's login."""
    lowest = "1.2" if version is V12 else "1.3"
    with contextlib.closing(MosquittoListener({USER: PASSWORD}, lowest=lowest)) as broker:
        server = tls.CERTIFICATES.server
        broker.start(
            mutual=mutual,
            chain_pem=server.chain_pem,
            key_pem=server.private_key_pem,
            device_cas_pem=(tls.CERTIFICATES.device_ca_pem,),
        )
        yield broker.port


REFUSALS = {
    (NONE, V12): "alert: handshake failure",
    (NONE, V13): "alert: certificate required",
    (UNKNOWN, V12): "alert: unknown CA",
    (UNKNOWN, V13): "alert: unknown CA",
}


@pytest.mark.mosquitto
def test_a_mutual_broker_refuses_both(version: ssl.TLSVersion, control: Control) -> None:
    """By an alert in answer to the certificate, an empty or an unknown one."""
    with mosquitto(version) as port:
        found = attempt(port, control)

    assert found == result(control, ControlEnd.ALERT, f"refused by TLS: {REFUSALS[control, version]}")


@pytest.mark.mosquitto
def test_a_one_way_broker_lets_both_in(version: ssl.TLSVersion, control: Control) -> None:
    """With the canary's login the broker says yes, and without one whatever it says is an answer."""
    with mosquitto(version, mutual=False) as port:
        with_login = attempt(port, control)
        without = attempt(port, control, device=None)

    assert with_login == result(control, ControlEnd.LET_IN, "let in (CONNACK 0)", asked=False)
    assert (without.end, without.with_login, without.detail) == (ControlEnd.LET_IN, False, "let in (CONNACK 5)")


@pytest.mark.mosquitto
def test_a_wrong_login_is_told(control: Control) -> None:
    """A refused login is no refused client: nothing is shown of certificates beyond that TLS let it in."""
    stranger = Device(Path("none.crt"), Path("none.key"), CLIENT_ID, username=USER, password=Secret("wrong"))
    with mosquitto(V12, mutual=False) as port:
        found = attempt(port, control, device=stranger)

    detail = "let in by TLS, its login refused (CONNACK 5)"
    assert found == result(control, ControlEnd.LOGIN_REFUSED, detail, asked=False)


def heard(*packets: bytes, into: list[bytes]) -> tls.Conversation:
    """Return a broker that answers what it hears by these packets in turn, and keeps what it heard."""

    def speak(connection: socket.socket) -> None:
        for packet in packets:
            into.append(connection.recv(4096))
            connection.sendall(packet)
        while data := connection.recv(4096):
            into.append(data)

    return speak


def test_a_server_that_does_not_demand_lets_in_without_certificate(version: ssl.TLSVersion, tmp_path: Path) -> None:
    """It asked, heard the canary's login, and is told good-bye."""
    said: list[bytes] = []
    context = tls.context(tmp_path, demand=ssl.CERT_OPTIONAL, version=version)
    with tls.serving(tls.over_tls(context, heard(LOGGED_IN, into=said))) as port:
        found = attempt(port, NONE)

    assert found == result(NONE, ControlEnd.LET_IN, "let in (CONNACK 0)")
    connect = b"\x00\x04MQTT\x04\xc2\x00\x0a"
    connect += b"".join(len(part).to_bytes(2) + part.encode() for part in (CLIENT_ID, USER, PASSWORD))
    assert said == [b"\x10" + bytes([len(connect)]) + connect, b"\xe0\x00"]


def test_an_unknown_certificate_is_refused_where_none_is_demanded(version: ssl.TLSVersion, tmp_path: Path) -> None:
    """A server that asks judges what it gets."""
    context = tls.context(tmp_path, demand=ssl.CERT_OPTIONAL, version=version)
    with tls.serving(tls.over_tls(context)) as port:
        found = attempt(port, UNKNOWN)

    assert found == result(UNKNOWN, ControlEnd.ALERT, "refused by TLS: alert: unknown CA")


@pytest.mark.openssl
def test_a_server_that_takes_any_certificate_is_found_out(version: ssl.TLSVersion, tmp_path: Path) -> None:
    """Only the throw-away certificate shows it: a client without one is refused."""
    spoken = {V12: "-tls1_2", V13: "-tls1_3"}[version]
    with tls.serving_openssl(tmp_path, spoken, "-Verify", "1") as port:
        without, unknown = attempt(port, NONE), attempt(port, UNKNOWN)
        anonymous = attempt(port, UNKNOWN, device=None)

    assert without == result(NONE, ControlEnd.ALERT, f"refused by TLS: {REFUSALS[NONE, version]}")
    detail = "let in by TLS, its login refused (CONNACK 5)"
    assert unknown == result(UNKNOWN, ControlEnd.LOGIN_REFUSED, detail)
    assert (anonymous.end, anonymous.asked) == (ControlEnd.LET_IN, True)


def closing_early(context: ssl.SSLContext) -> AbstractContextManager[int]:
    """Serve without alerts."""
    return tls.serving(scripted.after_the_flight(context, b""))


def closing_late(context: ssl.SSLContext) -> AbstractContextManager[int]:
    """Serve without a broker."""
    return tls.serving(tls.over_tls(context, tls.close_when_read))


def speaking_http(context: ssl.SSLContext) -> AbstractContextManager[int]:
    """Serve something else."""
    return tls.serving(tls.over_tls(context, heard(b"HTTP/1.1 400 Bad Request\r\n\r\n", into=[])))


@pytest.mark.parametrize(
    ("serve", "end", "detail"),
    [
        (closing_early, ControlEnd.CLOSED_EARLY, "closed without an alert before CONNECT was sent"),
        (closing_late, ControlEnd.CLOSED_LATE, "ended after CONNECT was sent: closed"),
        (speaking_http, ControlEnd.UNREACHABLE, "its answer is not MQTT"),
    ],
)
def test_an_end_without_an_answer_is_told_by_its_time(
    serve: Callable[[ssl.SSLContext], AbstractContextManager[int]],
    end: ControlEnd,
    detail: str,
    version: ssl.TLSVersion,
    tmp_path: Path,
) -> None:
    """Before CONNECT it may be TLS that refuses, after it anything."""
    with serve(tls.context(tmp_path, demand=ssl.CERT_OPTIONAL, version=version)) as port:
        found = attempt(port, NONE)

    assert found == result(NONE, end, detail)


def test_a_server_of_asyncio_closes_early(version: ssl.TLSVersion, control: Control, tmp_path: Path) -> None:
    """It refuses without an alert, in either version."""
    with tls.serving_asyncio(tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=version)) as port:
        found = attempt(port, control)

    assert found == result(control, ControlEnd.CLOSED_EARLY, "closed without an alert before CONNECT was sent")


def test_silence_shows_nothing(tmp_path: Path) -> None:
    """A time-out says so."""
    with tls.serving(tls.over_tls(tls.context(tmp_path, version=V12), tls.drain)) as port:
        found = attempt(port, NONE, timeout=1)

    assert (found.end, found.detail, found.timed_out, found.asked) == (
        ControlEnd.UNREACHABLE,
        "no answer in time",
        True,
        False,
    )


def test_what_is_no_tls_server_shows_nothing(control: Control) -> None:
    """A closed port, and an alert before anything was asked."""
    with tls.serving(scripted.hello_answered_by(scripted.alert(49))) as port:
        refused = attempt(port, control)
    closed = attempt(port, control)

    assert (refused.end, refused.detail, refused.leaf_sha256) == (ControlEnd.UNREACHABLE, "alert: access denied", None)
    assert (closed.end, closed.detail, closed.timed_out) == (ControlEnd.UNREACHABLE, "connection refused", False)


def test_nothing_is_sent_where_another_leaf_is_served(
    version: ssl.TLSVersion, control: Control, tmp_path: Path
) -> None:
    """Neither login nor client id: the connection ends with the handshake."""
    said: list[bytes] = []
    with tls.serving(tls.over_tls(tls.context(tmp_path, version=version), heard(LOGGED_IN, into=said))) as port:
        found = attempt(port, control, leaf=OTHER)

    assert (found.end, found.leaf_sha256, found.detail) == (
        ControlEnd.OTHER_LEAF,
        LEAF,
        f"another leaf is served: {LEAF[:16]}",
    )
    assert b"".join(said) == b""


def test_a_refusal_by_a_server_of_another_leaf_is_none(tmp_path: Path) -> None:
    """In TLS 1.2 it refuses within the handshake, and its leaf was in clear."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED, version=V12)
    with tls.serving(tls.over_tls(context)) as port:
        assert attempt(port, NONE, leaf=OTHER).end is ControlEnd.OTHER_LEAF


def test_no_dot_at_the_end_of_a_name_is_asked_for(tmp_path: Path) -> None:
    """As with probe and canary."""
    named: list[str | None] = []
    context = tls.context(tmp_path)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with tls.serving(tls.over_tls(context)) as port:
        StdlibControls().attempt(Endpoint(f"{HOST}.", port), "127.0.0.1", NONE, LEAF)

    assert named == [HOST]


def test_threads_may_share_the_controls(tmp_path: Path) -> None:
    """At one address several are under way at once, where only TLS 1.3 is spoken as well."""
    controls = StdlibControls(DEVICE, timedelta(seconds=tls.PATIENCE), timedelta(seconds=0.3))
    context = tls.context(tmp_path, version=V13)
    with tls.serving(tls.over_tls(context)) as port, ThreadPoolExecutor(4) as pool:
        wanted = list(Control) * 4
        found = list(pool.map(lambda kind: controls.attempt(Endpoint(HOST, port), "127.0.0.1", kind, LEAF), wanted))

    assert [(item.control, item.end) for item in found] == [(kind, ControlEnd.LOGIN_REFUSED) for kind in wanted]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (DEVICE, True),
        (Device(Path("none.crt"), Path("none.key"), CLIENT_ID), False),
        (None, False),
    ],
    ids=["a login", "no user name", "no canary"],
)
def test_controls_tell_whether_they_log_in(device: Device | None, *, expected: bool) -> None:
    """A canary without user name has no login that they could use."""
    assert StdlibControls(device).logs_in is expected


def test_no_password_is_shown(control: Control, tmp_path: Path) -> None:
    """Neither by the controls nor by a result."""
    controls = StdlibControls(DEVICE, timedelta(seconds=tls.PATIENCE))
    with tls.serving(tls.over_tls(tls.context(tmp_path))) as port:
        found = controls.attempt(Endpoint(HOST, port), "127.0.0.1", control, LEAF)

    assert [text for text in (repr(controls), repr(vars(controls)), repr(found)) if PASSWORD in text] == []


def test_the_throw_away_key_is_on_no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the system has files in memory, none is made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unknown_certificate.load(context, unknown_certificate.unknown_certificate())

    assert list(tmp_path.iterdir()) == []


def test_without_files_in_memory_the_key_is_its_owners_and_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On other systems a file lives for the load alone."""
    seen: list[tuple[str, int]] = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile: str | os.PathLike[str], *more: object) -> None:  # type: ignore[override]
            seen.append((Path(certfile).parent.name, stat.S_IMODE(Path(certfile).stat().st_mode)))
            super().load_cert_chain(certfile)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("sys.platform", "other")
    unknown_certificate.load(Context(ssl.PROTOCOL_TLS_CLIENT), unknown_certificate.unknown_certificate())

    assert (seen, list(tmp_path.iterdir())) == ([(tmp_path.name, 0o600)], [])


def test_where_no_file_can_be_made_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder for temporary files may be away."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "away"))
    monkeypatch.setattr("sys.platform", "other")

    with pytest.raises(UnusableError, match="throw-away certificate"):
        StdlibControls()
