"""The error table: what a failed call means, by the service's code, and what is said of it."""

from typing import Any

import pytest

from provisioner.alibaba.failures import clean, coded, failure_of, require_success
from provisioner.errors import (
    DeniedError,
    IdentityError,
    NameTakenError,
    NotFoundError,
    RejectedError,
    ServiceError,
    ThrottledError,
    UnansweredError,
)


class SdkError(Exception):
    """Looks like the SDK's exceptions, which carry what they like."""

    def __init__(self, text: str = "", **fields: Any) -> None:  # noqa: ANN401  whatever the SDK sets
        super().__init__(text)
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("FlowControlError", ThrottledError),
        ("Throttling", ThrottledError),
        ("Throttling.User", ThrottledError),
        ("throttling.api", ThrottledError),
        ("SystemOverFlow", ThrottledError),
        ("OperationDenied.SystemUpgrading", ThrottledError),
        ("InternalError", UnansweredError),
        ("ServiceUnavailable", UnansweredError),
        ("ServiceUnavailable.Zone", UnansweredError),
        ("SystemError", UnansweredError),
        ("NameRepeat", NameTakenError),
        ("AlreadyExists.Name", NameTakenError),
        ("InvalidAccessKeyId.NotFound", IdentityError),
        ("InvalidAccessKeyId", IdentityError),
        ("SignatureDoesNotMatch", IdentityError),
        ("IncompleteSignature", IdentityError),
        ("InvalidTimeStamp.Expired", IdentityError),
        ("IllegalTimestamp", IdentityError),
        ("InvalidSecurityToken.Expired", IdentityError),
        ("Forbidden", DeniedError),
        ("Forbidden.RAM", DeniedError),
        ("NoPermission", DeniedError),
        ("AccessDenied.NoAuth", DeniedError),
        ("InstancePermissionCheckFailed", DeniedError),
        ("MqttOwnerCheckError", DeniedError),
        ("NotFound", NotFoundError),
        ("MqttInstanceNotFound", NotFoundError),
        ("ServerCertificateId.NotFound", NotFoundError),
        ("InvalidAction.NotFound", RejectedError),
        ("ApiNotSupport", RejectedError),
        ("CertificateFormatException", RejectedError),
        ("InsufficientQuota", RejectedError),
        ("NameRepeatedly", RejectedError),
        ("", RejectedError),
    ],
)
def test_codes_decide(code: str, kind: type[ServiceError]) -> None:
    """Every documented code has its class; unknown ones are rejections, which are never repeated."""
    found = coded("SomeAction", code, "said", "request-1")
    assert (type(found), found.action, found.code, found.request_id) == (kind, "SomeAction", code, "request-1")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Whatever", 400, RejectedError),
        ("Whatever", 500, UnansweredError),
        ("Whatever", 504, UnansweredError),
        ("Gateway.Timeout", 400, UnansweredError),
        ("ReadTimedOut", 200, UnansweredError),
        ("InternalError.Broker", 200, UnansweredError),
        ("MqttInstanceNotFound", 500, NotFoundError),
        ("RegisterCodeError", 500, RejectedError),
        ("ParameterFieldCheckFailed", 500, RejectedError),
        ("SystemOverFlow", 500, ThrottledError),
    ],
)
def test_a_status_says_something_of_unknown_codes_alone(code: str, status: int, kind: type[ServiceError]) -> None:
    """A switch that failed on the service's side in a way that no page names may be under way all the same."""
    assert type(failure_of("TurnOn", SdkError(code=code, status_code=status))) is kind


@pytest.mark.parametrize("action", ["ListCaCertificate", "GetRegisterCode", "BatchQuerySessionByClientIds"])
def test_an_unknown_code_ends_a_read_whatever_its_status(action: str) -> None:
    """Callers' mistakes come with HTTP 500 too, and a read leaves nothing behind that would have to be looked for."""
    assert type(failure_of(action, SdkError(code="Whatever", status_code=500))) is RejectedError


def test_messages_of_the_service_are_told_but_not_about_signatures() -> None:
    """Answers about signatures quote what was signed."""
    assert coded("List", "Forbidden", "no  access\n", "").message == "List: Forbidden: no access"
    assert coded("List", "SignatureDoesNotMatch", "server string to sign is ...", "").message == (
        "List: SignatureDoesNotMatch"
    )
    assert len(coded("List", "x" * 999, "a b " * 999, "r" * 999).message) < 300


