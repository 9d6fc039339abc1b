"""What S3's client sends, and what every bad answer means."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components.cloud_sync.object_store import (
    DigestRefused,
    NewObject,
    ObjectExists,
    PartToJoin,
    StoreAway,
    UploadGone,
)
from components.cloud_sync.s3_store import S3Store, open_s3
from components.shared.errors import NvrError, Rejected, Transient
from tests.fakes.pacers import open_pacer
from tests.fakes.s3_site import CredentialsServer

pytestmark = pytest.mark.slow

DATA = b"footage" * 1000
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
NEW = NewObject("sites/site-1/cameras/cam-1/x.mp4", "video/mp4", {"nvr-version": "1"})


class BytesBody(io.BytesIO):
    """Bytes as a request body."""

    @property
    def size_bytes(self) -> int:
        return len(self.getvalue())


@dataclass
class Answer:
    """What the scripted server says to every request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_bytes: int = 0
    """How many bytes of the body never arrive."""


@dataclass
class Request:
    """What the scripted server was sent."""

    line: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer(ThreadingHTTPServer):
    """Answers every request in the same way and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = Answer()
        self.requests: list[Request] = []


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.requestline, headers, body))
        answer = self.server.answer
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) - answer.cut_bytes])
        self.close_connection = answer.cut_bytes > 0

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def credentials() -> Iterator[CredentialsServer]:
    server = CredentialsServer("core-key", "core-secret")
    yield server
    server.close()


@pytest.fixture
def server(credentials: CredentialsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    thread = threading.Thread(target=made.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    # What a careless operator may have left on a box must not be used.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lying-about")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lying-about")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.server_address[1]}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    for name, value in credentials.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)


@pytest.fixture
def store(server: ScriptedServer) -> S3Store:
    return open_s3("media-1", 2, open_pacer())


def put(store: S3Store) -> Any:
    return store.put_object(NEW, BytesBody(DATA), SHA256)


def error_xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>because of {code}</Message></Error>".encode()


def test_put_sends_the_given_hash_and_hashes_nothing(store: S3Store, server: ScriptedServer) -> None:
    """A put carries our checksum in a signed header, an unsigned payload, the condition, and plain bytes."""
    server.answer = Answer(headers={"ETag": '"e"', "x-amz-checksum-sha256": SHA256})
    stored = put(store)
    assert (stored.etag, stored.sha256) == ('"e"', SHA256)
    (request,) = server.requests
    assert request.body == DATA
    assert request.headers["x-amz-checksum-sha256"] == SHA256
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert request.headers["if-none-match"] == "*"
    assert request.headers["expect"] == "100-continue"
    assert request.headers["content-type"] == "video/mp4"
    assert request.headers["x-amz-meta-nvr-version"] == "1"
    assert "content-encoding" not in request.headers
    assert {name for name in request.headers if "checksum" in name} == {
        "x-amz-checksum-sha256",
        "x-amz-sdk-checksum-algorithm",
    }
    assert not {"x-amz-storage-class", "x-amz-tagging"} & request.headers.keys()
    signed = request.headers["authorization"].partition("SignedHeaders=")[2]
    assert "x-amz-checksum-sha256" in signed


def test_parts_and_completion_carry_their_hashes(store: S3Store, server: ScriptedServer) -> None:
    """A part carries its hash; the completion names each part's hash, the whole size and the condition."""
    server.answer = Answer(headers={"ETag": '"p"'})
    store.upload_part(NEW.key, "id", 7, BytesBody(DATA), SHA256)
    server.answer = Answer(body=b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
    store.complete_upload(NEW.key, "id", [PartToJoin(1, '"p"', SHA256)], 99)
    part, completion = server.requests
    assert "partNumber=7" in part.line
    assert part.headers["x-amz-checksum-sha256"] == SHA256
    assert part.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert completion.headers["if-none-match"] == "*"
    assert completion.headers["x-amz-mp-object-size"] == "99"
    assert f"<ChecksumSHA256>{SHA256}</ChecksumSHA256>".encode() in completion.body


def test_credentials_come_from_the_core_only(
    store: S3Store, server: ScriptedServer, credentials: CredentialsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are signed with what the core's endpoint gives, never with keys that lie about in the environment."""
    server.answer = Answer(headers={"ETag": '"e"'})
    put(store)
    put(store)
    assert credentials.given == 1
    assert "Credential=core-key/" in server.requests[0].headers["authorization"]
    assert server.requests[0].headers["x-amz-security-token"] == "session"
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    with pytest.raises(StoreAway, match="Token Exchange"):
        put(open_s3("media-1", 2, open_pacer()))
    assert len(server.requests) == 2


def test_every_failing_request_is_one_request(store: S3Store, server: ScriptedServer) -> None:
    """The client does not repeat by itself: when to try again is decided in one place, and not there."""
    server.answer = Answer(503, body=error_xml("SlowDown"))
    with pytest.raises(StoreAway):
        put(store)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (500, "InternalError", StoreAway, "InternalError"),
        (503, "SlowDown", StoreAway, "SlowDown"),
        (429, "TooManyRequests", StoreAway, "TooManyRequests"),
        (400, "RequestTimeout", StoreAway, "RequestTimeout"),
        (400, "ExpiredToken", StoreAway, "Token Exchange"),
        (403, "InvalidAccessKeyId", StoreAway, "Token Exchange"),
        (403, "RequestTimeTooSkewed", StoreAway, "clock"),
        (403, "AccessDenied", StoreAway, "s3:PutObject"),
        (404, "NoSuchBucket", StoreAway, "mediaBucket"),
        (412, "PreconditionFailed", ObjectExists, "PreconditionFailed"),
        (400, "BadDigest", DigestRefused, "BadDigest"),
        (404, "NoSuchUpload", UploadGone, "NoSuchUpload"),
        (400, "InvalidPart", UploadGone, "InvalidPart"),
        (400, "MetadataTooLarge", Rejected, "MetadataTooLarge"),
        (409, "ConditionalRequestConflict", Transient, "ConditionalRequestConflict"),
        (400, "NeverHeardOf", Transient, "NeverHeardOf"),
    ],
)
def test_answers_are_told_apart(
    store: S3Store, server: ScriptedServer, status: int, code: str, kind: type[NvrError], text: str
) -> None:
    """Every error answer is of one kind, names the object and the step, and says what an operator can do."""
    server.answer = Answer(status, body=error_xml(code))
    with pytest.raises(NvrError) as raised:
        put(store)
    assert type(raised.value) is kind
    assert text in str(raised.value)
    assert f"object {NEW.key}: put" in str(raised.value)
    assert "core-secret" not in str(raised.value)


