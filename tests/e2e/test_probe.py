"""``probe`` as users run it: names that can't be asked for, cut paths, many looks, and Ctrl-C."""

import json
import signal
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from provisioner.cli.main import _run
from tests.integration import scripted_tls as scripted
from tests.servers import tls

HOST = "mqtt-cn-test.mqtt.aliyuncs.com"
HERE = ("--connect-to", "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("a..b", "a label between two dots is empty"),
        (f"{'a' * 64}.com", "a label between two dots has at most 63 characters"),
        (".".join(["a" * 60] * 5), "a name has at most 253 characters"),
        ("mqtt.例子.cn", "write it in its ASCII form (xn--...)"),
        ("a\nb", "a name has no blanks or control characters"),
    ],
)
def test_a_name_that_tls_can_not_ask_for_is_a_usage_error(
    host: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told before anything is connected to."""
    assert _run(["probe", f"{host}:1", *HERE]) == 2

    captured = capsys.readouterr()
    assert (captured.out, problem in captured.err, "provisioner probe --help" in captured.err) == ("", True, True)


@pytest.mark.parametrize("looks", ["0", "1001", "many"])
def test_looks_are_one_to_a_thousand(looks: str) -> None:
    """Anything else is a usage error."""
    assert _run(["probe", HOST, *HERE, "--looks", looks]) == 2


def test_a_cut_flight_is_not_called_one_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mutual server behind a path that cuts long answers: not known, and exit 6."""
    context = tls.context(tmp_path, demand=ssl.CERT_REQUIRED)
    with tls.serving(tls.over_tls(context)) as port, scripted.cut_behind(port, 1200) as path:
        codes = [_run(["probe", f"{HOST}:{path}", *HERE, *more]) for more in ((), ("--json",))]

    out, err = capsys.readouterr()
    words, _, document = out.partition("{")
    (address,) = json.loads("{" + document)["addresses"]
    assert codes == [6, 6]
    assert "127.0.0.1  not known: the handshake broke off before it was told whether a client certificate is" in words
    assert ("one-way" in words, err.startswith("Next: look again; if it stays so")) == (False, True)
    keys = ("stage", "failure", "tls_version", "client_certificate_asked", "client_certificate_required")
    assert [address[key] for key in keys] == ["handshake", "closed", "TLSv1.2", None, "unknown"]


def test_many_looks_count_what_was_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two kinds of backends behind one address, half of the connections each."""
    mutual = tls.over_tls(tls.context(tmp_path, demand=ssl.CERT_REQUIRED))
    one_way = tls.over_tls(tls.context(tmp_path))
    turns = scripted.in_turn(*[mutual, one_way] * 6)
    with tls.serving(turns) as port:
        code = _run(["probe", f"{HOST}:{port}", *HERE, "--looks", "12"])

    lines = capsys.readouterr().out.splitlines()
    assert (code, lines[0]) == (0, "127.0.0.1  12 connections")
    assert sorted(line.split(",")[0] for line in lines[1:3]) == ["  6 of 12   mutual", "  6 of 12   one-way"]
    assert sum(line.startswith("certificate ") for line in lines) == 1
    assert sum("run this from other machines, too" in line for line in lines) == 1


def test_many_looks_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys of one look, and all that was met with its count."""
    with tls.serving(tls.over_tls(tls.context(tmp_path))) as port:
        assert _run(["probe", f"{HOST}:{port}", *HERE, "--looks", "5", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    (address,) = document["addresses"]
    (met,) = address["connections"]
    assert (document["schema"], document["looks"], met["count"]) == ("provisioner.probe/1", 5, 5)
    assert met.keys() - address.keys() == {"count"}


def test_a_long_probe_says_how_far_it_is(tmp_path: Path) -> None:
    """On stderr, so that results stay results."""
    with tls.serving(tls.drain) as port:
        command = [sys.executable, "-m", "provisioner", "probe", f"{HOST}:{port}", *HERE, "--looks", "9", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, json.loads(done.stdout)["addresses"][0]["failure"]) == (6, "no answer in time")
    assert "of 9 connections\n" in done.stderr


def test_ctrl_c_ends_a_probe_at_once(tmp_path: Path) -> None:
    """While threads wait for a server that is silent."""
    with tls.serving(tls.drain) as port:
        command = [sys.executable, "-m", "provisioner", "probe", f"{HOST}:{port}", *HERE, "--looks", "1000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as probing:
            assert probing.stderr is not None
            assert "of 1000 connections" in probing.stderr.readline()
            probing.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, err = probing.communicate(timeout=60)

    assert (probing.returncode, "Traceback" in err, time.monotonic() - began < 2.5) == (130, False, True)


def test_a_served_certificate_forges_no_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newlines in its names are written as bytes."""
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example\n  chain    9 certificates"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "mqtt\n192.0.2.1  one-way: MQTT answers\x1b[2J"),
        ]
    )
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a\n  subject  CN=other")]), critical=False)
        .sign(key, SHA256())
    )  # fmt: skip
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with tls.serving(tls.over_tls(context)) as port:
        _run(["probe", f"{HOST}:{port}", *HERE])

    lines = capsys.readouterr().out.splitlines()
    labels = ["127.0.0.1", "TLS", "SHA-256", "names", "subject", "issuer", "key", "valid", "chain"]
    assert [line.split()[0] for line in lines] == labels
    assert "\x1b" not in "".join(lines)
