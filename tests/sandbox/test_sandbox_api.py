"""The sandbox's API on the wire: who may call, what is verified, and how it refuses."""

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from provisioner.sandbox import Sandbox, SandboxInstance, SandboxSettings
from provisioner.sandbox.answers import ApiError
from provisioner.sandbox.signature import Request, Verifier

ID, SECRET = "LTAI-test", "the-secret"
CAS, MQTT = "2020-04-07", "2020-04-20"
Signer = Callable[..., Request]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a running sandbox."""
    with Sandbox() as running:
        yield running


def escaped(text: str) -> str:
    """Return a text as signatures want it."""
    return quote(text, safe="-_.~")


def joined(pairs: Mapping[str, str]) -> str:
    """Return sorted parameters as signatures want them."""
    return "&".join(f"{escaped(name)}={escaped(value)}" for name, value in sorted(pairs.items()))


def acs3(
    parameters: Mapping[str, str],
    *,
    body: bytes = b"",
    key: tuple[str, str] = (ID, SECRET),
    at: timedelta = timedelta(0),
    nonce: str = "n1",
    unsigned: str = "",
) -> Request:
    """Sign as the SDKs do by default, written from their documents; ``unsigned`` names a header that is left out."""
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": "127.0.0.1",
        "x-acs-action": "ListInstances",
        "x-acs-content-sha256": digest,
        "x-acs-date": f"{datetime.now(UTC) + at:%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": MQTT,
    }
    names = sorted(set(headers) - {unsigned})
    listed = "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical = "\n".join(["POST", "/", joined(parameters), listed, ";".join(names), digest])
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key[1].encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={key[0]},SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return Request("POST", urlencode(parameters), headers, body)


def rpc(
    parameters: Mapping[str, str],
    *,
    key: tuple[str, str] = (ID, SECRET),
    at: timedelta = timedelta(0),
    nonce: str = "n1",
) -> Request:
    """Sign as older SDKs do, written from their documents."""
    pairs = {
        **parameters,
        "Action": "ListInstances",
        "Version": MQTT,
        "Timestamp": f"{datetime.now(UTC) + at:%Y-%m-%dT%H:%M:%SZ}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": nonce,
        "AccessKeyId": key[0],
    }
    text = f"POST&%2F&{escaped(joined(pairs))}"
    digest = hmac.new(f"{key[1]}&".encode(), text.encode(), hashlib.sha1).digest()
    return Request("POST", urlencode({**pairs, "Signature": base64.b64encode(digest).decode()}), {}, b"")


def refusal(request: Request, verifier: Verifier | None = None) -> str:
    """Return the code with which a request is refused."""
    with pytest.raises(ApiError) as caught:
        (verifier or Verifier(ID, SECRET)).verify(request)
    return caught.value.code


@pytest.mark.parametrize("sign", [acs3, rpc])
def test_a_good_signature_is_good_once(sign: Signer) -> None:
    """Action and version are told; the same nonce again is refused."""
    verifier = Verifier(ID, SECRET)
    request = sign({"Tags": "a b*~/+&=ü"})
    assert verifier.verify(request) == ("ListInstances", MQTT)
    assert refusal(request, verifier) == "SignatureNonceUsed"
    assert verifier.verify(sign({}, nonce="n2")) == ("ListInstances", MQTT)


@pytest.mark.parametrize("sign", [acs3, rpc])
def test_a_bad_signature_is_refused(sign: Signer) -> None:
    """Another key, another secret, a changed parameter, and a date more than 15 minutes off each have their code."""
    good = sign({"Tags": "a"})
    assert refusal(sign({}, key=("LTAI-other", SECRET))) == "InvalidAccessKeyId.NotFound"
    assert refusal(sign({}, key=(ID, "another"))) == "SignatureDoesNotMatch"
    assert refusal(replace(good, query=good.query.replace("Tags=a", "Tags=b"))) == "SignatureDoesNotMatch"
    assert refusal(replace(good, query=f"{good.query}&More=1")) == "SignatureDoesNotMatch"
    assert refusal(replace(good, method="GET")) == "SignatureDoesNotMatch"
    for minutes in (-16, 16):
        assert refusal(sign({}, at=timedelta(minutes=minutes))) == "InvalidTimeStamp.Expired"
    for minutes in (-14, 14):
        assert Verifier(ID, SECRET).verify(sign({}, at=timedelta(minutes=minutes))) == ("ListInstances", MQTT)


def test_a_changed_body_and_an_unsigned_header_are_refused() -> None:
    """The content hash is compared with what came, and no header that matters may be left out of the signature."""
    good = acs3({}, body=b"Name=a")
    assert Verifier(ID, SECRET).verify(good) == ("ListInstances", MQTT)
    assert refusal(replace(good, body=b"Name=b")) == "SignatureDoesNotMatch"
    for name in ("x-acs-content-sha256", "x-acs-date", "x-acs-action", "host"):
        assert refusal(acs3({}, unsigned=name)) == "SignatureDoesNotMatch"
    assert refusal(replace(good, headers={"x-acs-action": "ListInstances"})) == "IncompleteSignature"
    assert refusal(Request("POST", "Action=ListInstances", {}, b"")) == "IncompleteSignature"


def call(sandbox: Sandbox, action: str, version: str, *, algorithm: str | None = None, **query: str) -> Any:  # noqa: ANN401
    """Return what an action answers, called by the SDK itself with one of its two signatures."""
    config = Config(
        access_key_id=sandbox.access_key_id,
        access_key_secret=sandbox.access_key_secret,
        endpoint=urlsplit(sandbox.api_url).netloc,
        protocol="HTTP",
        signature_algorithm=algorithm,
    )
    params = Params(
        action=action,
        version=version,
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    return Client(config).call_api(params, OpenApiRequest(query=query), RuntimeOptions())["body"]


@pytest.mark.parametrize("algorithm", [None, "v2"])
def test_the_sdk_is_understood_with_either_signature(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, algorithm: str | None
) -> None:
    """ACS3-HMAC-SHA256, and HMAC-SHA1 of the older RPC style."""
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    answer = call(sandbox, "ListInstances", MQTT, algorithm=algorithm)
    assert [item["InstanceId"] for item in answer["Instances"]] == ["mqtt-cn-sandbox01"]


def failure(sandbox: Sandbox, action: str, version: str, **query: str) -> tuple[str, int]:
    """Return code and HTTP status with which an action is refused, as the SDK tells them."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  the SDK ships no types
        call(sandbox, action, version, **query)
    return str(getattr(caught.value, "code", None)), int(getattr(caught.value, "status_code", 0))


