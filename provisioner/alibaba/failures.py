"""The error table: what a failed call means, by the service's code and never by its HTTP status.

FlowControlError comes with HTTP 400 and callers' mistakes with HTTP 500 (documented). The status says something only of
codes that no page names: a write that fails so with HTTP 5xx may have landed. Texts are our own; what the service says
is cleaned and shortened.
"""

import re
from typing import Any

from provisioner.alibaba.explained import EXPLAINED
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

# Ordered; the first pattern that matches the whole code decides. Codes as documented for the two products, or seen in
# public issues of other tools.
_TABLE: tuple[tuple[str, type[ServiceError]], ...] = (
    (r"FlowControlError|Throttling(\..*)?|SystemOverFlow|OperationDenied\.SystemUpgrading|ServiceBusy", ThrottledError),
    (r"(InternalError|InternalServerError|ServiceUnavailable|SystemError|UnknownError)(\..*)?", UnansweredError),
    (r"GetCaNumError", UnansweredError),
    (r"NameRepeat|ParamRepeat|AlreadyExists(\..*)?|CertificatePrivateKey\.Existed", NameTakenError),
    (r"InvalidAccessKeyId(\..*)?|SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeySecret", IdentityError),
    (r"(IllegalTimestamp|InvalidTimeStamp(\..*)?|InvalidSecurityToken(\..*)?|MissingSecurityToken)", IdentityError),
    (r"(Forbidden|NoPermission|AccessDenied|PermissionDenied)(\..*)?", DeniedError),
    (r"InstancePermissionCheckFailed|PermissionCheckFailed|MqttOwnerCheckError", DeniedError),
    (r"NotFound(\..*)?|MqttInstanceNotFound|Find(Ca|Device)BySnError|.*\.NotFound", NotFoundError),
    (r"RegisterCode(Error|Used)|CertificateContentError|SnNotUnique|CaNumExceed", RejectedError),
    (r"ParameterFieldCheckFailed|MissingParameter(\..*)?|InvalidParameter(\..*)?", RejectedError),
)
_READS = ("Get", "List", "BatchQuery", "Query", "Describe")
_SERVERS_FAULT = 500
_SOUNDS_LOST = re.compile(r"5\d\d|.*time.?out.*|.*timed.?out.*", re.IGNORECASE)
_UNSUPPORTED = {"ApiNotSupport", "InvalidAction.NotFound"}
_CLOCK = re.compile(r"IllegalTimestamp|InvalidTimeStamp.*", re.IGNORECASE)
_PERMISSIONS = {
    "UploadUserCertificate": "yundun-cert:UploadUserCertificate",
    "GetUserCertificateDetail": "yundun-cert:GetUserCertificateDetail",
    "ListCertificates": "yundun-cert:ListCertificates",
    "DeleteUserCertificate": "yundun-cert:DeleteUserCertificate",
    "BatchQuerySessionByClientIds": "mq:BatchQuerySessionByClientIds and mq:MqttInstanceAccess",
    "SetSniConfig": "mq:SetSniConfig and mq:MqttInstanceAccess",
    "ListInstances": "mq:ListInstances",
    "ListCaCertificate": "mq:ListCaCertificate and mq:MqttInstanceAccess",
    "ListDeviceCertificateByCaSn": "mq:ListDeviceCertificateByCaSn and mq:MqttInstanceAccess",
    "GetRegisterCode": "mq:GetRegisterCode and mq:MqttInstanceAccess",
    "RegisterCaCertificate": "mq:RegisterCa and mq:MqttInstanceAccess",  # irregular, as documented
    "ActiveCaCertificate": "mq:ActiveCaCertificate and mq:MqttInstanceAccess",
    "InactivateCaCertificate": "mq:InactivateCaCertificate and mq:MqttInstanceAccess",
}
_EDITION = "the instance must be platinum (on some pages professional too), and "
_LONGEST = 200
# A URL may hold parameters; PEM, and any run as long as a line of it, may be a key. What follows one may belong to it.
_SECRETIVE = re.compile(r"https?://\S+|(?:-----BEGIN|[A-Za-z0-9+/=%_-]{40}).*", re.DOTALL | re.IGNORECASE)
_DISTRUSTED = "the service's TLS certificate does not verify"
_DISTRUSTED_HINT = "check account.endpoints, and whether a proxy breaks TLS open between here and the service"


