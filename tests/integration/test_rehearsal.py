"""Rehearsals on loopback: what would fail on the endpoint fails here, in both versions of TLS, and leaves nothing."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from provisioner.model.certificate import KeyType, MaterialFiles, Profile
from provisioner.model.secret import Secret
from provisioner.pki import FileKeyStore, LocalIssuer
from provisioner.wire import rehearsal
from provisioner.wire.rehearsal import DeviceCertificate, LoopbackRehearsal
from tests.fakes.authorities import CA_TRUE, SIGNS, Extension, Key, Made, p256, p384, refusal, specification, usage
from tests.fakes.clock import FakeClock
from tests.fakes.theatre import (
    EXPIRED,
    FOR_CLIENTS,
    FOR_SERVERS,
    HOST,
    NO_CA,
    NOW,
    SIGNING,
    TOMORROW,
    VALID,
    Theatre,
    both,
    names,
    play,
    theatre,
)

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  refused, as it should be
KEYS: dict[str, Key] = {"rsa": RSA_KEY, "p256": p256(), "p384": p384()}
NOT_CRITICAL: Extension = (x509.BasicConstraints(ca=True, path_length=None), False)
NAMED = names("*.mqtt.aliyuncs.com")
PASSWORD = "canary.private_key_password"
NO_ISSUER = (
    "no trusted CA signed the certificate, or an intermediate is missing (20: unable to get local issuer certificate)"
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Theatre]:
    """Give an empty theatre, and hold every rehearsal to leaving neither thread nor socket.

    What earlier tests of this process left, such as a server's thread that waits for its client, may end meanwhile.
    """
    threads, files = set(threading.enumerate()), _open_files()
    yield theatre(tmp_path)
    assert (set(threading.enumerate()) - threads, max(_open_files(), files)) == (set(), files)


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208  no names are wanted, and no paths


@pytest.mark.parametrize("ca_key", KEYS)
@pytest.mark.parametrize("key", KEYS)
def test_good_material_passes_with_a_device(stage: Theatre, key: str, ca_key: str) -> None:
    """Keys of every kind shake hands, strictly too, for the endpoint and a mapped domain, and let the device in."""
    ca = stage.ca("ca", key=KEYS[ca_key])
    server = stage.server(ca, NO_CA, SIGNING, FOR_SERVERS, names(HOST, "mqtt.example.com"), key=KEYS[key])
    device = stage.canary(stage.device(ca, key=KEYS[key]))

    got = play(stage.files(server, ca), ca, HOST, "mqtt.example.com", device=device, device_cas=(ca.pem,))

    accepted = (both(name=name, client_certificate=True) for name in (HOST, "mqtt.example.com"))
    assert got == tuple(session for sessions in accepted for session in sessions)


def under_an_intermediate(stage: Theatre, *above: str) -> tuple[MaterialFiles, Made]:
    """Return files of a server under an intermediate, with some of the certificates above, and the root."""
    root = stage.ca("root")
    made = {"root": root, "middle": stage.ca("middle", issuer=root)}
    return stage.files(stage.server(made["middle"]), *(made[name] for name in above)), root


def wrong_ca(stage: Theatre) -> tuple[MaterialFiles, Made]:
    """Return files of a server, and a CA of the same name that did not sign it."""
    ca = stage.ca("ca")
    return stage.files(stage.server(ca), ca), stage.ca("ca")


def under(stage: Theatre, *extensions: Extension) -> tuple[MaterialFiles, Made]:
    """Return files of a strict server under a CA of some shape."""
    ca = stage.ca("ca", *extensions)
    return stage.files(stage.server(ca), ca), ca


def served(stage: Theatre, *extensions: Extension) -> tuple[MaterialFiles, Made]:
    """Return files of a server of some shape under a good CA."""
    ca = stage.ca("ca")
    return stage.files(stage.server(ca, *extensions), ca), ca


def mismatched(stage: Theatre, key: Key) -> tuple[MaterialFiles, Made]:
    """Return files of a server with somebody else's key."""
    ca = stage.ca("ca")
    return stage.files(stage.server(ca), ca, key=stage.ca("other", key=key)), ca


