"""Whatever the cloud answers: a result, or one of our errors that repeats neither a key nor a URL."""

import base64
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.alibaba import (
    AccessKey,
    AccountClients,
    AlibabaDeviceCAs,
    AlibabaHostedCertificates,
    AlibabaInstances,
    ApiEndpoints,
    Site,
)
from provisioner.alibaba.switches import ApiCall, OpenApiSwitch
from provisioner.errors import ProvisionerError
from provisioner.model.instance import EndpointState, Mode
from provisioner.model.secret import Secret
from provisioner.runs.system_clock import SystemClock
from tests.fakes.hostile_api import HostileApi

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BODY = base64.encodebytes(bytes(range(1, 200))).decode()
KEY = f"-----BEGIN PRIVATE KEY-----\n{BODY}-----END PRIVATE KEY-----\n"
SECRET = "secret-of-the-access-key"
ECHOES = (KEY, f"no: {KEY}", BODY, BODY.replace("\n", ""), BODY.replace("\n", "%0A").replace("+", "%2B"))
NAMES = st.sampled_from(
    [
        *("Code", "Message", "Success", "RequestId", "code", "message", "Data", "CaCertificateVOS", "Instances"),
        *("InstanceId", "InstanceType", "InstanceStatus", "RegionId", "ExpireTime", "CertId", "CertIdentifier"),
        *("CertificateList", "CertificateId", "CertificateName", "FingerPrint", "Sha2", "Serial", "SerialNo"),
        *("SubjectAlternativeNames", "Sans", "NotBefore", "NotAfter", "Algorithm", "KeySize", "Status", "Expired"),
        *("Sn", "CaName", "CaContent", "ValidBegin", "ValidEnd", "Tags", "UsingProductList"),
        *("DeviceCertificateVOS", "DeviceSn"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["200", "true", "false", "5", "1", "14000001", "InternalError", "NameRepeat", "Forbidden"])
    | st.sampled_from(ECHOES)
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=6),
)
BODIES = (
    SHAPES
    | st.binary(max_size=40)
    | st.fixed_dictionaries({"Code": LEAVES, "Message": LEAVES})
    | st.fixed_dictionaries({"Success": st.just("true"), "Instances": st.lists(SHAPES, max_size=2)})
    | st.fixed_dictionaries({"CertificateList": st.lists(st.dictionaries(NAMES, LEAVES), max_size=2)})
    | st.fixed_dictionaries({"Data": st.dictionaries(NAMES, SHAPES)})
)
STATUSES = st.sampled_from([200, 200, 200, 201, 302, 307, 400, 401, 403, 404, 409, 429, 500, 502, 503])
Call = Callable[[AccountClients], object]


def _switched(clients: AccountClients) -> object:
    call = ApiCall("TurnOn", "2020-04-20", {"MqttInstanceId": "{instance_id}", "Note": SECRET})
    return OpenApiSwitch(clients, {Mode.MUTUAL: call}).request("cn-hangzhou", "mqtt-cn-1", EndpointState(Mode.MUTUAL))


CALLS: tuple[Call, ...] = (
    lambda clients: AlibabaInstances(clients, SystemClock()).list("cn-hangzhou"),
    lambda clients: AlibabaHostedCertificates(clients).find("provisioner-"),
    lambda clients: AlibabaHostedCertificates(clients).find_after_name_taken("provisioner-iot"),
    lambda clients: AlibabaHostedCertificates(clients).by_identifier("14000001-cn-hangzhou"),
    lambda clients: AlibabaHostedCertificates(clients).read_back(14000001),
    lambda clients: AlibabaHostedCertificates(clients).upload("provisioner-iot", "a chain", Secret(KEY), "token"),
    lambda clients: AlibabaHostedCertificates(clients, unsafe_key_in_query=True).upload("n", "c", Secret(KEY), "t"),
    lambda clients: AlibabaDeviceCAs(clients).list("cn-hangzhou", "mqtt-cn-1"),
    lambda clients: AlibabaDeviceCAs(clients).device_certificate_active("cn-hangzhou", "mqtt-cn-1", "01", "7"),
    _switched,
)


@pytest.fixture(scope="module")
def api() -> Iterator[HostileApi]:
    """Return an API whose answers each example sets."""
    with HostileApi(lambda _action: (200, {}), {"Location": "http://127.0.0.1:9/?Key=elsewhere"}) as running:
        yield running


@pytest.fixture(scope="module")
def clients(api: HostileApi) -> AccountClients:
    """Return an account whose endpoints are that API."""
    key = AccessKey(Secret("LTAI-id"), Secret(SECRET))
    return AccountClients(Site.CHINA, key, ApiEndpoints(api.url, api.url))


def _failure(call: Call, clients: AccountClients) -> ProvisionerError | None:
    try:
        call(clients)
    except ProvisionerError as error:
        return error
    return None


def _texts(error: ProvisionerError) -> str:
    told = [error.message, error.hint, repr(error), repr(vars(error)), *traceback.format_exception(error)]
    return "\n".join(told)


@QUICK
@given(call=st.sampled_from(CALLS), status=STATUSES, body=BODIES)
def test_any_answer(api: HostileApi, clients: AccountClients, call: Call, status: int, body: Any) -> None:  # noqa: ANN401  whatever JSON holds
    """Status, shape and type decide between a result and an error; nothing of what was sent comes back out."""
    api.answer = lambda _action: (status, body)
    error = _failure(call, clients)
    if error is None:
        return
    told = _texts(error)
    shown = [item for item in (SECRET, api.url, "elsewhere", *BODY.split(), BODY[:30]) if item in told]
    assert (shown, error.__cause__, error.__context__, "\n" in error.message) == ([], None, None, False)


@QUICK
@given(call=st.sampled_from(CALLS), body=st.sampled_from(ECHOES), status=STATUSES)
def test_an_answer_that_repeats_the_key(
    api: HostileApi, clients: AccountClients, call: Call, body: str, status: int
) -> None:
    """A service that quotes what it got, in whatever field, is not quoted again."""
    api.answer = lambda _action: (status, {"Code": f"Bad {body}", "Message": f"got {body}", "RequestId": body})
    error = _failure(call, clients)
    told = "" if error is None else _texts(error)
    assert not [line for line in (*BODY.split(), BODY[:30]) if line in told]