@pytest.mark.parametrize(
    ("action", "code", "hint"),
    [
        ("ListInstances", "Forbidden.RAM", "the RAM policy needs mq:ListInstances; see the README"),
        ("Unknown", "Forbidden.RAM", DeniedError.default_hint),
        ("ListInstances", "InvalidTimeStamp.Expired", "this machine's clock is off: compare it with a time server"),
        ("ListInstances", "SignatureDoesNotMatch", "check the access key's id and secret"),
        ("TurnOn", "ApiNotSupport", "check action and version in [switches.openapi]"),
        ("ListCaCertificate", "ApiNotSupport", ServiceError.default_hint),
        ("ListInstances", "InternalError", UnansweredError.default_hint),
        ("ListInstances", "Whatever", ServiceError.default_hint),
    ],
)
def test_next_steps(action: str, code: str, hint: str) -> None:
    """Permissions are named by action, clocks and keys by code."""
    assert coded(action, code, "", "").hint == hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPSConnectionPool(host='x'): /?Key=SECRET: Connection refused", "connection refused"),
        ("[Errno -2] Name or service not known", "its name does not resolve"),
        ("Failed to resolve 'x'", "its name does not resolve"),
        ("Read timed out.", "no answer in time"),
        ("Exceeded 0 redirects", "the service redirects, which is refused"),
        ("Connection reset by peer", "the connection was reset"),
        ("Connection aborted", "the connection was closed"),
        ("Unable to connect to proxy", "the proxy failed"),
        ("Failed to parse the value as json", "the answer is not JSON"),
        ("/?Key=SECRET", "the call failed on the way"),
    ],
)
def test_what_failed_on_the_way_is_said_in_our_words(text: str, words: str) -> None:
    """The SDK's own text, which holds the URL, is not repeated; the call may have landed."""
    for error in (
        SdkError(text),
        SdkError("outer", inner_exception=SdkError(text), code=None),
        SdkError(text, code="None"),
    ):
        found = failure_of("List", error)
        assert (type(found), found.message) == (UnansweredError, f"List: no usable answer: {words}")


def test_a_service_that_cannot_be_trusted_is_not_asked_again() -> None:
    """Nothing was sent, and repeating would not help."""
    found = failure_of("List", SdkError("certificate verify failed: self-signed certificate"))
    assert (type(found), found.message) == (
        RejectedError,
        "List: not sent: the service's TLS certificate does not verify",
    )


def test_an_answer_with_a_code_is_read_from_the_sdks_exception() -> None:
    """The service's raw message lies under ``data``; the decorated one is left."""
    error = SdkError(
        "code: 403, URL", code="Forbidden", data={"Message": "not yours", "statusCode": 403}, request_id="r"
    )
    found = failure_of("List", error)
    assert (type(found), found.message, found.request_id) == (DeniedError, "List: Forbidden: not yours", "r")
    odd = failure_of("List", SdkError(code="Forbidden", data=["Message"], request_id=7))
    assert (odd.message, odd.request_id) == ("List: Forbidden", "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Code": "200"},
        {"Code": 200},
        {"Code": "OK"},
        {"Success": "true", "Code": "whatever"},
        {"Success": True},
        {"Success": "TRUE"},
    ],
)
def test_answers_that_are_good(body: dict[str, Any]) -> None:
    """Success may be a text; without it the code decides."""
    require_success("List", body)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({"Success": "false", "Code": "Forbidden", "Message": "no"}, DeniedError, "List: Forbidden: no"),
        ({"Success": False}, UnansweredError, "List: the service answered without success and without a code"),
        (
            {"Success": "false", "Code": "200"},
            UnansweredError,
            "List: the service answered without success and without a code",
        ),
        ({"Success": "maybe", "Code": "SystemError"}, UnansweredError, "List: SystemError"),
        ({"Code": "NotFound"}, NotFoundError, "List: NotFound"),
        ({"Code": 500, "Message": ["a"]}, UnansweredError, "List: 500: ['a']"),
        ({"Code": 400, "Message": "a"}, RejectedError, "List: 400: a"),
    ],
)
def test_answers_that_say_they_failed(body: dict[str, Any], kind: type[ServiceError], message: str) -> None:
    """HTTP 200 is no success."""
    with pytest.raises(ServiceError) as caught:
        require_success("List", body)
    assert (type(caught.value), caught.value.message) == (kind, message)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain  text\nin lines", "plain text in lines"),
        ("\x1b[31mred\x07", "[31mred"),
        ("got -----BEGIN PRIVATE KEY-----\nMII", "got [removed]"),
        ("got -----begin private key", "got [removed]"),
        ("got " + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" + "\nrest", "got [removed]"),
        ("see https://host/?Key=MII and more", "see [removed] and more"),
        ("request 01234567-89AB-CDEF-0123-456789ABCDEF", "request 01234567-89AB-CDEF-0123-456789ABCDEF"),
        ("14000001-cn-hangzhou", "14000001-cn-hangzhou"),
    ],
)
def test_text_from_outside_is_cleaned(text: str, cleaned: str) -> None:
    """Controls, URLs and what may be a key are left out; ids of requests and certificates stay."""
    assert clean(text) == cleaned
