"""What the door to AWS makes of answers that the stand-in never gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.shared.errors import Rejected, Transient
from components.site_config.aws_client import AwsSession
from components.site_config.secret_store import SecretsManagerStore
from components.site_config.shadow_store import IotShadowStore
from tests.fakes.credentials_endpoint import CredentialsEndpoint

pytestmark = pytest.mark.slow


class Host:
    """An AWS that answers every request with what the test says."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.error = ""
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                self.send_response(host.status)
                self.send_header("Content-Length", str(len(host.body)))
                if host.error:
                    self.send_header("x-amzn-ErrorType", host.error)
                self.end_headers()
                self.wfile.write(host.body)

            do_POST = do_GET  # noqa: N815 - the name that the base class calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def say(self, status: int, body: object, error: str = "") -> None:
        self.status, self.error = status, error
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def host(credentials: CredentialsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    thread = threading.Thread(target=host.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    environment = credentials.environment(f"http://127.0.0.1:{host.server.server_port}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield host
    host.server.shutdown()
    thread.join()
    host.server.server_close()


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, "ForbiddenException"), (429, "ThrottlingException"), (500, "InternalFailureException"), (503, "X")],
)
def test_what_may_pass_is_transient(host: Host, status: int, error: str) -> None:
    """No permission, too much at once and a fault of the service are tried again: each can be mended elsewhere."""
    host.say(status, {"message": "no"}, error)
    with pytest.raises(Transient, match=str(status)):
        IotShadowStore(AwsSession(), "site-1").get("site")


def test_missing_permission_names_what_is_needed(host: Host) -> None:
    """Who reads that access is denied also reads what the role must allow."""
    host.say(403, {"message": "no"}, "ForbiddenException")
    with pytest.raises(Transient, match=r"iot:GetThingShadow and iot:UpdateThingShadow"):
        IotShadowStore(AwsSession(), "site-1").get("site")
    host.say(400, {"__type": "AccessDeniedException", "Message": "no"})
    with pytest.raises(Transient, match=r"secretsmanager:GetSecretValue"):
        SecretsManagerStore(AwsSession(), "site-1").get("yard")


@pytest.mark.parametrize("body", [b"<html>captive portal</html>", b"[]", b'{"state": {}}', b'{"version": "x"}'])
def test_answer_that_is_no_shadow(host: Host, body: bytes) -> None:
    """A proxy's page or half an answer is no document: nothing follows from it."""
    host.say(200, body)
    with pytest.raises(Transient, match="shadow site"):
        IotShadowStore(AwsSession(), "site-1").get("site")


def test_half_a_surrogate_pair(host: Host) -> None:
    """What JSON can say and no file can hold is refused at the door."""
    host.say(200, b'{"version": 1, "state": {"desired": {"name": "\\ud800"}}}')
    with pytest.raises(Rejected, match="no text"):
        IotShadowStore(AwsSession(), "site-1").get("site")


def test_no_credentials(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that gives no credentials is named, and asked again at the next call."""
    store = IotShadowStore(AwsSession(), "site-1")
    host.say(200, {"version": 1, "state": {}})
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong")
    with pytest.raises(Transient, match="Token Exchange"):
        store.get("site")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "component-token")
    assert store.get("site") is not None


def test_secret_values(host: Host) -> None:
    """A text is a secret that does not print; bytes or nothing are refused; an unknown name is None."""
    store = SecretsManagerStore(AwsSession(), "site-1")
    host.say(200, {"SecretString": "user:pass", "VersionId": "v1"})
    found = store.get("yard")
    assert found is not None
    assert (found.value.reveal(), found.version) == ("user:pass", "v1")
    assert "pass" not in repr(found)
    host.say(200, {"SecretBinary": "AAAA", "VersionId": "v2"})
    with pytest.raises(Rejected, match="secret yard"):
        store.get("yard")
    host.say(400, {"__type": "ResourceNotFoundException", "Message": "none"})
    assert store.get("yard") is None
