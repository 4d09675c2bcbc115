"""The commands beside ``apply`` and ``rollback``: what they show, what they make, and what they leave alone."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from provisioner.model.certificate import KeyType
from provisioner.sandbox import SandboxInstance
from tests.e2e.conftest import INSTANCE, Cloud, Done


def probe(cloud: Cloud, *more: str) -> Done:
    """Look at the sandbox's endpoint."""
    name, address, port = cloud.sandbox.endpoint(INSTANCE)
    return cloud.run("probe", f"{name}:{port}", "--connect-to", address, *more)


def test_probe_shows_an_endpoint_before_and_after_the_switch(cloud: Cloud) -> None:
    """Mode, leaf, names and chain, as a client without certificate sees them, in JSON and in words."""
    before, words = probe(cloud, "--json"), probe(cloud).out
    assert (before.code, before.document["schema"]) == (0, "provisioner.probe/1")
    (one_way,) = before.document["addresses"]
    demand = ("stage", "client_certificate_asked", "client_certificate_required", "inferred")
    assert [one_way[field] for field in demand] == ["answered", False, "no", False]
    assert (one_way["dns_names"], one_way["tls_version"]) == (["*.mqtt.aliyuncs.com"], "TLSv1.2")
    assert one_way["connack"] is not None
    assert ("one-way" in words, "mutual" in words, one_way["leaf_sha256"] in words) == (True, False, True)
    cloud.apply()
    (mutual,), words = probe(cloud, "--json").document["addresses"], probe(cloud).out
    assert [mutual[field] for field in demand[1:]] == [True, "yes", False]
    assert (mutual["leaf_sha256"], mutual["chain_length"]) == (cloud.machine.serving.leaf_sha256, 2)
    assert (mutual["key"], mutual["subject"] != one_way["subject"]) == ("ec-p256", True)
    assert ("one-way" in words, "mutual" in words, mutual["leaf_sha256"] in words) == (False, True, True)


def test_probe_tells_a_certificate_that_names_another_host(cloud: Cloud) -> None:
    """The names that the certificate does have are shown."""
    _, address, port = cloud.sandbox.endpoint(INSTANCE)
    done = cloud.run("probe", f"elsewhere.example.com:{port}", "--connect-to", address)
    assert (done.code, "*.mqtt.aliyuncs.com" in done.out) == (0, True)