@pytest.mark.parametrize(
    ("action", "version", "query", "expected"),
    [
        ("EnableMutualTls", MQTT, {}, ("ApiNotSupport", 404)),
        ("EnableMutualTls", CAS, {}, ("InvalidAction.NotFound", 404)),
        ("ListCaCertificate", MQTT, {"MqttInstanceId": "mqtt-x", "PageNo": "1"}, ("MqttInstanceNotFound", 500)),
        ("BatchQuerySessionByClientIds", MQTT, {"InstanceId": "mqtt-x"}, ("MqttInstanceNotFound", 500)),
        ("GetUserCertificateDetail", CAS, {"CertId": "7"}, ("NotFound", 404)),
        ("GetUserCertificateDetail", CAS, {}, ("MissingParameter", 400)),
        ("ListCertificates", CAS, {"ShowSize": "101"}, ("InvalidParameter", 400)),
        ("ListCertificates", CAS, {"CurrentPage": "0"}, ("InvalidParameter", 400)),
    ],
)
def test_each_refusal_has_the_documented_code(
    sandbox: Sandbox, action: str, version: str, query: dict[str, str], expected: tuple[str, int]
) -> None:
    """Unknown actions and things, and pages that nobody has; a caller's mistake may come with HTTP 500."""
    assert failure(sandbox, action, version, **query) == expected


@pytest.mark.parametrize(
    ("page", "size", "accepted"), [("1", "100", True), ("1", "101", False), ("1", "0", False), ("0", "10", False)]
)
def test_pages_of_device_cas_have_their_limits(sandbox: Sandbox, page: str, size: str, *, accepted: bool) -> None:
    """From 1 on, with at most 100 entries (documented)."""
    query = {"MqttInstanceId": "mqtt-cn-sandbox01", "PageNo": page, "PageSize": size}
    if accepted:
        assert len(call(sandbox, "ListCaCertificate", MQTT, **query)["Data"]["CaCertificateVOS"]) == 1
    else:
        assert failure(sandbox, "ListCaCertificate", MQTT, **query) == ("ParameterFieldCheckFailed", 500)