def dated(stage: Theatre, *, ca_expired: bool, early: bool = False) -> tuple[MaterialFiles, Made]:
    """Return files of a server that, or whose intermediate, is outside its dates."""
    outside = (TOMORROW, TOMORROW + timedelta(days=9)) if early else EXPIRED
    root = stage.ca("root")
    middle = stage.ca("middle", issuer=root, dates=outside if ca_expired else VALID)
    return stage.files(stage.server(middle, dates=VALID if ca_expired else outside), middle), root


Case = Callable[[Theatre], tuple[MaterialFiles, Made]]
MATRIX: dict[str, tuple[Case, str, str]] = {
    "with its root": (lambda stage: under_an_intermediate(stage, "middle", "root"), "", ""),
    "without its root": (lambda stage: under_an_intermediate(stage, "middle"), "", ""),
    "intermediate missing": (under_an_intermediate, NO_ISSUER, ""),
    "root instead of intermediate": (lambda stage: under_an_intermediate(stage, "root"), NO_ISSUER, ""),
    "another CA": (
        wrong_ca,
        "the root of the chain is not trusted (19: self-signed certificate in certificate chain)",
        "",
    ),
    "CA without keyUsage": (
        lambda stage: under(stage, CA_TRUE),
        "",
        "a CA of the chain has no keyUsage (92: ca cert does not include key usage extension)",
    ),
    "CA:TRUE not critical": (
        lambda stage: under(stage, NOT_CRITICAL, SIGNS),
        "",
        "basicConstraints of a CA in the chain is not critical (89: basic constraints of ca cert not marked critical)",
    ),
    "CA that may not sign": (
        lambda stage: under(stage, CA_TRUE, (usage("crl_sign"), True)),
        "a certificate above is no CA certificate (79: invalid ca certificate)",
        "",
    ),
    "guide": (
        lambda stage: served(stage, NO_CA, (usage("digital_signature", "key_cert_sign"), False), NAMED),
        "",
        "the certificate may sign others, as only a CA may (82: key usage keycertsign invalid for non-ca cert)",
    ),
    "clientAuth only": (
        lambda stage: served(stage, NO_CA, FOR_CLIENTS, NAMED),
        "the certificate is for another purpose (26: unsuitable certificate purpose)",
        "",
    ),
    "another name": (
        lambda stage: served(stage, NO_CA, FOR_SERVERS, names("mqtt.example.com")),
        f"the certificate does not carry this name (62: hostname mismatch, certificate is not valid for '{HOST}')",
        "",
    ),
    "wildcard too high": (
        lambda stage: served(stage, NO_CA, FOR_SERVERS, names("*.aliyuncs.com")),
        f"the certificate does not carry this name (62: hostname mismatch, certificate is not valid for '{HOST}')",
        "",
    ),
    "key of another": (
        lambda stage: mismatched(stage, p256()),
        "chain and key can't be served: the key does not belong to the certificate",
        "",
    ),
    "key of another kind": (
        lambda stage: mismatched(stage, RSA_KEY),
        "chain and key can't be served: the key does not belong to the certificate, not even by its kind",
        "",
    ),
    "expired": (
        lambda stage: dated(stage, ca_expired=False),
        "the certificate or a CA above it has expired (10: certificate has expired)",
        "",
    ),
    "intermediate expired": (
        lambda stage: dated(stage, ca_expired=True),
        "the certificate or a CA above it has expired (10: certificate has expired)",
        "",
    ),
    "too early": (
        lambda stage: dated(stage, ca_expired=False, early=True),
        "the certificate or a CA above it is not valid yet (9: certificate is not yet valid)",
        "",
    ),
}


@pytest.mark.parametrize("case", MATRIX)
def test_what_clients_would_refuse_is_refused_here(stage: Theatre, case: str) -> None:
    """Ordinary checks decide, strict ones add what they find, the same in TLS 1.2 and 1.3."""
    make, failure, strict_failure = MATRIX[case]
    files, trust = make(stage)

    assert play(files, trust) == both(failure, strict_failure)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("key", [KeyType.RSA_2048, KeyType.EC_P256])
