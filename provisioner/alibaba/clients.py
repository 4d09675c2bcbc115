"""SDK clients: one per service and region, made once, shared by threads.

Measured about the SDK (alibabacloud-tea-openapi 0.4.6, darabonba-core 1.0.9): no retries of its own; proxies of the
environment apply to loopback too and NO_PROXY is ignored; redirects are followed, and a 307 re-posts the body, key
included, to another host; no option turns that off, so it is set on the sessions.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from provisioner import __version__
from provisioner.alibaba.credentials import default_credentials
from provisioner.alibaba.failures import failure_of
from provisioner.alibaba.quiet import quieten
from provisioner.errors import ServiceError, UnansweredError
from provisioner.model.secret import Secret

_CONNECT_MS = 5_000
_READ_MS = 10_000
_POOL = 12
CAS_VERSION = "2020-04-07"
MQTT_VERSION = "2020-04-20"


class Site(StrEnum):
    """Which Alibaba Cloud the account belongs to."""

    CHINA = "china"
    INTERNATIONAL = "international"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of the account."""

    id: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class ApiEndpoints:
    """URLs of the two services, instead of the public ones."""

    certificates: str
    mqtt: str


@dataclass(frozen=True, slots=True)
class Call:
    """One API call; ``body`` travels as a form, never in the URL. Either may hold a key, so neither is shown."""

    action: str
    version: str
    method: str = "POST"
    query: dict[str, object] = field(default_factory=dict, repr=False)
    body: dict[str, object] = field(default_factory=dict, repr=False)


class AccountClients:
    """Calls of one account.

    Args:
        site: decides the hosting endpoint.
        access_key: the Alibaba Cloud default chain when None.
        endpoints: other addresses, such as the sandbox's.
    """

    def __init__(self, site: Site, access_key: AccessKey | None = None, endpoints: ApiEndpoints | None = None) -> None:
        self._site = site
        self._access_key = access_key
        self._endpoints = endpoints
        self._clients: dict[str, Any] = {}
        self._credentials: Any = None
        self._lock = threading.Lock()

    def certificates(self, call: Call) -> dict[str, Any]:
        """Return the answer of Certificate Management Service. Raises ``ServiceError``."""
        if self._endpoints is not None:
            return self._call(self._endpoints.certificates, call)
        host = "cas.aliyuncs.com" if self._site is Site.CHINA else "cas.ap-southeast-1.aliyuncs.com"
        return self._call(f"https://{host}", call)

    def mqtt(self, region: str, call: Call) -> dict[str, Any]:
        """Return the answer of ApsaraMQ for MQTT in a region. Raises ``ServiceError``."""
        return self._call(self._endpoints.mqtt if self._endpoints else f"https://onsmqtt.{region}.aliyuncs.com", call)

    def _call(self, url: str, call: Call) -> dict[str, Any]:
        client = self._client(url)
        failure: ServiceError | None = None
        answer: object = None
        try:
            answer = client.call_api(*_request(call))
        except Exception as error:  # noqa: BLE001  whatever the SDK raises ends here
            failure = failure_of(call.action, error)
        if failure is not None:  # raised here, so that neither cause nor context keeps the SDK's exception
            raise failure
        body = answer.get("body") if isinstance(answer, dict) else None
        if not isinstance(body, dict):
            raise UnansweredError(f"{call.action}: the answer is not a JSON object", action=call.action)
        return body

    def _client(self, url: str) -> Any:  # noqa: ANN401  the SDK ships no types
        with self._lock:
            if url not in self._clients:
                self._clients[url] = self._make(url)
            return self._clients[url]

    def _make(self, url: str) -> Any:  # noqa: ANN401  the SDK ships no types
        from alibabacloud_cas20200407.client import Client as CasClient  # noqa: PLC0415  300 ms
        from alibabacloud_onsmqtt20200420.client import Client as MqttClient  # noqa: PLC0415
        from alibabacloud_tea_openapi.utils_models import Config  # noqa: PLC0415

        parts = urlsplit(url)
        quieten()
        _guard_sessions()
        kind = CasClient if parts.netloc.startswith("cas.") else MqttClient
        options: dict[str, Any] = {
            "endpoint": parts.netloc,
            "protocol": parts.scheme.upper(),
            "user_agent": f"provisioner/{__version__}",
            "max_idle_conns": _POOL,
            "connect_timeout": _CONNECT_MS,
            "read_timeout": _READ_MS,
        }
        if self._access_key is not None:
            options["access_key_id"] = self._access_key.id.reveal()
            options["access_key_secret"] = self._access_key.secret.reveal()
        else:
            self._credentials = self._credentials or default_credentials()
            options["credential"] = self._credentials
        return kind(Config(**options))


def _request(call: Call) -> tuple[Any, Any, Any]:
    from alibabacloud_tea_openapi.utils import Utils  # noqa: PLC0415
    from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params  # noqa: PLC0415
    from darabonba.runtime import RuntimeOptions  # noqa: PLC0415

    params = Params(
        action=call.action,
        version=call.version,
        protocol="HTTPS",
        pathname="/",
        method=call.method,
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    request = OpenApiRequest(query=Utils.query(call.query), body=call.body or None)
    return params, request, RuntimeOptions(connect_timeout=_CONNECT_MS, read_timeout=_READ_MS)


def _guard_sessions() -> None:
    """Make every session of the SDK refuse redirects, and go without a proxy where none is wanted.

    The SDK makes its sessions in one place and keeps them under keys whose form changed from patch to patch; so they
    are caught where they are made, whatever their key. Should that place be gone, this fails before anything is sent.
    """
    from darabonba.core import DaraCore  # noqa: PLC0415

    make = DaraCore._get_session  # noqa: SLF001  no public way
    if getattr(make, "guarded", False):
        return

    def guarded(*args: Any, **options: Any) -> Any:  # noqa: ANN401  the SDK ships no types
        session = make(*args, **options)
        if session.max_redirects:
            session.trust_env = False
            session.send = partial(_sent, session.send)
            session.max_redirects = 0
        return session

    guarded.guarded = True  # type: ignore[attr-defined]
    DaraCore._get_session = staticmethod(guarded)  # noqa: SLF001


def _sent(send: Callable[..., Any], request: Any, **options: Any) -> Any:  # noqa: ANN401  requests ships no types
    """Send without a proxy over plain http, which is loopback, and where NO_PROXY says so: the SDK heeds neither."""
    from requests.utils import should_bypass_proxies  # noqa: PLC0415

    if request.url.startswith("http:") or should_bypass_proxies(request.url, no_proxy=None):
        options["proxies"] = {}
    return send(request, **options)
