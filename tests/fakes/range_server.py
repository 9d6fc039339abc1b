"""An HTTP server of bytes by path that answers ranges as S3 and CloudFront do, and remembers what it was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class RangeServer(ThreadingHTTPServer):
    """`contents` by their paths; `asked` is each request as its path and range."""

    daemon_threads = True

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents = contents
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RangeServer

    def do_GET(self) -> None:
        path, wanted = unquote(self.path.partition("?")[0]), self.headers.get("Range")
        self.server.asked.append((path, wanted))
        whole = self.server.contents.get(path)
        if whole is None:
            self._answer(404, b"")
            return
        found = _RANGE.fullmatch(wanted or "")
        if found is None:
            self._answer(200, whole)
            return
        first = int(found[1])
        last = min(int(found[2]) if found[2] else len(whole) - 1, len(whole) - 1)
        if first > last:
            self._answer(416, b"", f"bytes */{len(whole)}")
            return
        self._answer(206, whole[first : last + 1], f"bytes {first}-{last}/{len(whole)}")

    def _answer(self, status: int, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@contextmanager
def range_server(contents: Mapping[str, bytes]) -> Iterator[RangeServer]:
    """A server that ends with the block."""
    server = RangeServer(contents)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