def test_issued_leaves_pass_as_their_profile_promises(stage: Theatre, key: KeyType, profile: Profile) -> None:
    """What lies in the key store is served from there; ``strict`` passes, ``guide`` fails strict checks alone."""
    ca, store = stage.ca("ca"), FileKeyStore(stage.folder / "keys")
    leaf = LocalIssuer(ca.authority(), store, FakeClock(NOW)).issue(specification(key, profile, days=20))

    got = play(store.files("iot", leaf.sha256), ca, HOST, "mqtt.example.com")

    strict = {
        Profile.STRICT: "",
        Profile.GUIDE: (
            "the certificate may sign others, as only a CA may (82: key usage keycertsign invalid for non-ca cert)"
        ),
    }[profile]
    assert got == both(strict_failure=strict) + both(strict_failure=strict, name="mqtt.example.com")


def test_addresses_are_judged_as_addresses(stage: Theatre) -> None:
    """An IP address has to stand in the certificate as one; a name that looks like it does not do."""
    ca = stage.ca("ca")
    files = stage.files(stage.server(ca, NO_CA, FOR_SERVERS, SIGNING, names("192.0.2.1", "2001:db8::1")), ca)
    as_name: Extension = (x509.SubjectAlternativeName([x509.DNSName("192.0.2.1")]), False)
    pretended = stage.files(stage.server(ca, NO_CA, FOR_SERVERS, SIGNING, as_name), ca)

    got = play(files, ca, "192.0.2.1", "2001:db8::1", "192.0.2.2")

    def mismatch(address: str) -> str:
        message = f"ip address mismatch, certificate is not valid for '{address}'"
        return f"the certificate does not carry this IP address (64: {message})"

    assert got == (both(name="192.0.2.1") + both(name="2001:db8::1") + both(mismatch("192.0.2.2"), name="192.0.2.2"))
    assert play(pretended, ca, "192.0.2.1") == both(mismatch("192.0.2.1"), name="192.0.2.1")


def test_names_that_nobody_can_connect_to_are_told(stage: Theatre) -> None:
    """An empty or overlong label fails for that name, and the others are rehearsed all the same."""
    ca = stage.ca("ca")
    files = stage.files(stage.server(ca), ca)
    odd = ("a..mqtt.aliyuncs.com", "x" * 64 + ".aliyuncs.com", ".aliyuncs.com")

    got = play(files, ca, *odd, HOST)

    refused = (both("this is not a name that can be connected to", name=name) for name in odd)
    assert got == (*(session for sessions in refused for session in sessions), *both())


def test_the_root_is_needed_and_an_intermediate_is_not_enough(stage: Theatre) -> None:
    """OpenSSL by itself takes no intermediate for an anchor, so neither does a rehearsal."""
    root = stage.ca("root")
    middle = stage.ca("middle", issuer=root)
    files = stage.files(stage.server(middle), middle)

    assert play(files, middle) == both("no trusted CA stands above the chain (2: unable to get issuer certificate)")


@pytest.mark.parametrize("registered", [False, True])
def test_what_is_served_is_not_completed_from_elsewhere(stage: Theatre, registered: bool) -> None:
    """A missing intermediate is missing even where it is registered as a device CA, or the device's own trust."""
    root = stage.ca("root")
    middle = stage.ca("middle", issuer=root)
    device = stage.canary(stage.device(middle))
    files, whole = stage.files(stage.server(middle)), stage.files(stage.server(root), root)
    rehearsing = LoopbackRehearsal([root.pem, middle.pem], device)

    server = play(files, root, device=device, device_cas=(middle.pem if registered else root.pem,))
    client = rehearsing.rehearse((HOST,), whole, (root.pem,))

    assert (server, client) == (both(NO_ISSUER), both(f"the canary's certificate is refused: {NO_ISSUER}"))