def failure_of(action: str, error: Exception) -> ServiceError:
    """Return our error for whatever the SDK raised.

    Args:
        action: the API action.
        error: the SDK's exception; nothing of its text is kept but the service's own message.
    """
    code = _text(error, "code")
    if not code or code == "None":
        words = _transport(error)
        if words == _DISTRUSTED:  # nothing was sent, and nothing but the configuration or a proxy can change that
            return RejectedError(f"{action}: not sent: {words}", action=action, hint=_DISTRUSTED_HINT)
        return UnansweredError(f"{action}: no usable answer: {words}", action=action)
    data = getattr(error, "data", None)
    said = data.get("Message") or data.get("message") if isinstance(data, dict) else None
    status = getattr(error, "status_code", None)
    return coded(
        action,
        code,
        said if isinstance(said, str) else "",
        _text(error, "request_id"),
        status=status if isinstance(status, int) else 0,
    )


def coded(action: str, code: str, said: str, request_id: str, *, status: int = 0) -> ServiceError:
    """Return our error for an answer with an error code.

    Args:
        action: the API action.
        code: the service's code.
        said: the service's message.
        request_id: the service's request id.
        status: the HTTP status, 0 where it says nothing.
    """
    code = clean(code)[:80]
    if code in _UNSUPPORTED:
        return RejectedError(
            f"{action}: the service does not have this action ({code})",
            action=action,
            code=code,
            request_id=clean(request_id)[:64],
            hint=None if action in _PERMISSIONS else "check action and version in [switches.openapi]",
        )
    known = (kind for pattern, kind in _TABLE if re.fullmatch(pattern, code, re.IGNORECASE))
    kind = next(known, None) or _of_unknown(action, code, status)
    message = f"{action}: {code}"
    explained = EXPLAINED.get(code)
    if explained is not None:
        message += f": {explained.words}"
    elif kind is not IdentityError and clean(said):  # answers about signatures quote what was signed
        message += f": {clean(said)[:_LONGEST]}"
    hint = explained.hint if explained else _hint(kind, action, code)
    return kind(message, action=action, code=code, request_id=clean(request_id)[:64], hint=hint)


def require_success(action: str, body: dict[str, Any]) -> None:
    """Raise ``ServiceError`` when an HTTP 200 says that the call failed."""
    success = body.get("Success")
    code = str(body.get("Code") or "")
    good = code in {"", "200", "OK"} if success is None else str(success).lower() == "true"
    if not good:
        said, request_id = str(body.get("Message") or ""), str(body.get("RequestId") or "")
        if code in {"", "200", "OK"}:
            raise UnansweredError(f"{action}: the service answered without success and without a code", action=action)
        raise coded(action, code, said, request_id)


def clean(text: str) -> str:
    """Return text from outside on one line, without control characters, URLs, and anything that may be a key."""
    text = _SECRETIVE.sub("[removed]", text)
    return " ".join("".join(item if item.isprintable() else " " for item in text).split())


def _of_unknown(action: str, code: str, status: int) -> type[ServiceError]:
    lost = _SOUNDS_LOST.fullmatch(code) or (status >= _SERVERS_FAULT and not action.startswith(_READS))
    return UnansweredError if lost else RejectedError


def _hint(kind: type[ServiceError], action: str, code: str) -> str | None:
    if _CLOCK.fullmatch(code):
        return "this machine's clock is off: compare it with a time server"
    if kind is IdentityError:
        return "check the access key's id and secret"
    if kind is DeniedError and action in _PERMISSIONS:
        edition = _EDITION if code.startswith("InstancePermissionCheck") else ""
        return f"{edition}the RAM policy needs {_PERMISSIONS[action]}; see the README"
    return None


def _text(error: Exception, name: str) -> str:
    value = getattr(error, name, None)
    return value if isinstance(value, str) else ""


def _transport(error: Exception) -> str:
    inner = str(getattr(error, "inner_exception", None) or error).lower()
    for mark, words in (
        ("redirect", "the service redirects, which is refused"),
        ("refused", "connection refused"),
        ("name or service", "its name does not resolve"),
        ("resolve", "its name does not resolve"),
        ("certificate verify", _DISTRUSTED),
        ("timed out", "no answer in time"),
        ("reset", "the connection was reset"),
        ("aborted", "the connection was closed"),
        ("closed", "the connection was closed"),
        ("proxy", "the proxy failed"),
        ("json", "the answer is not JSON"),
    ):
        if mark in inner:
            return words
    return "the call failed on the way"
