"""Local topics: who gets what, and what Nucleus Lite makes of messages that are too rich."""

import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

from local.nucleus.json_value import JsonObject
from local.nucleus.message import request_message
from tests.contract.ipc.client import WAIT_S, Client, Core, RawClient

MARK = b"mark"  # published after something that must not arrive: what comes first is then the mark
DELIVERY_WAIT_S = 5.0  # how long Nucleus Lite waits for a subscriber that does not read
SUBSCRIPTIONS_MAX = 100


def nested(depth: int) -> dict[str, Any]:
    """Return maps inside one another."""
    value: dict[str, Any] = {"end": 1}
    for _ in range(depth - 1):
        value = {"in": value}
    return value


def test_bytes_arrive_as_they_were_sent(speaker: Client, listener: Client) -> None:
    """A binary message reaches another component with its bytes and its topic."""
    events = listener.subscribe("contract/bytes")
    speaker.publish("contract/bytes", bytes(range(256)))
    event = events.next()
    assert event.binary_message.message == bytes(range(256))
    assert event.binary_message.context.topic == "contract/bytes"
    assert event.json_message is None


def test_json_arrives_as_it_was_sent(speaker: Client, listener: Client) -> None:
    """A JSON message reaches another component with its types."""
    events = listener.subscribe("contract/json")
    message = {"text": "ü", "number": -1.5, "truth": False, "none": None, "list": [1, [2, {"a": "b"}]]}
    speaker.publish_json("contract/json", message)
    assert events.payload() == message


def test_an_own_message_arrives(speaker: Client) -> None:
    """A component that subscribed to an exact topic gets what it publishes itself."""
    events = speaker.subscribe("contract/own")
    speaker.publish("contract/own", MARK)
    assert events.payload() == MARK


def test_receive_mode(core: Core, speaker: Client, listener: Client) -> None:
    """Messages from others only: the classic runtime keeps to it, Nucleus Lite does not."""
    events = speaker.subscribe("contract/mode", receive_mode="RECEIVE_MESSAGES_FROM_OTHERS")
    speaker.publish("contract/mode", b"own")
    listener.publish("contract/mode", MARK)
    expected = [b"own", MARK] if core.is_lite else [MARK]
    assert [events.payload() for _ in expected] == expected


def test_wildcard_subscriptions_of_the_classic_runtime_skip_own_messages(classic: Core) -> None:
    """Without a receive mode a filter with wildcards brings messages of others only (classic runtime)."""
    with Client(classic) as speaker, Client(classic, "com.edgenvr.contract.Listener") as listener:
        events = speaker.subscribe("contract/skip/+")
        speaker.publish("contract/skip/a", b"own")
        listener.publish("contract/skip/a", MARK)
        assert events.payload() == MARK


def test_no_subscriber_is_no_error(speaker: Client) -> None:
    """Publishing where nobody listens succeeds."""
    speaker.publish("contract/nobody", MARK)


def test_order_is_kept(speaker: Client, listener: Client) -> None:
    """Messages of one publisher arrive in their order."""
    events = listener.subscribe("contract/order")
    for number in range(200):
        speaker.publish("contract/order", str(number).encode())
    assert [int(events.payload()) for _ in range(200)] == list(range(200))


def test_every_subscription_gets_a_copy(speaker: Client, listener: Client) -> None:
    """Two subscriptions that match are two deliveries, in one component too."""
    exact, wild = listener.subscribe("contract/copy/a"), listener.subscribe("contract/copy/+")
    speaker.publish("contract/copy/a", MARK)
    assert (exact.payload(), wild.payload()) == (MARK, MARK)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "on_lite", "on_classic"),
    [
        ("contract/m/+", "contract/m/a", True, True),
        ("contract/m/+", "contract/m/a/b", False, False),
        ("contract/m/+/c", "contract/m/b/c", True, True),
        ("contract/m/#", "contract/m/a/b", True, True),
        ("contract/m/#", "contract/m", True, False),
        ("contract/m/+", "contract/m/", True, False),
        ("contract/m/a", "contract/m/a/", False, True),
        ("contract/m/a", "contract/m/A", False, False),
    ],
)
def test_what_a_filter_matches(
    core: Core, speaker: Client, listener: Client, topic_filter: str, topic: str, on_lite: bool, on_classic: bool
) -> None:
    """Levels, + and # match as on the runtime in question; they differ about "a/#" and about empty levels."""
    events = listener.subscribe(topic_filter)
    marks = listener.subscribe("contract/m-mark")
    speaker.publish(topic, b"message")
    speaker.publish("contract/m-mark", MARK)
    assert marks.payload() == MARK
    assert events.received.qsize() == (on_lite if core.is_lite else on_classic)