def test_probe_of_nothing_is_a_failure(cloud: Cloud) -> None:
    """A closed port is told in words and by exit 6; a malformed endpoint is a usage error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    closed = cloud.run("probe", f"mqtt.example.com:{port}", "--connect-to", "127.0.0.1")
    assert (closed.code, closed.out) == (6, "127.0.0.1  no connection: connection refused\n")
    assert closed.err.startswith("Next: check name, port and the way there")
    malformed = cloud.run("probe", "mqtt.example.com:port", "--json")
    assert (malformed.code, malformed.document["exit_code"]) == (2, 2)


def test_probe_of_something_else_says_so(cloud: Cloud) -> None:
    """A server that speaks no TLS is no endpoint."""

    def speak(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        speaker = threading.Thread(target=speak, args=(server,))
        speaker.start()
        port = server.getsockname()[1]
        done = cloud.run("probe", f"mqtt.example.com:{port}", "--connect-to", "127.0.0.1", "--json")
        speaker.join()
    (reading,) = done.document["addresses"]
    assert (done.code, reading["leaf_sha256"], reading["timed_out"]) == (6, None, False)


def status(cloud: Cloud) -> dict[str, object]:
    """Return the status of the one instance."""
    (found,) = cloud.run("status", "--json").document["instances"]
    assert isinstance(found, dict)
    return found


def test_status_tells_what_differs_and_what_is_on_hold(cloud: Cloud) -> None:
    """A changed specification, a hold, and a run that ended badly are seen without asking the cloud."""
    cloud.apply()
    cloud.configure(key=KeyType.RSA_2048)
    assert status(cloud)["differs"] == ["key: got ec-p256, expected rsa-2048"]
    cloud.sandbox.faults.arm("wrong_leaf", instance_id=INSTANCE)
    assert cloud.apply().code == 7
    calls = len(cloud.actions())
    found = status(cloud)
    assert len(cloud.actions()) == calls
    hold, last = found["hold"], found["last_run"]
    assert isinstance(hold, dict)
    assert isinstance(last, dict)
    assert (last["outcome"], last["command"], found["open_request"], found["held_by"]) == (
        "rolled_back",
        "apply",
        None,
        None,
    )
    words = cloud.run("status").out
    assert [fact for fact in (hold["reason"], "expected rsa-2048", "UTC: rolled back") if fact not in words] == []


def test_status_tells_an_open_request(cloud: Cloud) -> None:
    """What was asked for and not seen to act is shown with its run, in both forms."""
    cloud.sandbox.faults.arm("no_effect", instance_id=INSTANCE)
    run = cloud.apply()
    assert run.code == 6
    asked = status(cloud)["open_request"]
    assert isinstance(asked, dict)
    assert (asked["run"], asked["mode"]) == (run.document["run"], "mutual")
    assert run.document["run"] in cloud.run("status").out


def test_status_of_an_endpoint_that_is_down(cloud: Cloud) -> None:
    """Nothing is served, nothing is due, and that is said without an error."""
    cloud.machine.listener.stop()
    found = status(cloud)
    assert (found["mode"], found["fingerprint_sha256"], found["not_after"], found["due"]) == (None, None, None, "")
    assert "connection refused" in str(found["wire"])
    assert cloud.run("status").code == 0


def test_status_tells_that_there_are_no_records(cloud: Cloud) -> None:
    """Before the first run, and where the disk with the state is away, silence about holds proves nothing."""
    path = cloud.writer.files.directory / "state" / "provisioner.sqlite"
    before = cloud.run("status", "--json").document["state"], f"none: {path} does not exist" in cloud.run("status").out
    assert cloud.apply().code == 0
    after = cloud.run("status", "--json").document["state"], "records" in cloud.run("status").out
    assert (before, after) == ((None, True), (str(path), False))


def test_status_does_without_local_material(cloud: Cloud) -> None:
    """Whatever became of CA and canary, what is served and what is recorded can be seen."""
    assert cloud.apply().code == 0
    authority = cloud.writer.files.authority
    authority.rename(authority.with_suffix(".away"))
    shutil.rmtree(cloud.writer.files.directory / "device")
    found, words = status(cloud), cloud.run("status")
    assert (found["mode"], words.code) == ("mutual", 0)
    assert str(authority) in str(found["differs"])


def test_check_and_plan_show_refusals_with_their_next_step(make_cloud: Callable[..., Cloud]) -> None:
    """Exit 3, the finding in both forms, and nothing written anywhere."""
    cloud = make_cloud(SandboxInstance(INSTANCE, device_ca_registered=False))
    done = cloud.run("check", "--json")
    (instance,) = done.document["instances"]
    (refusal,) = [item for item in instance["findings"] if item["severity"] == "refusal"]
    assert (done.code, done.document["ok"], refusal["reason"]) == (3, False, "no-device-ca")
    for command in ("check", "plan"):
        shown = cloud.run(command)
        assert (shown.code, refusal["message"] in shown.out, refusal["hint"] in shown.out) == (3, True, True)
    assert not (cloud.writer.files.directory / "state").exists()


def test_plan_tells_steps_cost_and_way_back(cloud: Cloud) -> None:
    """What apply would do, the outage, where a failure goes back to, and whom clients must trust."""
    document = cloud.run("plan", "--json").document
    (plan,) = document["instances"]
    assert [step["kind"] for step in plan["steps"]] == ["issue", "host", "switch"]
    assert plan["digest"] == document["digest"]
    words = cloud.run("plan").out
    facts = [plan["way_back"], plan["outage"], plan["digest"], *(step["reason"] for step in plan["steps"])]
    assert [fact for fact in facts if fact not in words] == []


def test_ca_create_makes_what_ca_show_shows(cloud: Cloud, tmp_path: Path) -> None:
    """A CA of one's own, its key encrypted with a passphrase from a file, readable by its owner only."""
    certificate, key, passphrase = tmp_path / "own" / "ca.crt", tmp_path / "own" / "ca.key", tmp_path / "passphrase"
    passphrase.write_text("open sesame\n", encoding="utf-8")
    arguments = ["ca", "create", "--certificate", str(certificate), "--private-key", str(key), "--key", "rsa-2048"]
    subject = ["--common-name", "Own CA", "--organization", "Example", "--country", "CN", "--valid-days", "100"]
    made = cloud.run(*arguments, *subject, "--passphrase-file", str(passphrase), "--json")
    assert made.code == 0
    assert (made.document["schema"], made.document["encrypted"]) == ("provisioner.ca/1", True)
    assert key.stat().st_mode & 0o777 == 0o600
    load_pem_private_key(key.read_bytes(), b"open sesame")
    cloud.edit('certificate = "ca/ca.crt"', f'certificate = "{certificate}"')
    shown = cloud.run("ca", "show", "--json").document
    same = ("schema", "subject", "fingerprint_sha256", "not_after")
    assert [shown[field] for field in same] == [made.document[field] for field in same]
    assert (shown["key"], shown["objections"]) == ("rsa-2048", [])
    assert cloud.run("ca", "show", "--bundle").out == certificate.read_text(encoding="ascii")
    again = cloud.run(*arguments, "--passphrase-file", str(passphrase))
    assert (again.code, load_pem_private_key(key.read_bytes(), b"open sesame") is not None) == (2, True)


