"""PublishToIoTCore and SubscribeToIoTCore, as far as a component sees them.

An external core without a connection to a broker is told by the skipped tests of this file.
"""

import uuid

import pytest
from awsiot.greengrasscoreipc import model

from tests.contract.ipc.client import Client, Core, RawClient

MARK = b"mark"


@pytest.fixture(autouse=True)
def _connected(core: Core, speaker: Client) -> None:
    """Ask nothing of an external core that has no broker."""
    if not core.is_external:
        return
    try:
        speaker.ipc.publish_to_iot_core(topic_name="contract/probe/one", qos="0", payload=b"")
    except model.ServiceError:
        pytest.skip("this core is not connected to a broker: nothing of the cloud can be asked of it")


@pytest.fixture
def branch() -> str:
    """A part of the tree of topics that no other test uses."""
    return f"contract/tree/{uuid.uuid4().hex[:8]}"


def publish(client: Client, topic: str, payload: bytes, qos: str = "1") -> None:
    """Publish to the cloud."""
    client.ipc.publish_to_iot_core(topic_name=topic, qos=qos, payload=payload)


@pytest.mark.parametrize("qos", ["0", "1"])
def test_there_and_back(speaker: Client, listener: Client, branch: str, qos: str) -> None:
    """A message goes to the broker and comes back to whoever subscribed, with its topic and bytes."""
    events = listener.subscribe_to_cloud(f"{branch}/+", qos)
    publish(speaker, f"{branch}/a", bytes(range(256)), qos)
    message = events.next().message
    assert (message.topic_name, message.payload) == (f"{branch}/a", bytes(range(256)))


@pytest.mark.parametrize("topic", ["contract/a/two", "contract/a/b/one", "other/a/one", "$aws/things/x/shadow/get"])
def test_what_no_policy_allows(speaker: Client, topic: str) -> None:
    """A topic outside of the component's policies can neither be published nor subscribed to."""
    with pytest.raises(model.UnauthorizedError):
        publish(speaker, topic, MARK)
    with pytest.raises(model.UnauthorizedError):
        speaker.subscribe_to_cloud(topic)


@pytest.mark.parametrize("topic_filter", ["contract/a/one", "contract/+/one", "contract/tree/#", "contract/tree/+/a"])
def test_wildcards_in_a_cloud_policy(speaker: Client, topic_filter: str) -> None:
    """In a policy for the cloud + and # match as in MQTT, topics and filters alike."""
    speaker.subscribe_to_cloud(topic_filter).close()


def test_overlapping_filters_multiply(speaker: Client, listener: Client, branch: str) -> None:
    """With two filters that match, each stream gets the copy for each of them."""
    first = listener.subscribe_to_cloud(f"{branch}/a")
    second = speaker.subscribe_to_cloud(f"{branch}/+")
    publish(speaker, f"{branch}/a", MARK)
    assert [first.payload(), first.payload(), second.payload(), second.payload()] == [MARK] * 4


def test_one_filter_of_two_components_is_one_subscription(speaker: Client, listener: Client, branch: str) -> None:
    """Two components with the same filter get one copy each, and one goes on when the other has closed."""
    first, second = listener.subscribe_to_cloud(f"{branch}/a"), speaker.subscribe_to_cloud(f"{branch}/a")
    publish(speaker, f"{branch}/a", MARK)
    assert (first.payload(), second.payload()) == (MARK, MARK)
    first.close()
    publish(speaker, f"{branch}/a", b"again")
    assert second.payload() == b"again"
    assert first.received.empty()


def test_a_large_message_from_the_cloud(core: Core, speaker: Client, branch: str) -> None:
    """Nucleus Lite never delivers a packet of more than about 5000 bytes; the connection goes on."""
    events = speaker.subscribe_to_cloud(f"{branch}/+")
    publish(speaker, f"{branch}/a", bytes(4_800))
    publish(speaker, f"{branch}/a", bytes(5_200))
    publish(speaker, f"{branch}/a", MARK)
    expected = [4_800, len(MARK)] if core.is_lite else [4_800, 5_200, len(MARK)]
    assert [len(events.payload()) for _ in expected] == expected


def test_a_large_message_to_the_cloud(speaker: Client, branch: str) -> None:
    """What a component sends may be larger than what it can receive."""
    publish(speaker, f"{branch}/a", bytes(6_000))


def test_qos_and_payload(core: Core) -> None:
    """Nucleus Lite takes a message without qos and payload, the classic runtime does not."""
    with RawClient(core) as client:
        answer = client.ask("PublishToIoTCore", {"topicName": "contract/bare/one"})
        wrong = client.ask("PublishToIoTCore", {"topicName": "contract/bare/one", "payload": "", "qos": "7"}, 2)
    assert answer.number(":message-type") == (0 if core.is_lite else 1)
    assert wrong.number(":message-type") == 1