def test_a_topic_with_wildcards(core: Core, speaker: Client, listener: Client) -> None:
    """Publishing to a topic with a wildcard is refused by the classic runtime and allowed on Nucleus Lite."""
    if core.is_lite:
        events = listener.subscribe("contract/wild/#")
        speaker.publish("contract/wild/+", MARK)
        assert events.payload() == MARK
    else:
        with pytest.raises(model.InvalidArgumentsError):
            speaker.publish("contract/wild/+", MARK)


@pytest.mark.parametrize("topic", ["other/topic", "contract", "Contract/a", "literal/a/topic"])
def test_what_no_policy_allows(speaker: Client, topic: str) -> None:
    """A topic outside of the component's policies can neither be published nor subscribed to."""
    with pytest.raises(model.UnauthorizedError):
        speaker.publish(topic, MARK)
    with pytest.raises(model.UnauthorizedError):
        speaker.subscribe(topic)


@pytest.mark.parametrize("topic_filter", ["literal/+/topic", "literal/#"])
def test_wildcards_in_a_local_policy_are_plain_characters(speaker: Client, topic_filter: str) -> None:
    """A filter is allowed when its own text is in the policy."""
    speaker.subscribe(topic_filter).close()


def test_a_question_mark_in_a_topic_is_refused_on_lite(lite: Core) -> None:
    """Nucleus Lite authorizes no topic with a question mark."""
    with Client(lite) as speaker, pytest.raises(model.UnauthorizedError):
        speaker.publish("contract/?", MARK)


def test_length_of_a_topic_on_lite(lite: Core) -> None:
    """A topic of 256 bytes is taken, one of 257 is a ServiceError."""
    longest = "contract/".ljust(256, "x")
    with Client(lite) as speaker:
        events = speaker.subscribe(longest)
        speaker.publish(longest, MARK)
        assert events.payload() == MARK
        with pytest.raises(model.ServiceError):
            speaker.publish(longest + "x", MARK)
        with pytest.raises(model.ServiceError):
            speaker.subscribe(longest + "x")


def test_a_closed_subscription_gets_nothing(speaker: Client, listener: Client) -> None:
    """After a subscription was closed nothing comes on it any more."""
    closed, open_one = listener.subscribe("contract/closed"), listener.subscribe("contract/closed")
    closed.close()
    speaker.publish("contract/closed", MARK)
    assert open_one.payload() == MARK
    assert closed.received.empty()


@pytest.mark.parametrize(("entries", "arrives"), [(20, True), (24, False)])
def test_entries_of_a_json_message_on_lite(lite: Core, entries: int, arrives: bool) -> None:
    """A JSON message with too many entries is accepted, lost, and ends the subscription without a word."""
    with Client(lite) as client:
        _check_delivery(client, {f"k{number}": number for number in range(entries)}, arrives=arrives)


@pytest.mark.parametrize(("items", "arrives"), [(40, True), (44, False)])
def test_items_of_a_json_message_on_lite(lite: Core, items: int, arrives: bool) -> None:
    """The same holds for the items of lists."""
    with Client(lite) as client:
        _check_delivery(
            client, {"list": list(range(items - 2))} if arrives else {"list": list(range(items))}, arrives=arrives
        )


def _check_delivery(client: Client, message: dict[str, Any], *, arrives: bool) -> None:
    events, others = client.subscribe("contract/rich"), client.subscribe("contract/rich-mark")
    client.publish_json("contract/rich", message)
    client.publish("contract/rich", MARK)
    client.publish("contract/rich-mark", MARK)
    assert others.payload() == MARK
    if arrives:
        assert events.payload() == message
        assert events.payload() == MARK
    assert events.received.empty()
    assert events.errors.empty()
    assert events.closed.empty()


def test_a_deep_json_message_on_lite(lite: Core) -> None:
    """Depth 12 arrives, depth 13 is accepted and lost, depth 14 is refused."""
    with Client(lite) as client:
        events = client.subscribe("contract/deep")
        client.publish_json("contract/deep", nested(12))
        client.publish_json("contract/deep", nested(13))
        with pytest.raises(model.ServiceError):
            client.publish_json("contract/deep", nested(14))
        client.publish("contract/deep", MARK)
        assert events.payload() == nested(12)
        assert events.payload() == MARK


