"""What the service's codes about device CAs mean, whatever their HTTP status."""

import pytest

from provisioner.alibaba.failures import coded
from provisioner.errors import DeniedError, NotFoundError, RejectedError, ServiceError, ThrottledError, UnansweredError


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("RegisterCodeError", RejectedError, "does not carry the code that the service gave out last"),
        ("RegisterCodeUsed", RejectedError, "was used before"),
        ("CertificateContentError", RejectedError, "basicConstraints CA:TRUE"),
        ("SnNotUnique", RejectedError, "one instance per region"),
        ("CaNumExceed", RejectedError, "as many device CAs as it may have"),
        ("ParameterFieldCheckFailed", RejectedError, "said by the service"),
        ("FindCaBySnError", NotFoundError, "knows no CA of this serial number"),
        ("FindDeviceBySnError", NotFoundError, "said by the service"),
        ("MqttInstanceNotFound", NotFoundError, "said by the service"),
        ("InstancePermissionCheckFailed", DeniedError, "said by the service"),
        ("PermissionCheckFailed", DeniedError, "said by the service"),
        ("MqttOwnerCheckError", DeniedError, "said by the service"),
        ("SystemOverFlow", ThrottledError, "said by the service"),
        ("GetCaNumError", UnansweredError, "said by the service"),
        ("InternalError", UnansweredError, "said by the service"),
    ],
)
def test_a_code_decides(code: str, kind: type[ServiceError], words: str) -> None:
    """Limits have messages of their own; the rest is told in the service's words."""
    error = coded("RegisterCaCertificate", code, "said by the service", "request-1")
    assert (type(error), error.code, error.request_id) == (kind, code, "request-1")
    assert error.message.startswith(f"RegisterCaCertificate: {code}: ")
    assert words in error.message


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("GetRegisterCode", "mq:GetRegisterCode"),
        ("RegisterCaCertificate", "mq:RegisterCa"),
        ("ActiveCaCertificate", "mq:ActiveCaCertificate"),
        ("InactivateCaCertificate", "mq:InactivateCaCertificate"),
        ("ListCaCertificate", "mq:ListCaCertificate"),
        ("ListDeviceCertificateByCaSn", "mq:ListDeviceCertificateByCaSn"),
    ],
)
def test_a_denied_call_names_edition_and_permission(action: str, permission: str) -> None:
    """The RAM name of a registration is irregular; a missing edition shows as a missing permission too."""
    ram = f"the RAM policy needs {permission} and mq:MqttInstanceAccess; see the README"
    assert coded(action, "PermissionCheckFailed", "", "").hint == ram
    edition = "the instance must be platinum (on some pages professional too), and "
    assert coded(action, "InstancePermissionCheckFailed", "", "").hint == edition + ram
