"""Handshake, frames and the shape of answers and errors."""

import datetime as dt
import json
from contextlib import ExitStack

import pytest
from awsiot.greengrasscoreipc import model

from local.nucleus.event_stream import Frame, encode
from local.nucleus.message import connect_message, protocol_message, request_message
from tests.contract.ipc.client import LISTENER, WAIT_S, Client, Core, RawClient
from tests.fakes.waiting import eventually

PING = 2
APPLICATION_ERROR = 1
TERMINATE_STREAM = 2
NOT_ON_LITE = [
    "AuthorizeClientDeviceAction",
    "CancelLocalDeployment",
    "CreateDebugPassword",
    "DeferComponentUpdate",
    "DeleteThingShadow",
    "GetClientDeviceAuthToken",
    "GetComponentDetails",
    "GetLocalDeploymentStatus",
    "GetSecretValue",
    "GetThingShadow",
    "ListComponents",
    "ListLocalDeployments",
    "ListNamedShadowsForThing",
    "PauseComponent",
    "PutComponentMetric",
    "ResumeComponent",
    "SendConfigurationValidityReport",
    "StopComponent",
    "SubscribeToCertificateUpdates",
    "SubscribeToComponentUpdates",
    "SubscribeToIoTCoreConnectionStatus",
    "SubscribeToValidateConfigurationUpdates",
    "UpdateThingShadow",
    "VerifyClientDeviceIdentity",
    "NoSuchOperation",
]


def test_a_component_is_known_by_its_token(speaker: Client) -> None:
    """A client that shows a component's token is that component: it reads that one's configuration."""
    assert speaker.ipc.get_configuration(key_path=["text"]).component_name == "com.edgenvr.contract.Speaker"


def test_an_unknown_token_is_refused(core: Core) -> None:
    """The official client raises when it shows a token that no component has."""
    with pytest.raises(Exception, match=r"(?i)denied|closed"):
        Client(core, token="AAAAAAAAAAAAAAAA")


def test_rejection_on_the_wire(core: Core) -> None:
    """Nucleus Lite hangs up on a bad token without an answer, the classic runtime answers with flags 0."""
    with RawClient(core, component=None) as client:
        client.send(connect_message("AAAAAAAAAAAAAAAA"))
        answer = client.receive()
        if core.is_lite:
            assert answer is None
        else:
            assert answer is not None
            assert (answer.number(":message-type"), answer.number(":message-flags")) == (5, 0)
            assert client.is_hung_up()


def test_another_protocol_version_is_refused(core: Core) -> None:
    """A client that speaks another version of the protocol is not let in."""
    token = next(iter(core.tokens.values()))
    right = connect_message(token)
    headers = tuple((name, "9.9.9" if name == ":version" else value) for name, value in right.headers)
    with RawClient(core, component=None) as client:
        client.send(Frame(headers, right.payload))
        answer = client.receive()
        assert answer is None or answer.number(":message-flags") == 0


def test_nothing_is_answered_before_the_handshake(core: Core) -> None:
    """A request on a connection that has shown no token closes it."""
    with RawClient(core, component=None) as client:
        client.send(request_message(1, "GetConfiguration", {}))
        assert client.is_hung_up()


def test_a_damaged_frame_closes_the_connection(core: Core) -> None:
    """A frame whose checksum is wrong ends the connection."""
    with RawClient(core) as client:
        data = bytearray(encode(request_message(1, "GetConfiguration", {})))
        data[-1] ^= 1
        client.send_bytes(bytes(data))
        assert client.is_hung_up()


def test_ping(core: Core) -> None:
    """The classic runtime echoes a ping; Nucleus Lite closes the connection."""
    with RawClient(core) as client:
        client.send(protocol_message(PING, payload=b"are you there"))
        answer = client.receive()
        if core.is_lite:
            assert answer is None
        else:
            assert answer is not None
            assert (answer.number(":message-type"), answer.payload) == (3, b"are you there")


def test_flags_of_answers(core: Core) -> None:
    """The classic runtime ends the stream with the answer of an operation without events, Lite never does."""
    with RawClient(core) as client:
        single = client.ask("GetConfiguration", {}, stream_id=1)
        streaming = client.ask("SubscribeToTopic", {"topic": "contract/flags"}, stream_id=2)
    assert single.number(":message-flags") == (0 if core.is_lite else TERMINATE_STREAM)
    assert streaming.number(":message-flags") == 0
    assert single.text("service-model-type") == "aws.greengrass#GetConfigurationResponse"
    assert json.loads(streaming.payload) == {}


