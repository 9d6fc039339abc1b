"""The HTTP server under the stand-in: bodies, connections, cuts."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from local.aws.http_server import HEADERS_KEY, Dropped, Server

Start = Callable[..., Any]


class App:
    """Answers by path; remembers what it was asked."""

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.broken: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/drop":
            raise Dropped
        if path == "/fault":
            raise RuntimeError("a fault of the application")
        if path == "/refuse":
            return self._answer(start_response, "403 Forbidden", b"no")
        if path == "/headers":
            return self._answer(start_response, "200 OK", repr(sorted(environ[HEADERS_KEY])).encode())
        if path == "/stream":
            start_response("200 OK", [])
            return iter([b"one", b"", b"two"])
        if path == "/missing":
            start_response("204 No Content", [])
            return []
        self.reading.set()
        size, total = -1, 0
        try:
            while size:
                size = len(environ["wsgi.input"].read1(65_536))
                total += size
        except ConnectionError as error:
            self.broken.append(str(error))
            raise
        return self._answer(start_response, "200 OK", str(total).encode())

    def _answer(self, start_response: Start, status: str, body: bytes) -> list[bytes]:
        start_response(status, [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def server(app: App) -> Iterator[Server]:
    made = Server("127.0.0.1", 0, app)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(server: Server) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client.request(method, path, body=body)
    answer = client.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_a_body_arrives_whole_and_the_connection_stays(client: http.client.HTTPConnection, size: int) -> None:
    """Bodies of any size arrive whole, request after request on one connection."""
    for _ in range(3):
        assert ask(client, "PUT", "/x", b"b" * size) == (200, str(size).encode())
    assert client.sock is not None


def test_an_answer_without_length_is_chunked(client: http.client.HTTPConnection) -> None:
    """An answer whose length is not known comes in chunks, and the connection stays."""
    assert ask(client, "GET", "/stream") == (200, b"onetwo")
    assert ask(client, "GET", "/missing") == (204, b"")
    assert ask(client, "GET", "/stream") == (200, b"onetwo")


def test_an_unread_body_does_not_become_the_next_request(client: http.client.HTTPConnection) -> None:
    """A body that nobody read is thrown away, or the connection closed; never taken for a request."""
    assert ask(client, "PUT", "/refuse", b"GET /headers HTTP/1.1\r\n\r\n" * 100)[0] == 403
    assert ask(client, "PUT", "/x", b"12345") == (200, b"5")
    assert ask(client, "PUT", "/refuse", b"x" * 2_000_000)[0] == 403
    assert ask(client, "PUT", "/x", b"12345") == (200, b"5")


def raw(server: Server, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.server_address[1]), 10)
    connection.sendall(text)
    return connection


def test_a_refusal_needs_no_body(server: Server) -> None:
    """Who asks before he sends (`Expect: 100-continue`) is refused without sending anything."""
    with raw(server, b"PUT /refuse HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n") as connection:
        answer = connection.recv(4_096)
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"Connection: close" in answer


def test_who_asks_is_told_to_go_on(server: Server) -> None:
    """Who asks before he sends is told to, when his body is wanted."""
    with raw(server, b"PUT /x HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n") as connection:
        assert connection.recv(4_096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(4_096).startswith(b"HTTP/1.1 200")


def test_a_chunked_body_is_asked_for_and_the_connection_stays(server: Server) -> None:
    """Who sends its body in chunks, as SDKs do over TLS, is told to go on too, and may send the next the same way."""
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server_address[1]), 10) as connection:
        for _ in range(2):
            connection.sendall(head)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100 Continue")
            connection.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\n5"):
                answer += connection.recv(1_000)
            assert b"Connection: keep-alive" in answer


def test_a_dropped_request_has_no_answer(client: http.client.HTTPConnection) -> None:
    """An application can end the connection as a dead network does."""
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(client, "GET", "/drop")


def test_a_fault_is_answered_with_500(client: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of the application is told to the client and to the log, and the server goes on."""
    assert ask(client, "GET", "/fault")[0] == 500
    assert "a fault of the application" in caplog.text
    assert ask(client, "PUT", "/x", b"12345") == (200, b"5")


def test_a_cut_ends_an_upload_in_the_middle(server: Server, app: App) -> None:
    """A cut reaches requests that are under way: the application sees a broken connection, not a short body."""
    with raw(server, b"PUT /x HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc") as connection:
        assert app.reading.wait(5)
        server.cut_all()
        assert connection.recv(4_096) == b""
    server.stop()
    assert app.broken == [] or "unsent" in app.broken[0]


def test_headers_come_as_they_were_sent(server: Server) -> None:
    """An underscore in a header's name stays one."""
    with raw(server, b"GET /headers HTTP/1.1\r\nX-A_b: 1\r\nX-A-b: 2\r\n\r\n") as connection:
        answer = b""
        while not answer.endswith(b"]"):
            answer += connection.recv(4_096)
        assert b"[('X-A-b', '2'), ('X-A_b', '1')]" in answer