def test_ca_create_takes_its_files_from_the_configuration(cloud: Cloud) -> None:
    """Without flags the files of ``[authority]`` are made, and the words say where they are."""
    files = cloud.writer.files
    for path in (files.authority, files.authority.with_suffix(".key")):
        path.unlink()
    made = cloud.run("ca", "create", "--no-passphrase")
    assert (made.code, str(files.authority) in made.out) == (0, True)
    fingerprint = cloud.run("ca", "show", "--json").document["fingerprint_sha256"]
    assert (fingerprint in made.out, fingerprint in cloud.run("ca", "show").out) == (True, True)


@pytest.mark.parametrize(
    "flags",
    [
        ["--no-passphrase", "--passphrase-env", "X"],
        ["--passphrase-env", "SURELY_NOT_SET"],
        ["--passphrase-file", "/surely/not/there"],
        [],
        ["--no-passphrase", "--certificate", "alone.crt"],
    ],
)
def test_ca_create_says_what_it_needs(cloud: Cloud, tmp_path: Path, flags: list[str]) -> None:
    """Two ways at once, an empty passphrase, or nobody to ask: exit 2 with the next step, and nothing is made."""
    files = ["--certificate", str(tmp_path / "new.crt"), "--private-key", str(tmp_path / "new.key")]
    done = cloud.run("ca", "create", *([] if "--certificate" in flags else files), *flags, "--json")
    assert (done.code, bool(done.document["error"]["hint"])) == (2, True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("new")] == []


def test_issue_makes_a_certificate_and_touches_nothing_else(cloud: Cloud) -> None:
    """A chain and a key in the key store, nothing uploaded, nothing asked of the cloud."""
    done = cloud.run("issue", "iot", "--json")
    document = done.document
    assert (done.code, document["schema"], document["name"], cloud.actions()) == (0, "provisioner.issue/1", "iot", [])
    chain = x509.load_pem_x509_certificates(Path(document["chain"]).read_bytes())
    leaf = x509.load_pem_x509_certificate(Path(document["certificate"]).read_bytes())
    key = load_pem_private_key(Path(document["private_key"]).read_bytes(), None)
    assert (chain[0], len(chain), key.public_key()) == (leaf, 2, leaf.public_key())
    context = ssl.create_default_context(cafile=str(cloud.writer.files.authority))
    context.load_cert_chain(document["chain"], document["private_key"])
    words = cloud.run("issue", "iot").out
    assert (document["fingerprint_sha256"] in words, "private-key.pem" in words) == (False, True)
    assert cloud.run("issue", "nobody", "--json").code == 2