def test_shape_of_an_error(core: Core) -> None:
    """Errors end their stream; only the classic runtime gives them the key that clients show as message."""
    with RawClient(core) as client:
        answer = client.ask("GetConfiguration", {"keyPath": ["missing"]})
    body = json.loads(answer.payload)
    assert answer.number(":message-type") == APPLICATION_ERROR
    assert answer.number(":message-flags") == TERMINATE_STREAM
    assert answer.text("service-model-type") == "aws.greengrass#ResourceNotFoundError"
    assert body["_errorCode"] == "ResourceNotFoundError"
    assert ("message" in body) is not core.is_lite


@pytest.mark.parametrize("operation", NOT_ON_LITE)
def test_operations_that_lite_does_not_have(lite: Core, operation: str) -> None:
    """An operation that Nucleus Lite does not have is answered with a ServiceError without a message."""
    with RawClient(lite) as client:
        answer = client.ask(operation, {})
        assert answer.text("service-model-type") == "aws.greengrass#ServiceError"
        assert json.loads(answer.payload) == {"_message": "", "_errorCode": "ServiceError"}
        assert client.ask("GetConfiguration", {}, stream_id=2).number(":message-type") == 0


def test_a_large_frame_closes_the_connection_on_lite(lite: Core) -> None:
    """A frame of more than 10 000 bytes ends the whole connection, with every subscription on it."""
    with Client(lite) as client:
        events = client.subscribe("contract/large")
        client.publish("contract/large", bytes(7_200))
        assert len(events.payload()) == 7_200
        with pytest.raises(Exception, match=r"(?i)closed|^$"):
            client.publish("contract/large", bytes(7_400))
        assert events.closed.get(timeout=WAIT_S)


def test_a_large_frame_is_taken_by_the_classic_runtime(classic: Core) -> None:
    """The classic runtime delivers messages far above the limits of Nucleus Lite."""
    with Client(classic) as client:
        events = client.subscribe("contract/large")
        client.publish("contract/large", bytes(200_000))
        assert len(events.payload()) == 200_000


def test_a_rich_request_on_lite(lite: Core) -> None:
    """A request of more than 255 JSON objects cannot be decoded; one of fewer can."""
    with RawClient(lite) as client:
        few = client.ask("GetConfiguration", {"more": list(range(200))}, stream_id=1)
        many = client.ask("GetConfiguration", {"more": list(range(300))}, stream_id=2)
    assert few.number(":message-type") == 0
    assert many.text("service-model-type") == "aws.greengrass#ServiceError"


def test_a_large_answer_on_lite(lite: Core) -> None:
    """An answer that does not fit into 10 000 bytes is a ServiceError; smaller parts can be read."""
    with Client(lite, LISTENER) as client:
        for number in range(11):
            client.ipc.update_configuration(
                key_path=["large"],
                timestamp=dt.datetime.now(dt.UTC),
                value_to_merge={f"leaf-{number}": "x" * 1_000},
            )
        with pytest.raises(model.ServiceError):
            client.ipc.get_configuration(key_path=["large"])
        assert len(client.ipc.get_configuration(key_path=["large", "leaf-1"]).value["leaf-1"]) == 1_000


def test_number_of_connections_on_lite(lite: Core) -> None:
    """At most fifty clients are connected; the next is turned away, and let in when one has left."""
    with ExitStack() as stack:
        clients: list[RawClient] = []
        with pytest.raises(AssertionError):
            for _ in range(51):
                clients.append(stack.enter_context(RawClient(lite)))  # noqa: PERF401 - it ends by an error
        assert len(clients) <= 50
        clients[0].socket.close()
        eventually(lambda: is_let_in(lite), WAIT_S, "there is room again")


def is_let_in(core: Core) -> bool:
    """Tell whether a new client is taken."""
    with RawClient(core, component=None) as client:
        client.send(connect_message(core.tokens[LISTENER]))
        return client.receive() is not None


def test_the_core_is_another_process(core: Core) -> None:
    """The socket belongs to a process of its own, not to the suite's."""
    with RawClient(core) as client:
        assert client.peer_process() > 0
