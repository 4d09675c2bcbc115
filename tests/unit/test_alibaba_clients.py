"""Calls as they leave: where to, with what in body and URL, past proxies and redirects."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from provisioner.alibaba import AccessKey, AccountClients, AlibabaHostedCertificates, ApiEndpoints, Site
from provisioner.alibaba.clients import CAS_VERSION, MQTT_VERSION, Call
from provisioner.errors import RejectedError, ServiceError, UnansweredError
from provisioner.model.secret import Secret
from tests.fakes.authorities import CA_TRUE, SIGNS, make
from tests.fakes.hostile_api import HostileApi

KEY = "-----BEGIN PRIVATE KEY-----\nTHE+KEY\n-----END PRIVATE KEY-----\n"
ACCESS_KEY = AccessKey(Secret("LTAI-id"), Secret("the-secret"))
LIST = Call("ListInstances", MQTT_VERSION)


def _clients(url: str) -> AccountClients:
    return AccountClients(Site.CHINA, ACCESS_KEY, ApiEndpoints(url, url))


def _failure(url: str, call: Call = LIST) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        _clients(url).mqtt("cn-hangzhou", call)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value


@pytest.fixture
def elsewhere() -> Iterator[HostileApi]:
    """Return the host that a redirect leads to."""
    with HostileApi(lambda _action: (200, {"CertId": 1})) as api:
        yield api


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused(elsewhere: HostileApi, status: int) -> None:
    """No redirect is followed: a 307 would post the body, key included, to another host."""
    with HostileApi(lambda _action: (status, {}), {"Location": f"{elsewhere.url}/?a=b"}) as api:
        with pytest.raises(UnansweredError) as caught:
            AlibabaHostedCertificates(_clients(api.url)).upload("name", "chain", Secret(KEY), "token")
        assert len(api.requests) == 1
    assert elsewhere.requests == []
    assert caught.value.message == ("UploadUserCertificate: no usable answer: the service redirects, which is refused")


def test_the_key_travels_in_the_body() -> None:
    """The URL holds nothing but the path; everything is a form in the body."""
    with HostileApi(lambda _action: (200, {"CertId": "7"})) as api:
        assert AlibabaHostedCertificates(_clients(api.url)).upload("name", "chain", Secret(KEY), "token") == 7
    ((action, path, body),) = api.requests
    assert (action, path, b"THE%2BKEY" in body, b"Name=name" in body) == ("UploadUserCertificate", "/", True, True)


def test_the_key_travels_in_the_url_only_when_that_was_asked_for() -> None:
    """What the typed call of the SDK does has to be configured."""
    with HostileApi(lambda _action: (200, {"CertId": 7})) as api:
        hosted = AlibabaHostedCertificates(_clients(api.url), unsafe_key_in_query=True)
        assert hosted.upload("name", "chain", Secret(KEY), "token") == 7
    ((_, path, body),) = api.requests
    assert ("THE%2BKEY" in path, body) == (True, b"")


@contextmanager
def _recording_proxy() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of a proxy that notes the first line of what it gets and hangs up."""
    seen: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(4096).split(b"\r\n")[0])

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_loopback_is_reached_without_a_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the sandbox never pass through a proxy, though the SDK would send them there."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with _recording_proxy() as (url, seen), HostileApi(lambda _action: (200, {"Instances": []})) as api:
        monkeypatch.setenv(variable, url)
        assert _clients(api.url).mqtt("cn-hangzhou", LIST) == {"Instances": []}
    assert (seen, len(api.requests)) == ([], 1)


def test_the_cloud_is_reached_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a company's machines get out only through a proxy, TLS goes through it end to end."""
    with _recording_proxy() as (url, seen):
        monkeypatch.setenv("HTTPS_PROXY", url)
        found = _failure("https://onsmqtt.cn-hangzhou.invalid")
    assert (seen[0], type(found)) == (b"CONNECT onsmqtt.cn-hangzhou.invalid:443 HTTP/1.0", UnansweredError)


def test_a_closed_port() -> None:
    """Nobody listens: no usable answer, in our words."""
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        found = _failure(f"http://127.0.0.1:{reserved.getsockname()[1]}")
    assert (type(found), found.message) == (UnansweredError, "ListInstances: no usable answer: connection refused")


def test_a_name_that_does_not_resolve() -> None:
    """The name is wrong, or the network is gone."""
    found = _failure("https://nothere.invalid")
    assert (type(found), found.message) == (
        UnansweredError,
        "ListInstances: no usable answer: its name does not resolve",
    )


def test_a_tls_certificate_that_does_not_verify(tmp_path: Path) -> None:
    """Nothing is sent to whoever it is, and the call is not worth repeating."""
    made = make(tmp_path, "127.0.0.1", CA_TRUE, SIGNS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate_path, made.key_path)
    got = b""

    def serve(listening: socket.socket) -> None:
        nonlocal got
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                got = secured.recv(4096)
        except OSError:
            connection.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        found = _failure(f"https://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert (type(found), found.message, got) == (
        RejectedError,
        "ListInstances: not sent: the service's TLS certificate does not verify",
        b"",
    )


@pytest.mark.parametrize("body", [[], "text", 5, None, b"", b"<html>502</html>", b"{", b"\xff\xfe"])
def test_an_answer_that_is_no_object(body: object) -> None:
    """Lists, texts and pages of HTML are no usable answers, with 200 and with 502."""
    for status in (200, 502):
        with HostileApi(lambda _action, status=status: (status, body)) as api:  # type: ignore[misc]
            assert type(_failure(api.url)) is UnansweredError


def test_each_call_names_its_action_and_version() -> None:
    """One client per address serves both services."""
    with HostileApi(lambda action: (200, {"Echo": action})) as api:
        clients = _clients(api.url)
        assert clients.certificates(Call("ListCertificates", CAS_VERSION)) == {"Echo": "ListCertificates"}
        assert clients.mqtt("cn-hangzhou", LIST) == {"Echo": "ListInstances"}


@pytest.mark.parametrize(
    ("site", "host"),
    [(Site.CHINA, b"cas.aliyuncs.com"), (Site.INTERNATIONAL, b"cas.ap-southeast-1.aliyuncs.com")],
)
def test_the_site_decides_where_certificates_are_hosted(
    monkeypatch: pytest.MonkeyPatch, site: Site, host: bytes
) -> None:
    """Each site has its own Certificate Management Service; instances are where their region is."""
    clients = AccountClients(site, ACCESS_KEY)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with _recording_proxy() as (url, seen):
        monkeypatch.setenv("HTTPS_PROXY", url)
        with pytest.raises(UnansweredError):
            clients.certificates(Call("ListCertificates", CAS_VERSION))
        with pytest.raises(UnansweredError):
            clients.mqtt("eu-central-1", LIST)
    assert [line.split()[1] for line in seen] == [host + b":443", b"onsmqtt.eu-central-1.aliyuncs.com:443"]