def test_an_issued_certificate_is_the_one_that_apply_takes(cloud: Cloud) -> None:
    """What was made by hand is hosted and switched to, and nothing else is made."""
    issued = cloud.run("issue", "iot", "--json").document["fingerprint_sha256"]
    assert cloud.apply().instance["fingerprint_sha256"] == issued


def test_the_sandbox_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """One JSON line when it is ready; from another process the whole configuration works; Ctrl-C ends it."""
    command = [sys.executable, "-m", "provisioner", "sandbox", "serve", "--json", "--restart-seconds", "0.5"]
    options = ["--backends", "2", "--balance", "random", "--directory", str(tmp_path / "files")]
    serving = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        ready = json.loads(serving.stdout.readline())
        assert sorted(ready) == ["access_key_id", "access_key_secret", "api", "authority", "config", "instances"]
        (instance,) = ready["instances"]
        assert {**instance, "endpoint": instance["endpoint"].partition(":")[0]} == {
            "id": INSTANCE,
            "region": "cn-hangzhou",
            "edition": 1,
            "endpoint": f"{INSTANCE}.mqtt.aliyuncs.com",
        }
        with urllib.request.urlopen(f"{ready['api']}/instances") as told:  # noqa: S310  loopback
            assert [len(one["backends"]) for one in json.load(told)] == [2]
        plan = subprocess.run(
            [sys.executable, "-m", "provisioner", "plan", "--json"],
            env=os.environ | {"PROVISIONER_CONFIG": ready["config"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(plan.stdout)["instances"][0]["served_mode"] == "one_way"
        serving.send_signal(signal.SIGINT)
        out, _ = serving.communicate(timeout=60)
    finally:
        serving.kill()
        serving.communicate()
    assert (serving.returncode in {0, 130}, "Traceback" in out) == (True, False)


def test_a_demo_that_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C in the midst of an act is an interruption: no act is told as failed, and the exit code says so."""
    command = [sys.executable, "-m", "provisioner", "demo", "--json", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as playing:
        assert playing.stdout is not None
        assert playing.stderr is not None
        while "request" not in (line := playing.stderr.readline()):
            assert line
        playing.send_signal(signal.SIGINT)
        told, document = playing.stderr.read(), json.loads(playing.stdout.read())
        assert playing.wait(60) == 130
    assert (document["schema"], document["exit_code"], "NOT proven" in told) == ("provisioner.error/1", 130, False)
    assert told.endswith("and its sandbox has ended\nNext: provisioner demo\n")


def test_the_sandbox_keeps_its_authority(tmp_path: Path) -> None:
    """Started again in the same place it goes on with the CA that is there."""
    prints = []
    for _ in range(2):
        command = [sys.executable, "-m", "provisioner", "sandbox", "serve", "--directory", str(tmp_path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
            assert serving.stderr is not None
            assert serving.stderr.readline()
            prints.append((tmp_path / "ca" / "ca.crt").read_bytes())
            serving.terminate()
            serving.communicate(timeout=60)
    assert prints[0] == prints[1]


@pytest.mark.openssl
def test_a_librarys_warnings_are_no_messages(cloud: Cloud) -> None:
    """A CA with the serial number 0, which others make, is shown without a word to developers."""
    authority = cloud.writer.files.authority
    command = ["openssl", "req", "-x509", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "/dev/null", "-out", str(authority), "-subj", "/CN=zero", "-set_serial", "0", "-days", "9"]
    subprocess.run(command, check=True, capture_output=True)
    process = cloud.start("ca", "show")
    out, told = process.communicate()
    assert ("CN=zero" in out, "Warning" in told) == (True, False)
