"""The API over HTTP on loopback: routing, errors, faults, and what a test may ask.

Never logs a request target, answers only to loopback hosts, and records names of parameters, never values.
"""

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from provisioner.sandbox import hosting, mqtt_service
from provisioner.sandbox.answers import Answer, ApiError
from provisioner.sandbox.faults import CallFault, Faults
from provisioner.sandbox.signature import Request, Verifier

_LARGEST_BODY = 1 << 20
_HANG_SECONDS = 60.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call: its action, its method, and the names of its parameters."""

    action: str
    method: str
    query: tuple[str, ...]
    body: tuple[str, ...]


class Api:
    """Answers requests.

    Args:
        verifier: of signatures.
        certificates: actions of Certificate Management Service.
        mqtt: actions of ApsaraMQ for MQTT.
        faults: what goes wrong.
        truth: what the instances really are, for tests.
    """

    def __init__(
        self,
        verifier: Verifier,
        certificates: Mapping[str, Callable[[dict[str, str]], Answer]],
        mqtt: Mapping[str, Callable[[dict[str, str]], Answer]],
        faults: Faults,
        truth: Callable[[], object],
    ) -> None:
        self._verifier = verifier
        self._services = {hosting.VERSION: certificates, mqtt_service.VERSION: mqtt}
        self.faults = faults
        self._truth = truth
        self._lock = threading.Lock()
        self._calls: list[RecordedCall] = []
        self.ended = threading.Event()

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """What was called so far."""
        with self._lock:
            return tuple(self._calls)

    def answer(self, request: Request) -> tuple[int, Answer, CallFault | None]:
        """Return status and body of the answer to an API request, and the fault that befalls its way back."""
        fault: CallFault | None = None
        try:
            action, version = self._verifier.verify(request)
            self._record(action, request)
            fault = self.faults.of_call(action)
            if fault in {CallFault.LOST_REQUEST, CallFault.HTML_502, CallFault.REDIRECT_307}:
                return 200, {}, fault
            if fault is CallFault.HELD and not self._may_act():
                return 200, {}, CallFault.LOST_REQUEST
            _raise(fault, version)
            answer = self._action(action, version)(request.parameters())
            if fault is CallFault.SUCCESS_FALSE:
                answer = {"Success": "false", "Code": "SystemError", "Message": "pretended"}
        except ApiError as error:
            return error.status, {"Code": error.code, "Message": error.message}, None
        return 200, answer, fault

    def perform(self, action: str, parameters: dict[str, str]) -> Answer:
        """Perform an action of ApsaraMQ for MQTT for somebody who is signed in to the console."""
        return self._action(action, mqtt_service.VERSION)(parameters)

    def told(self, path: str) -> tuple[int, object]:
        """Return what a test may ask: ``/faults``, ``/instances``, ``/calls``."""
        if path == "/faults":
            return 200, self.faults.armed()
        if path == "/instances":
            return 200, self._truth()
        if path == "/calls":
            shown = [{"action": c.action, "method": c.method, "query": c.query, "body": c.body} for c in self.calls]
            return 200, shown
        return 404, {"error": "there are /faults, /instances and /calls"}

    def arm(self, body: bytes) -> tuple[int, object]:
        """Arm a fault as JSON asks: ``{"fault": "dead", "instance": "mqtt-..."}`` or with ``"action"``.

        ``"times"`` and ``"seconds"`` may stand beside; see ``Faults.arm``.
        """
        try:
            asked = json.loads(body)
            self.faults.arm(
                str(asked["fault"]),
                instance_id=asked.get("instance"),
                action=asked.get("action"),
                times=int(asked.get("times", 1)),
                seconds=None if asked.get("seconds") is None else float(asked["seconds"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}
        return 200, self.faults.armed()

    def _record(self, action: str, request: Request) -> None:
        query = tuple(sorted(name for name, _ in request.query_pairs()))
        body = tuple(sorted(name for name, _ in request.body_pairs()))
        with self._lock:
            self._calls.append(RecordedCall(action, request.method, query, body))

    def _may_act(self) -> bool:
        """Hold a call until it is let go and return True; False when the sandbox ends or nobody lets it go."""
        for _ in range(int(_HANG_SECONDS / _LOOK_SECONDS)):
            if self.faults.was_let_go():
                return True
            if self.ended.wait(_LOOK_SECONDS):
                return False
        return False

    def _action(self, action: str, version: str) -> Callable[[dict[str, str]], Answer]:
        found = self._services.get(version, {}).get(action)
        if found is not None:
            return found
        if version == mqtt_service.VERSION:
            raise ApiError("ApiNotSupport", "The specified API is not supported.", 404)
        raise ApiError("InvalidAction.NotFound", "The specified action is not found.", 404)


def serve(api: Api, port: int) -> ThreadingHTTPServer:
    """Return a server on loopback; the caller runs and closes it."""
    handler = type("Handler", (_Handler,), {"api": api})
    server = _Server(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


class _Server(ThreadingHTTPServer):
    """Quiet about clients that go away."""

    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    api: Api
    protocol_version = "HTTP/1.1"
    timeout = 65

    def do_GET(self) -> None:
        """Answer GET."""
        self._handle()

    def do_POST(self) -> None:
        """Answer POST."""
        self._handle()

    def log_message(self, *_: object) -> None:
        """Log nothing: targets may hold what must not be seen."""

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._send(413, {"Code": "DataTooLongException", "Message": "The request is too large."})
            return
        body = self.rfile.read(int(length))
        if not _is_loopback(self.headers.get("Host", "")):
            self._send(403, {"Code": "Forbidden", "Message": "The sandbox answers only to loopback hosts."})
            return
        parts = urlsplit(self.path)
        if parts.path == "/":
            self._api(Request(self.command, parts.query, _lowered(self.headers.items()), body))
        elif self.command == "POST" and parts.path == "/faults":
            self._send(*self.api.arm(body))
        else:
            self._send(*self.api.told(parts.path))

    def _api(self, request: Request) -> None:
        status, answer, fault = self.api.answer(request)
        if fault in {CallFault.LOST_ANSWER, CallFault.LOST_REQUEST}:
            self.close_connection = True
        elif fault is CallFault.HTML_502:
            self._send_raw(502, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
        elif fault is CallFault.REDIRECT_307:
            self._send_raw(307, b"", {"Location": f"http://{self.headers.get('Host', '')}/elsewhere"})
        else:
            if fault is CallFault.HANG:
                self.api.ended.wait(_HANG_SECONDS)
            request_id = str(uuid.uuid4()).upper()
            host = {"HostId": self.headers.get("Host", "")} if status >= 400 else {}  # noqa: PLR2004
            self._send(status, {"RequestId": request_id, **host, **answer})

    def _send(self, status: int, body: Any) -> None:  # noqa: ANN401  whatever JSON holds
        self._send_raw(status, json.dumps(body).encode(), {"Content-Type": "application/json;charset=utf-8"})

    def _send_raw(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _raise(fault: CallFault | None, version: str) -> None:
    """Fail as the service of that version does; their codes and statuses differ (documented)."""
    if fault is CallFault.THROTTLED and version == mqtt_service.VERSION:
        raise ApiError("SystemOverFlow", "The system is throttled.", 500)
    if fault is CallFault.THROTTLED:
        raise ApiError("FlowControlError", "The request was denied due to request throttling.")
    if fault is CallFault.DENIED and version == mqtt_service.VERSION:
        raise ApiError("PermissionCheckFailed", "Failed to validate the permission.", 403)
    if fault is CallFault.DENIED:
        raise ApiError("NoPermission", "You are not authorized to do this action.", 403)
    if fault is CallFault.INTERNAL_ERROR:
        raise ApiError("InternalError", "The request processing has failed.")


def _lowered(headers: Any) -> dict[str, str]:  # noqa: ANN401  pairs of texts
    return {name.lower(): value for name, value in headers}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(urlsplit(f"//{host}").hostname or "").is_loopback
    except ValueError:
        return host.split(":", maxsplit=1)[0] == "localhost"
