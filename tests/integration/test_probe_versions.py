"""Which versions of TLS the probe tries, in which order, and what it tells when none leads anywhere."""

import ssl
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.model.instance import Endpoint
from provisioner.model.reading import AddressReading, Required
from provisioner.wire import words
from provisioner.wire.probe import StdlibWireProbe
from tests.integration import scripted_tls as scripted
from tests.servers import tls

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def prober() -> Callable[[int], AddressReading]:
    """Return one probe, for several looks at ports of this machine."""
    made = StdlibWireProbe(timeout=timedelta(seconds=tls.PATIENCE))
    return lambda port: made.probe(Endpoint(HOST, port), "127.0.0.1")


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (b"", "alert: handshake failure"),
        (scripted.alert(70), "alert: handshake failure"),
        (scripted.alert(80), "alert: internal error"),
    ],
    ids=["then closed", "then no such version", "then another alert"],
)
def test_the_second_try_hides_no_alert_of_the_first(second: bytes, expected: str) -> None:
    """What tells more is told: a close or a refused version says less than another alert."""
    converse = scripted.in_turn(scripted.hello_answered_by(scripted.alert(40)), scripted.hello_answered_by(second))
    with tls.serving(converse) as port:
        reading = prober()(port)

    assert (reading.failure, reading.asked, reading.required) == (expected, None, Required.UNKNOWN)


def test_a_close_tells_more_than_a_refused_version() -> None:
    """Where only TLS 1.3 is spoken, how TLS 1.3 ended is what matters."""
    converse = scripted.in_turn(scripted.hello_answered_by(scripted.alert(70)), scripted.hello_answered_by(b""))
    with tls.serving(converse) as port:
        assert prober()(port).failure == words.CLOSED


def test_where_only_tls_1_3_is_spoken_it_is_tried_first_from_then_on(tmp_path: Path) -> None:
    """One look is one connection again, also when threads look at the same time."""
    clients: list[None] = []
    look = prober()
    converse = scripted.counted(tls.over_tls(tls.context(tmp_path, version=V13)), clients)
    with tls.serving(converse) as port:
        look(port)
        first = len(clients)
        with ThreadPoolExecutor(4) as pool:
            readings = list(pool.map(look, [port] * 8))

    assert (first, len(clients)) == (2, 2 + 8)
    assert {(item.tls_version, item.connack) for item in readings} == {("TLSv1.3", 5)}


def test_two_closes_are_believed_one_is_not(tmp_path: Path) -> None:
    """A server without alerts closes where it speaks another version, and any server closes in a restart."""
    spoken = tls.over_tls(tls.context(tmp_path, version=V13))
    closed = scripted.hello_answered_by(b"")
    clients: list[None] = []
    look = prober()
    with tls.serving(scripted.counted(scripted.in_turn(closed, spoken, closed, spoken), clients)) as port:
        counts = []
        for _ in range(4):
            look(port)
            counts.append(len(clients))

    assert counts == [2, 4, 5, 6]


def test_a_server_that_learns_tls_1_2_is_read_in_clear_again(tmp_path: Path) -> None:
    """After a change of configuration TLS 1.3 may be refused: the other version follows, and comes first then."""
    new = tls.over_tls(tls.context(tmp_path, version=V13))
    old = tls.over_tls(tls.context(tmp_path, version=V12))
    clients: list[None] = []
    look = prober()
    with tls.serving(scripted.counted(scripted.in_turn(new, new, old), clients)) as port:
        versions = [look(port).tls_version for _ in range(3)]

    assert (versions, len(clients)) == (["TLSv1.3", "TLSv1.2", "TLSv1.2"], 2 + 2 + 1)


def test_a_leaf_is_seen_where_anonymous_suites_are_preferred(tmp_path: Path) -> None:
    """A suite without certificate is never offered, so that there is a leaf to see."""
    context = tls.context(tmp_path, version=V12)
    context.set_ciphers("AECDH-AES256-SHA:AES256-SHA:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0")
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    with tls.serving(tls.over_tls(context)) as port:
        reading = prober()(port)

    assert (reading.leaf_sha256 is not None, reading.asked, reading.connack) == (True, False, 5)


def test_a_weak_key_is_seen(tmp_path: Path) -> None:
    """The probe reports, and does not judge: keys that OpenSSL refuses by default are seen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.load_cert_chain(weak(tmp_path / "weak.pem"))
    with tls.serving(tls.over_tls(context)) as port:
        reading = prober()(port)

    assert (reading.tls_version, reading.leaf_sha256 is not None, reading.connack) == ("TLSv1.2", True, 5)


def weak(path: Path) -> Path:
    """Write a self-signed certificate and its RSA key of 1,024 bits into one file, and return it."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  it has to be weak
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    pem = made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return path


@pytest.mark.parametrize("host", [f"{HOST}.", HOST])
def test_no_dot_at_the_end_of_a_name_is_asked_for(host: str, tmp_path: Path) -> None:
    """SNI carries names without it."""
    named: list[str | None] = []
    context = tls.context(tmp_path)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    with tls.serving(tls.over_tls(context)) as port:
        StdlibWireProbe().probe(Endpoint(host, port), "127.0.0.1")

    assert named == [HOST]
