"""The HTTP side through the unmodified AWS SDK, on a real socket."""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError
from mypy_boto3_iot_data import IoTDataPlaneClient
from werkzeug.serving import BaseWSGIServer, make_server

from local.iot_core import IotCore, serves
from local.iot_core.credentials import grant_in
from tests.integration.iot_core.paho_listener import Listener

NOW_NS = 1_700_000_000_123_456_789
NOW_S = NOW_NS // 1_000_000_000


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(tmp_path: Path, clock: Clock) -> Iterator[IotCore]:
    core = IotCore(tmp_path / "iot", clock, credentials_validity_s=60)
    yield core
    core.stop()


@contextlib.contextmanager
def served(core: IotCore) -> Iterator[BaseWSGIServer]:
    server = make_server("127.0.0.1", 0, core.wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def http_port(core: IotCore) -> Iterator[int]:
    with served(core) as server:
        yield server.server_port


def make_client(http_port: int, token: str | None = None) -> IoTDataPlaneClient:
    return boto3.client(
        "iot-data",
        endpoint_url=f"http://127.0.0.1:{http_port}",
        region_name="eu-central-1",
        aws_access_key_id="ASIAX",
        aws_secret_access_key="x",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def client(http_port: int) -> IoTDataPlaneClient:
    return make_client(http_port)


def get(http_port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body, answer.getheader("x-amzn-ErrorType")


def test_sdk_raises_its_own_exceptions(client: IoTDataPlaneClient) -> None:
    """Each refusal is the exception that the SDK has for it."""
    errors = client.exceptions
    with pytest.raises(errors.ResourceNotFoundException) as missing:
        client.get_thing_shadow(thingName="t", shadowName="site")
    assert missing.value.response["Error"]["Message"] == "No shadow exists with name: 't~site'"
    with pytest.raises(errors.ResourceNotFoundException, match="No shadow exists with name: 't'"):
        client.delete_thing_shadow(thingName="t")
    with pytest.raises(errors.InvalidRequestException, match="Missing required node: state"):
        client.update_thing_shadow(thingName="t", payload=b"{}")
    with pytest.raises(errors.ConflictException, match="Version conflict"):
        client.update_thing_shadow(thingName="t", payload=b'{"state":{},"version":5}')
    large = json.dumps({"state": {"desired": {"a": "x" * 9000}}})
    with pytest.raises(errors.RequestEntityTooLargeException, match="max allowed: 8192"):
        client.update_thing_shadow(thingName="t", payload=large)
    with pytest.raises(errors.RequestEntityTooLargeException):
        client.update_thing_shadow(thingName="t", payload=b" " * 131_073)
    with pytest.raises(errors.UnsupportedDocumentEncodingException):
        client.update_thing_shadow(thingName="t", payload=b'{"state":{"desired":{"a":"\xff"}}}')
    with pytest.raises(errors.InvalidRequestException, match="thing name"):
        client.get_thing_shadow(thingName="not a thing")


def test_times_are_those_of_the_clock(client: IoTDataPlaneClient, clock: Clock) -> None:
    """Documents carry the clock's seconds: of the change in metadata, of the answer beside it."""
    client.update_thing_shadow(thingName="t", payload=b'{"state":{"desired":{"a":1}}}')
    clock.now_ns += 5_000_000_000
    document = json.loads(client.get_thing_shadow(thingName="t")["payload"].read())
    assert document == {
        "state": {"desired": {"a": 1}, "delta": {"a": 1}},
        "metadata": {"desired": {"a": {"timestamp": NOW_S}}},
        "version": 1,
        "timestamp": NOW_S + 5,
    }


def test_named_shadows_are_listed_in_pages(client: IoTDataPlaneClient) -> None:
    """Named shadows are listed sorted, page by page, without the classic one and without deleted ones."""
    names = sorted(f"camera-{number}" for number in range(7))
    for name in [*names, "gone"]:
        client.update_thing_shadow(thingName="t", shadowName=name, payload=b'{"state":{}}')
    client.update_thing_shadow(thingName="t", payload=b'{"state":{}}')
    client.update_thing_shadow(thingName="other", shadowName="x", payload=b'{"state":{}}')
    client.delete_thing_shadow(thingName="t", shadowName="gone")
    everything = client.list_named_shadows_for_thing(thingName="t")
    assert (everything["results"], everything["timestamp"]) == (names, NOW_S)
    assert "nextToken" not in everything
    found: list[str] = []
    page = client.list_named_shadows_for_thing(thingName="t", pageSize=3)
    while True:
        assert len(page["results"]) <= 3
        found += page["results"]
        if "nextToken" not in page:
            break
        page = client.list_named_shadows_for_thing(thingName="t", pageSize=3, nextToken=page["nextToken"])
    assert found == names
    assert client.list_named_shadows_for_thing(thingName="nobody")["results"] == []
    with pytest.raises(client.exceptions.InvalidRequestException):
        client.list_named_shadows_for_thing(thingName="t", pageSize=101)


def test_publish_reaches_mqtt(core: IotCore, client: IoTDataPlaneClient) -> None:
    """The SDK's publish reaches subscribers with its QoS; what is wrong with it is told."""
    reader = Listener(core.start_mqtt(), "reader").connect()
    reader.subscribe("nvr/v1/site 1/#")
    client.publish(topic="nvr/v1/site 1/span/pull", payload=b'{"a": 1}', qos=1)
    client.publish(topic="nvr/v1/site 1/ä", payload=b"\x00\xff")
    first, second = reader.next(), reader.next()
    assert (first.topic, first.payload, first.qos) == ("nvr/v1/site 1/span/pull", b'{"a": 1}', 1)
    assert (second.topic, second.payload, second.qos) == ("nvr/v1/site 1/ä", b"\x00\xff", 0)
    with pytest.raises(client.exceptions.InvalidRequestException, match="wildcard"):
        client.publish(topic="nvr/#", payload=b"")
    with pytest.raises(client.exceptions.InvalidRequestException, match="qos is 2"):
        client.publish(topic="nvr", qos=2, payload=b"")
    with pytest.raises(client.exceptions.UnauthorizedException):
        client.publish(topic="$aws/things/t/shadow/update/accepted", payload=b"")
    reader.close()


def test_publish_may_be_a_shadow_request(core: IotCore, client: IoTDataPlaneClient) -> None:
    """A shadow request published over HTTP is answered on the shadow's topics."""
    reader = Listener(core.start_mqtt(), "reader").connect()
    reader.subscribe("$aws/things/t/shadow/name/site/update/accepted")
    client.publish(topic="$aws/things/t/shadow/name/site/update", payload=b'{"state":{"reported":{"a":1}}}')
    assert reader.next_json()[1]["version"] == 1
    reader.close()


def test_credentials_name_the_thing(http_port: int, clock: Clock) -> None:
    """The credential provider answers with credentials of the thing that asks, which end when they say."""
    path = "/role-aliases/EdgeNvrDevice/credentials"
    status, body, _ = get(http_port, path, **{"x-amzn-iot-thingname": "site-1"})
    assert status == 200
    token = body["credentials"]["sessionToken"]
    grant = grant_in(token)
    assert grant is not None
    assert (grant.thing, grant.role_alias, grant.expires_s) == ("site-1", "EdgeNvrDevice", NOW_S + 60)
    assert body["credentials"]["expiration"] == "2023-11-14T22:14:20Z"
    device = make_client(http_port, token)
    device.update_thing_shadow(thingName="site-1", payload=b'{"state":{}}')
    clock.now_ns += 59 * 1_000_000_000
    device.get_thing_shadow(thingName="site-1")
    clock.now_ns += 1_000_000_000
    with pytest.raises(ClientError) as expired:
        device.get_thing_shadow(thingName="site-1")
    assert expired.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    status, body, error = get(http_port, path)
    assert (status, error) == (400, "InvalidRequestException")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/things/t/shadow", 405),
        ("POST", "/api/things/shadow/ListNamedShadowsForThing/t", 405),
        ("GET", "/topics/a", 405),
        ("POST", "/role-aliases/a/credentials", 405),
        ("GET", "/things/t", 404),
        ("GET", "/api/things/shadow/ListNamedShadowsForThing/t?pageSize=x", 400),
    ],
)
def test_other_requests_are_refused(http_port: int, method: str, path: str, status: int) -> None:
    """A method or path that is not of the API is refused."""
    assert get(http_port, path, method)[0] == status


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/things/t/shadow", True),
        ("/topics/a/b", True),
        ("/api/things/shadow/ListNamedShadowsForThing/t", True),
        ("/role-aliases/a/credentials", True),
        ("/things/t", False),
        ("/role-aliases/a", False),
        ("/", False),
        ("/bucket/things/t/shadow", False),
    ],
)
def test_paths_that_are_ours_are_known(path: str, ours: bool) -> None:
    """`serves` tells which paths belong here, so that a port can be shared."""
    assert serves(path) is ours


def test_offline_no_answer_comes(core: IotCore, client: IoTDataPlaneClient) -> None:
    """Offline, the SDK sees a broken connection, never an answer; online again it works on."""
    client.update_thing_shadow(thingName="t", payload=b'{"state":{}}')
    core.set_online(False)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        client.get_thing_shadow(thingName="t")
    core.set_online(True)
    client.get_thing_shadow(thingName="t")


def test_offline_under_another_server_is_503(core: IotCore) -> None:
    """Where the connection cannot be cut, offline is 503, which the SDK takes for trouble that passes."""
    statuses: list[str] = []

    def start_response(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    core.set_online(False)
    core.wsgi_app({"REQUEST_METHOD": "GET", "PATH_INFO": "/things/t/shadow"}, start_response)
    assert statuses == ["503 Service Unavailable"]