def test_error_within_an_ok_is_an_error(store: S3Store, server: ScriptedServer) -> None:
    """S3 may answer a completion with 200 and an error in the body: that is no object."""
    server.answer = Answer(200, body=error_xml("InternalError"))
    with pytest.raises(StoreAway):
        store.complete_upload(NEW.key, "id", [PartToJoin(1, '"p"', SHA256)], 99)


def test_answer_that_was_cut_off_is_no_answer(store: S3Store, server: ScriptedServer) -> None:
    """A list that lost its end on the way is not taken for a shorter or an empty one."""
    body = b"<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>"
    server.answer = Answer(body=body)
    assert store.list_parts(NEW.key, "id") == ()
    for cut_bytes in (1, len(body)):
        server.answer = Answer(body=body, cut_bytes=cut_bytes)
        with pytest.raises(StoreAway):
            store.list_parts(NEW.key, "id")


@pytest.mark.parametrize("status", [403, 404])
def test_head_that_may_not_know_is_none(store: S3Store, server: ScriptedServer, status: int) -> None:
    """To a role that may not list, S3 says "forbidden" of a missing object: that is "nothing that we know of"."""
    server.answer = Answer(status)
    assert store.head(NEW.key) is None


def test_list_of_uploads_that_is_forbidden_is_empty(store: S3Store, server: ScriptedServer) -> None:
    """A role that may not list uploads finds none; the bucket's lifecycle ends what is left."""
    server.answer = Answer(403, body=error_xml("AccessDenied"))
    assert store.list_uploads(NEW.key) == ()


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_sign_in_page_is_no_answer(store: S3Store, server: ScriptedServer, status: int) -> None:
    """A page of HTML from something in between is not taken for an answer of S3."""
    server.answer = Answer(status, {"Content-Type": "text/html"}, b"<html><body>Please sign in<br></html>")
    with pytest.raises(Transient):
        put(store)
    with pytest.raises(Transient):
        store.create_upload(NEW)


def test_refused_connection_is_the_store_away(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, no network: the store is away."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(StoreAway, match=f"object {NEW.key}: put"):
        put(open_s3("media-1", 2, open_pacer()))


def test_broken_credentials_endpoint_is_the_store_away(
    store: S3Store, server: ScriptedServer, credentials: CredentialsServer
) -> None:
    """While the core gives no credentials nothing is sent, and the message says where to look."""
    credentials.broken = True
    with pytest.raises(StoreAway, match="Token Exchange"):
        put(store)
    assert server.requests == []
    credentials.broken = False
    server.answer = Answer(headers={"ETag": '"e"'})
    assert put(store).etag == '"e"'


@pytest.mark.parametrize("bucket", ["", "Not A Bucket"])
def test_missing_bucket_is_told_with_its_setting(server: ScriptedServer, bucket: str) -> None:
    """Without a usable bucket name every request says which setting to look at."""
    with pytest.raises(StoreAway, match="mediaBucket"):
        put(open_s3(bucket, 2, open_pacer()))
    assert server.requests == []