DEVICES: dict[str, str] = {
    "of a registered CA": "",
    "of a registered intermediate": "",
    "of another CA": NO_ISSUER,
    "of a namesake": NO_ISSUER,
    "without its intermediate": NO_ISSUER,
    "expired": "the certificate or a CA above it has expired (10: certificate has expired)",
    "for servers": "the certificate is for another purpose (26: unsuitable certificate purpose)",
}


def devices(stage: Theatre, root: Made, middle: Made) -> dict[str, tuple[DeviceCertificate, str]]:
    """Return devices of every shape, each with the CA that is registered."""
    other, namesake = stage.ca("other devices"), stage.ca("devices")
    return {
        "of a registered CA": (stage.canary(stage.device(root)), root.pem),
        "of a registered intermediate": (stage.canary(stage.device(middle)), middle.pem),
        "of another CA": (stage.canary(stage.device(other)), root.pem),
        "of a namesake": (stage.canary(stage.device(namesake)), root.pem),
        "without its intermediate": (stage.canary(stage.device(middle)), root.pem),
        "expired": (stage.canary(stage.device(root, dates=EXPIRED)), root.pem),
        "for servers": (stage.canary(stage.device(root, NO_CA, FOR_SERVERS)), root.pem),
    }


@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_is_let_in_only_by_its_ca(stage: Theatre, kind: str) -> None:
    """The server demands a certificate of a registered CA and says in words why it refuses one."""
    ca, root = stage.ca("ca"), stage.ca("devices")
    device, registered = devices(stage, root, stage.ca("middle", issuer=root))[kind]
    files = stage.files(stage.server(ca), ca)

    got = play(files, ca, device=device, device_cas=(stage.ca("unused").pem, registered))

    problem = DEVICES[kind]
    refused = f"the canary's certificate is refused: {problem}" if problem else ""
    assert got == both(refused, client_certificate=not problem)


def test_a_device_that_sends_its_intermediate_is_let_in(stage: Theatre) -> None:
    """The canary's file may hold the CAs between it and the registered one."""
    ca, root = stage.ca("ca"), stage.ca("devices")
    middle = stage.ca("middle", issuer=root)
    device = stage.canary(stage.device(middle), middle, password=b"device")

    got = play(stage.files(stage.server(ca), ca), ca, device=device, device_cas=(root.pem,))

    assert got == both(client_certificate=True)