@pytest.mark.parametrize("message", [{f"k{n}": n for n in range(110)}, {"n": 2**63}, {"n": -(2**63) - 1}])
def test_json_that_lite_cannot_publish(lite: Core, message: dict[str, Any]) -> None:
    """More than about a hundred entries, or an integer beyond 64 bits, is refused."""
    with Client(lite) as client, pytest.raises(model.ServiceError):
        client.publish_json("contract/refused", message)


def test_a_rich_json_message_on_the_classic_runtime(classic: Core) -> None:
    """The classic runtime delivers what would end a subscription on Nucleus Lite."""
    with Client(classic) as client:
        events = client.subscribe("contract/rich")
        message = {f"k{number}": nested(20) for number in range(200)}
        client.publish_json("contract/rich", message)
        assert events.payload() == message


def test_a_message_needs_exactly_one_body(core: Core) -> None:
    """A publish with no message, or with two, is an error of the request."""
    expected = "ServiceError" if core.is_lite else "InvalidArgumentsError"
    both: JsonObject = {"jsonMessage": {"message": {}}, "binaryMessage": {"message": ""}}
    with RawClient(core) as client:
        none: JsonObject = {}
        for stream_id, message in enumerate((none, both), start=1):
            answer = client.ask("PublishToTopic", {"topic": "contract/a", "publishMessage": message}, stream_id)
            assert answer.text("service-model-type") == f"aws.greengrass#{expected}"


@pytest.mark.slow
def test_a_hundred_subscriptions_on_lite(lite: Core) -> None:
    """The core holds a hundred subscriptions of all components; the next is refused, a closed one makes room."""
    with Client(lite) as speaker, Client(lite, "com.edgenvr.contract.Listener") as listener:
        held = [(speaker, listener)[n % 2].subscribe(f"contract/many/{n}") for n in range(SUBSCRIPTIONS_MAX)]
        with pytest.raises(model.ServiceError):
            listener.subscribe("contract/many/one-more")
        held[0].close()
        listener.subscribe("contract/many/one-more")
        speaker.publish("contract/many/99", MARK)
        assert held[99].payload() == MARK


@pytest.mark.slow
def test_a_subscriber_that_does_not_read(core: Core, speaker: Client, listener: Client) -> None:
    """On Nucleus Lite it slows every publish down to seconds, on the classic runtime none; nobody else loses."""
    healthy = listener.subscribe("contract/stall")
    with RawClient(core) as stalled:
        stalled.send(request_message(1, "SubscribeToTopic", {"topic": "contract/stall"}))
        assert stalled.receive() is not None
        longest_s, count = 0.0, 0
        started = time.monotonic()
        while longest_s < DELIVERY_WAIT_S / 2 and count < 200:
            before = time.monotonic()
            speaker.publish("contract/stall", bytes(5_000))
            longest_s = max(longest_s, time.monotonic() - before)
            count += 1
            assert time.monotonic() - started < 10 * WAIT_S
        for _ in range(count):
            assert len(healthy.payload()) == 5_000
    assert (longest_s > DELIVERY_WAIT_S / 2) is core.is_lite


@pytest.mark.slow
def test_many_publishers_at_once(core: Core, listener: Client) -> None:
    """Messages that several connections publish at the same time all arrive."""
    events = listener.subscribe("contract/crowd")

    def publish() -> None:
        with Client(core) as client:
            for number in range(50):
                client.publish("contract/crowd", str(number).encode())

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(int(events.payload()) for _ in range(200)) == sorted(list(range(50)) * 4)


def test_limits_that_the_classic_runtime_does_not_have(classic: Core) -> None:
    """More than fifty clients and a hundred subscriptions, long topics and question marks are all taken."""
    with ExitStack() as stack:
        for _ in range(51):
            stack.enter_context(RawClient(classic))
        client = stack.enter_context(Client(classic))
        for number in range(SUBSCRIPTIONS_MAX + 1):
            client.subscribe(f"contract/many/{number}")
        for topic in ("contract/".ljust(300, "x"), "contract/?"):
            events = client.subscribe(topic)
            client.publish(topic, MARK)
            assert events.payload() == MARK