@pytest.mark.parametrize("count", [0, 11])
def test_sessions_are_asked_for_ten_at_a_time(sandbox: Sandbox, count: int) -> None:
    """Ten clients a call at most (documented)."""
    asked = {f"ClientIdList.{number}": f"GID_x@@@{number}" for number in range(1, count + 1)}
    query = {"InstanceId": "mqtt-cn-sandbox01", **asked}
    assert failure(sandbox, "BatchQuerySessionByClientIds", MQTT, **query) == ("ParameterFieldCheckFailed", 400)


@pytest.mark.parametrize(
    ("action", "version", "expected"),
    [("ListCertificates", CAS, ("FlowControlError", 400)), ("ListInstances", MQTT, ("SystemOverFlow", 500))],
)
def test_throttling_looks_different_in_each_service(
    sandbox: Sandbox, action: str, version: str, expected: tuple[str, int]
) -> None:
    """Neither has HTTP 429 nor a code that says throttling (documented)."""
    sandbox.faults.arm("throttled", action=action)
    assert failure(sandbox, action, version) == expected
    assert call(sandbox, action, version)


@pytest.mark.parametrize(
    ("action", "version", "expected"),
    [("ListCertificates", CAS, ("NoPermission", 403)), ("ListInstances", MQTT, ("PermissionCheckFailed", 403))],
)
def test_a_missing_permission_looks_different_in_each_service(
    sandbox: Sandbox, action: str, version: str, expected: tuple[str, int]
) -> None:
    """With a code of its own in each of them."""
    sandbox.faults.arm("denied", action=action)
    assert failure(sandbox, action, version) == expected
    assert call(sandbox, action, version)


def ask(sandbox: Sandbox, target: str, headers: Mapping[str, str], method: str = "POST") -> tuple[int, Any]:
    """Return status and JSON of a plain request."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.api_url).netloc, timeout=60)
    try:
        connection.request(method, target, body=b"", headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_an_error_has_the_documented_shape(sandbox: Sandbox) -> None:
    """Code, message, request id and host, in their capital letters."""
    status, answer = ask(sandbox, "/?Action=ListInstances", {})
    assert (status, sorted(answer)) == (400, ["Code", "HostId", "Message", "RequestId"])
    assert answer["Code"] == "IncompleteSignature"


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8701", 400), ("localhost:8701", 400), ("[::1]", 400), ("example.com", 403), ("", 403)],
)
def test_it_answers_to_loopback_hosts_alone(sandbox: Sandbox, host: str, status: int) -> None:
    """A page in a browser that made a name of its own lead here gets nothing, whatever it asks for."""
    assert ask(sandbox, "/", {"Host": host})[0] == status
    if status == 403:
        for path in ("/calls", "/instances", "/faults"):
            assert ask(sandbox, path, {"Host": host}, "GET")[0] == 403


def test_what_is_too_large_is_not_read(sandbox: Sandbox) -> None:
    """A length that nobody needs, and one that is none, are refused."""
    for length in ("99999999999", "many"):
        assert ask(sandbox, "/", {"Content-Length": length})[0] == 413


def test_no_target_is_told_to_anybody(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    """A URL may hold a key, so it is in no log; of a call the names of its parameters are kept alone."""
    failed = failure(sandbox, "UploadUserCertificate", CAS, Name="n", Cert="surely secret", Key="surely secret")
    assert failed == ("CertificateFormatException", 400)
    assert capfd.readouterr() == ("", "")
    told = ask(sandbox, "/calls", {"Host": "127.0.0.1"}, "GET")
    assert told == (
        200,
        [{"action": "UploadUserCertificate", "method": "POST", "query": ["Cert", "Key", "Name"], "body": []}],
    )


def test_restarts_are_short_unless_they_are_to_be_faithful() -> None:
    """Seconds for a demo; as documented, 5 to 10 minutes, when that is asked for."""
    short, faithful = SandboxSettings(restart_seconds=2), SandboxSettings(faithful=True)
    assert short.restart() == 2
    assert all(300 <= faithful.restart() <= 600 for _ in range(100))


def test_instances_are_listed_with_documented_fields() -> None:
    """Numbers of edition and status as documented, success as a text, and no filter by id."""
    with Sandbox(SandboxSettings((SandboxInstance(edition=4, status=7, region="cn-beijing"),))) as sandbox:
        answer = call(sandbox, "ListInstances", MQTT)
    (instance,) = answer.pop("Instances")
    assert (answer["Success"], answer["Code"], instance["InstanceType"], instance["InstanceStatus"]) == (
        "true",
        "200",
        4,
        7,
    )
    assert instance["RegionId"] == "cn-beijing"
