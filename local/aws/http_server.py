"""A threaded HTTP/1.1 server for a WSGI application, on loopback.

Unlike the development servers at hand it keeps connections, asks for a body (`100 Continue`) only when the application
reads it, so that a refusal costs no upload, and can drop a connection as a dead network does (`Dropped`). Of AWS it
knows only how a request says whom it is for.

Invariants: a body is never read beyond its length; a connection whose body was not read to its end is closed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

from werkzeug.serving import DechunkedInput

log = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

IDLE_S_MAX = 60.0  # a connection with no request for so long is closed; clients open another
LEFTOVER_BYTES_MAX = 1 << 20  # of an unread body that is thrown away to keep the connection; beyond, it is closed
LINGER_BYTES_MAX = 32 << 20  # thrown away before a connection is closed: a client that sends reads its answer late
LINGER_S_MAX = 2.0  # without a byte meanwhile
BACKLOG = 256


_SERVICE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")
HEADERS_KEY = "edgenvr.headers"
"""Where the headers are as they came: WSGI cannot tell `a_b` from `a-b`."""


class Dropped(Exception):  # noqa: N818 - an instruction to the server, not a fault
    """Raised by an application: cut the connection without an answer."""


class Body(io.RawIOBase):
    """The body of one request: asks for it when it is first read, and ends where it ends."""

    def __init__(self, stream: io.BufferedIOBase, length: int, ask: Callable[[], None] | None) -> None:
        self._stream = stream
        self._ask = ask
        self.left_bytes = length

    def readable(self) -> bool:
        """A body can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills `buffer` with what comes next; 0 at the end. A client that goes away early is a ConnectionError."""
        if self._ask is not None:
            self._ask()
            self._ask = None
        view = memoryview(buffer)[: self.left_bytes]
        if not view:
            return 0
        count = self._stream.readinto1(view)
        if not count:
            raise ConnectionError(f"the client went away with {self.left_bytes} bytes of its body unsent")
        self.left_bytes -= count
        return count


class ChunkedBody(DechunkedInput):
    """A body whose length is told chunk by chunk, read through `stream`; a client that waits is asked for it first."""

    def __init__(self, rfile: IO[bytes], ask: Callable[[], None] | None) -> None:
        super().__init__(rfile)
        self._ask = ask
        self.stream = io.BufferedReader(self)

    def readinto(self, buffer: Any) -> int:
        """As it comes."""
        if self._ask is not None:
            self._ask()
            self._ask = None
        return super().readinto(buffer)

    def ends_soon(self) -> bool:
        """Reads what little may be left of it; whether that was all."""
        return len(self.stream.read(LEFTOVER_BYTES_MAX)) < LEFTOVER_BYTES_MAX


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S_MAX
    disable_nagle_algorithm = True
    wbufsize = 65_536  # an answer with its headers goes out in one piece
    server: Server

    def handle_one_request(self) -> None:
        """Reads one request, runs the application, keeps or closes the connection."""
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            return
        try:
            self._run()
        except Dropped:
            self._cut()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            log.exception("request_failed method=%s path=%s", self.command, self.path)
            self.close_connection = True
            if not self._answered:
                self.send_error(500)

    def handle(self) -> None:
        """Serves requests until the connection ends."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        """Waits with `100 Continue` until the application reads the body."""
        return True

    def log_message(self, *_: Any) -> None:
        """Requests are counted by the application, not printed."""

    def setup(self) -> None:
        """A new connection."""
        super().setup()
        self.server.open_connections[threading.get_ident()] = self.connection

    def finish(self) -> None:
        """The end of the connection."""
        self.server.open_connections.pop(threading.get_ident(), None)
        with contextlib.suppress(OSError):  # it may have been cut
            super().finish()

    def _cut(self) -> None:
        # Linger of zero seconds: the client sees a reset, as when a router goes away.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _run(self) -> None:
        self._answered = False
        body = self._body()
        environ = self._environ(body)
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            answer[:] = [status, headers]

        chunks = self.server.app(environ, start_response)
        try:
            self._send(answer, chunks, body)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _send(self, answer: list[Any], chunks: Iterable[bytes], body: Body) -> None:
        iterator = iter(chunks)
        first = next(iterator, b"")  # an application may start its response as late as here
        status, headers = answer
        names = {name.lower() for name, _ in headers}
        bodiless = self.command == "HEAD" or status[:3] in {"204", "304"}
        unsized = "content-length" not in names and not bodiless
        # A client that was not asked for its body may send it or not: only a new connection is sure.
        if body.left_bytes > LEFTOVER_BYTES_MAX or (body.left_bytes and self._waits_for_continue):
            self.close_connection = True
        if self._chunked is not None and (self._waits_for_continue or not self._chunked.ends_soon()):
            self.close_connection = True
        self._answered = True
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        if unsized:
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        if not bodiless:
            self._send_chunk(first, unsized)
            for chunk in iterator:
                self._send_chunk(chunk, unsized)
            if unsized:
                self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        self._drain(body)

    def _send_chunk(self, chunk: bytes, unsized: bool) -> None:
        if not chunk:
            return
        if unsized:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        else:
            self.wfile.write(chunk)

    def _drain(self, body: Body) -> None:
        """Throws away what was not read, so that the client sees the answer and not a reset."""
        if self.close_connection and body.left_bytes and not self._waits_for_continue:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER_S_MAX)
        if self._waits_for_continue:
            return
        left_bytes = LINGER_BYTES_MAX
        while body.left_bytes and left_bytes > 0:
            left_bytes -= len(body.read(65_536) or b"")

    def _body(self) -> Body:
        self._waits_for_continue = self.headers.get("Expect", "").lower() == "100-continue"

        def ask() -> None:
            self._waits_for_continue = False
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()

        self._chunked = None
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            self._chunked = ChunkedBody(cast(IO[bytes], self.rfile), ask if self._waits_for_continue else None)
        length = int(self.headers.get("Content-Length") or 0)
        return Body(self.rfile, length, ask if self._waits_for_continue else None)

    def _environ(self, body: Body) -> dict[str, Any]:
        target = urlsplit("//host" + self.path if self.path.startswith("/") else self.path)
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BufferedReader(body, 65_536),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(target.path, "latin-1"),
            "QUERY_STRING": target.query,
            "REQUEST_URI": self.path,
            "RAW_URI": self.path,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": self.server.server_address[0],
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            HEADERS_KEY: self.headers.items(),
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
                key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        if self._chunked is not None:
            environ["wsgi.input"] = self._chunked.stream
            environ["wsgi.input_terminated"] = True
        return environ


class Server(ThreadingHTTPServer):
    """The listening socket and its threads."""

    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        super().__init__((host, port), Handler)
        self.app = app
        self.open_connections: dict[int, socket.socket] = {}  # by the thread that serves it
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), name="http", daemon=True)

    @property
    def url(self) -> str:
        """The address of this server."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def start(self) -> None:
        """Serves in a thread of its own."""
        self._thread.start()

    def cut_all(self) -> None:
        """Ends every connection in the middle of whatever it carries, but the one that asks for it."""
        for thread, connection in list(self.open_connections.items()):
            if thread == threading.get_ident():
                continue
            with contextlib.suppress(OSError):  # its client may have gone first
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Stops listening."""
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A fault outside any request ends its connection, not the server."""
        log.exception("connection_failed client=%s request=%s", client_address, type(request).__name__)


def with_body_read(environ: dict[str, Any]) -> None:
    """Takes a body off the network, so that nobody has to wait for a slow client while holding a lock."""
    if not environ.get("wsgi.input_terminated"):
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def signed_service(environ: dict[str, Any]) -> str | None:
    """The service that a request is signed for, in its headers or its address; None when it is not signed."""
    found = _SERVICE.search(environ.get("HTTP_AUTHORIZATION", "")) or _SERVICE.search(unquote(environ["QUERY_STRING"]))
    return found["service"].lower() if found else None
