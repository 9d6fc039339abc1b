"""A subscriber of an SNS topic: a web server on loopback that keeps what is posted to it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Subscriber:
    """Listens from `with` to its end. `refusals` posts are answered with 503 before the first is taken."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self._posts: list[tuple[float, dict[str, Any]]] = []
        self._lock = threading.Lock()
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200 if subscriber._take(json.loads(body)) else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_port}/alerts"

    def posts(self, **attributes: str) -> list[dict[str, Any]]:
        """What was taken so far with these attributes, in order."""
        return [
            post
            for _, post in self.arrivals()
            if all(post["MessageAttributes"][name]["Value"] == value for name, value in attributes.items())
        ]

    def arrivals(self) -> list[tuple[float, dict[str, Any]]]:
        """All that was taken so far, in order, each with the second of the monotonic clock at which it came."""
        with self._lock:
            return list(self._posts)

    def __enter__(self) -> Subscriber:
        threading.Thread(target=self._server.serve_forever, name="subscriber", daemon=True).start()
        return self

    def __exit__(self, _type: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, post: dict[str, Any]) -> bool:
        with self._lock:
            if self.refusals > 0:
                self.refusals -= 1
                return False
            self._posts.append((time.monotonic(), post))
            return True