@pytest.mark.parametrize("device_cas", [(), ("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "ü", "")])
def test_unknown_device_cas_prove_nothing(stage: Theatre, device_cas: tuple[str, ...]) -> None:
    """Without CAs nothing is demanded, and nothing is said to be accepted; unreadable ones let nobody in."""
    ca = stage.ca("ca")
    device = stage.canary(stage.device(ca))

    got = play(stage.files(stage.server(ca), ca), ca, device=device, device_cas=device_cas)

    assert got == both(f"the canary's certificate is refused: {NO_ISSUER}" if device_cas else "")


def test_without_a_device_nothing_is_demanded(stage: Theatre) -> None:
    """The server's half is rehearsed all the same."""
    ca = stage.ca("ca")

    assert play(stage.files(stage.server(ca), ca), ca, device_cas=(ca.pem,)) == both()


def test_a_strict_complaint_leaves_the_devices_acceptance(stage: Theatre) -> None:
    """What strict verifiers find in the server's chain says nothing about the device."""
    ca = stage.ca("ca", CA_TRUE)
    device = stage.canary(stage.device(ca))

    got = play(stage.files(stage.server(ca), ca), ca, device=device, device_cas=(ca.pem,))

    strict = "a CA of the chain has no keyUsage (92: ca cert does not include key usage extension)"
    assert got == both(strict_failure=strict, client_certificate=True)


def test_the_systems_store_decides_when_nothing_is_named(stage: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CAs of one's own the system's are trusted, and those alone."""
    ca = stage.ca("ca")
    files = stage.files(stage.server(ca), ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(stage.ca("elsewhere").certificate_path))
    elsewhere = play(files, None)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.certificate_path))

    assert (elsewhere, play(files, None)) == (
        both("the root of the chain is not trusted (19: self-signed certificate in certificate chain)"),
        both(),
    )


def broken(stage: Theatre, kind: str) -> MaterialFiles:
    """Return files that no server can load."""
    ca = stage.ca("ca")
    server = stage.server(ca, key=SMALL_KEY if kind == "small key" else None)
    files = stage.files(server, ca, password=b"forgotten" if kind == "encrypted key" else None)
    if kind == "missing chain":
        files.chain.unlink()
    if kind == "no chain":
        files.chain.write_text("hello", encoding="ascii")
    return files


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("missing chain", "no such file or directory"),
        ("no chain", "it is malformed"),
        ("encrypted key", "the key is encrypted and no password is configured"),
        ("small key", "the key is too small"),
    ],
)
def test_files_that_cannot_be_served_fail_for_every_name(stage: Theatre, kind: str, problem: str) -> None:
    """Nothing is raised: every session says why it could not begin."""
    files = broken(stage, kind)

    got = play(files, stage.ca("ca"), HOST, "mqtt.example.com")

    failure = f"chain and key can't be served: {problem}"
    assert got == both(failure) + both(failure, name="mqtt.example.com")


LOCKED = "the canary's private key is encrypted, and its password is missing or wrong"


@pytest.mark.parametrize(
    ("kind", "problem", "key"),
    [
        ("missing", "can't be read: no such file or directory", "canary.private_key"),
        ("no password", "can't be used: the key is encrypted and no password is configured", PASSWORD),
        ("wrong password", "can't be used: the key's password is wrong", PASSWORD),
        ("overlong password", "can't be used: the key's password is too long", PASSWORD),
        ("another key", "does not belong to {certificate}", "canary.private_key and canary.certificate"),
    ],
)
def test_a_canary_that_cannot_be_used_is_refused_at_once(stage: Theatre, kind: str, problem: str, key: str) -> None:
    """The canary is configured material: what is wrong with it is told before anything is rehearsed."""
    ca = stage.ca("ca")
    device = stage.canary(stage.device(ca), key=ca if kind == "another key" else None, password=b"right")
    password = {"no password": None, "wrong password": Secret("wrong"), "overlong password": Secret("x" * 2000)}
    changed = replace(device, key_password=password.get(kind, device.key_password))
    if kind == "missing":
        device.private_key.unlink()

    got = refusal(lambda: LoopbackRehearsal([ca.pem], changed))

    words = problem.format(certificate=device.certificate)
    message = f"{device.private_key}: the canary's private key {words}; nothing was changed"
    assert got == (message, f"check {key}")


@pytest.mark.parametrize("text", ["", "hello", "ü", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_trust_that_cannot_be_loaded_is_refused_at_once(text: str) -> None:
    """A file without CA certificates trusts nobody, so it is told."""
    got = refusal(lambda: LoopbackRehearsal([text], None))

    assert got == (
        "the CAs that the rehearsal is to trust can't be loaded; nothing was changed",
        "check that the file named as trust, or the authority, holds CA certificates in PEM",
    )


def test_a_rehearsal_that_runs_out_of_time_ends(stage: Theatre) -> None:
    """Where nothing answers in time every session says so, and neither socket nor thread is left."""
    ca = stage.ca("ca")
    files = stage.files(stage.server(ca), ca)

    got = LoopbackRehearsal([ca.pem], None, timedelta(microseconds=1)).rehearse((HOST,), files, ())

    assert got == both("no answer in time")


def test_strangers_who_knock_are_not_taken_for_the_client(stage: Theatre) -> None:
    """Another process that connects to the listener is sent away, and the rehearsal goes on."""
    ca = stage.ca("ca")
    files = stage.files(stage.server(ca), ca)
    server = rehearsal._server()
    server.load_cert_chain(files.chain, files.private_key)
    client = rehearsal._judge("TLSv1.3", [ca.pem])

    with rehearsal._stage(30) as loopback, socket.create_connection(loopback.listener.getsockname()) as knock:
        got = loopback.shake_hands(client, server, HOST)
        turned_away = knock.recv(1)

    assert (got, turned_away) == ("", b"")
