"""An API on loopback that answers whatever a test wants, well-formed or not."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answer = tuple[int, object]


class HostileApi:
    """Answers every request with a status and a body; a context manager that starts and stops it.

    Args:
        answer: is handed the action's name; returns the status, and the body: bytes as they are, anything else as JSON.
        headers: further headers of every answer.
    """

    def __init__(self, answer: Callable[[str], Answer], headers: dict[str, str] | None = None) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, bytes]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            """Reads the request, notes it, and answers."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Answer POST."""
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                action = self.headers.get("x-acs-action", "")
                api.requests.append((action, self.path, body))
                status, content = api.answer(action)
                sent = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST  # noqa: N815  the name that the library looks for

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
