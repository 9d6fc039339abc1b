"""The bus keeps its promises, over the fake broker and over a Greengrass core."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Bus, CloudInbox, CloudMessage, Inbox, UpdateInbox
from components.shared.runtime.clock import SystemClock
from components.shared.wire.codec import MESSAGE_BYTES_MAX, Message, encode
from components.shared.wire.messages import Body, ConfigChanged, SegmentClosed, StatusReported
from components.shared.wire.topics import (
    CONFIG_APPLIED,
    CONFIG_CHANGED,
    SEGMENT_CLOSED,
    STATUS_REPORTED,
    Topic,
    shadow_delta_filter,
    telemetry_topic,
)
from components.shared.wire.trace import trace_of_segment
from components.shared.wire.units import NS_PER_S
from tests.contract.bus.cores import THING, Core
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

NOT_OURS = b'{"hello":"world"}'


def _closed(number: int) -> SegmentClosed:
    return SegmentClosed(camera="cam-1", segment=f"s-{number}", start_ns=number, end_ns=number + 1)


def _status(text: str | None = None, component: str = "Capture") -> StatusReported:
    return StatusReported(component=component, version="1", started_wall_ns=1, last_progress_wall_ns=2, last_error=text)


def _take(inbox: Inbox, count: int, within_s: float = 10) -> list[Message]:
    clock, stop = SystemClock(), threading.Event()
    found = [inbox.take(clock, stop, int(within_s * NS_PER_S)) for _ in range(count)]
    return [message for message in found if message is not None]


def _numbers(messages: list[Message]) -> list[int]:
    return [message.body.start_ns for message in messages if isinstance(message.body, SegmentClosed)]


def _publish_when_possible(bus: Bus, body: Body) -> None:
    def published() -> bool:
        try:
            bus.publish(body)
        except Transient:
            return False
        return True

    eventually(published, 15)


def test_a_message_reaches_every_subscriber_as_it_was_said(core: Core) -> None:
    """All components that listen get the body, with its sender, its time and its trace."""
    inboxes = [Inbox(4), Inbox(4)]
    core.bus("VideoProcessor").subscribe(SEGMENT_CLOSED, inboxes[0])
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, inboxes[1])
    core.bus("Capture").publish(_closed(7), trace_id="trace-1")
    for inbox in inboxes:
        (message,) = _take(inbox, 1)
        assert (message.body, message.source, message.trace_id) == (_closed(7), "Capture", "trace-1")
        assert message.sent_wall_ns > 0


def test_a_message_about_a_segment_has_its_trace(core: Core) -> None:
    """Who publishes hands on no trace: it follows from the site and the segment, for whoever hears of it."""
    inbox = Inbox(4)
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, inbox)
    bus = core.bus("Capture")
    bus.publish(_closed(7))
    bus.publish(_closed(7))
    expected = trace_of_segment("site-1", _closed(7).segment)
    assert [message.trace_id for message in _take(inbox, 2)] == [expected, expected]


def test_messages_of_one_publisher_arrive_in_order(core: Core) -> None:
    """Two hundred messages on one topic arrive in the order in which they were published, each at most once."""
    inbox = Inbox(400)
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, inbox)
    publisher = core.bus("Capture")
    for number in range(200):
        publisher.publish(_closed(number))
    assert _numbers(_take(inbox, 200)) == list(range(200))
    assert inbox.drain() == []


def test_every_message_has_an_id_of_its_own(core: Core) -> None:
    """Two messages with the same body have two ids, also after the component was started again."""
    inbox = Inbox(8)
    core.bus("HealthMonitor").subscribe(STATUS_REPORTED, inbox)
    for _ in range(2):
        bus = core.bus("Capture")
        bus.publish(_status())
        bus.publish(_status())
    assert len({message.id for message in _take(inbox, 4)}) == 4


def test_an_inbox_may_hear_several_topics_and_a_topic_several_inboxes(core: Core) -> None:
    """A component's tasks each have an inbox, and one inbox can gather several topics."""
    both, only = Inbox(8), Inbox(8)
    listener = core.bus("VideoProcessor")
    listener.subscribe(SEGMENT_CLOSED, both)
    listener.subscribe(CONFIG_CHANGED, both)
    listener.subscribe(CONFIG_CHANGED, only)
    core.bus("Capture").publish(_closed(1))
    core.bus("SiteConfig").publish(ConfigChanged(document="site", version=1, sha256="0" * 64))
    assert {type(message.body) for message in _take(both, 2)} == {SegmentClosed, ConfigChanged}
    assert len(_take(only, 1)) == 1
    assert both.drain() == only.drain() == []


def test_a_message_that_nobody_hears_is_no_error(core: Core) -> None:
    """Publishing without subscribers succeeds, and who subscribes later does not get it."""
    core.bus("Capture").publish(_closed(1))
    inbox = Inbox(4)
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, inbox)
    core.bus("Capture").publish(_closed(2))
    assert _numbers(_take(inbox, 1)) == [2]


@pytest.mark.parametrize(("beyond", "fits"), [(-1, True), (0, True), (1, False)])
def test_a_message_above_the_limit_is_refused_before_it_is_sent(core: Core, beyond: int, fits: bool) -> None:
    """Up to 6 000 bytes a message arrives; one byte more is Rejected, and the bus still works."""
    inbox = Inbox(4)
    core.bus("HealthMonitor").subscribe(STATUS_REPORTED, inbox)
    bus = core.bus("Capture")
    bus.publish(_status())
    (sample,) = _take(inbox, 1)
    room = MESSAGE_BYTES_MAX - len(encode(sample))
    body = _status(component="Capture" + "x" * (room + beyond))
    if fits:
        bus.publish(body)
    else:
        with pytest.raises(Rejected, match="6001 bytes, the limit is 6000"):
            bus.publish(body)
        bus.publish(_status())
    assert len(_take(inbox, 1)) == 1


def test_a_body_that_the_table_does_not_give_to_a_component_is_refused(core: Core) -> None:
    """Only the publishers of the table may say it."""
    with pytest.raises(Rejected, match="CloudSync may not publish SegmentClosed"):
        core.bus("CloudSync").publish(_closed(1))


def test_topics_outside_the_table_are_refused(core: Core) -> None:
    """A topic that is not in the table, or not for this component, cannot be subscribed to or published."""

    class Strange(Body):
        pass

    bus = core.bus("Capture")
    strange = Topic("strange/said", Strange, ("Capture",), ("Capture",), "nothing")
    with pytest.raises(Rejected, match="not in the table"):
        bus.subscribe(strange, Inbox(1))
    with pytest.raises(Rejected, match="may not subscribe to nvr/v1/config/applied"):
        bus.subscribe(CONFIG_APPLIED, Inbox(1))
    with pytest.raises(Rejected, match="may not publish Strange"):
        bus.publish(Strange())


@pytest.mark.parametrize("payload", [b"", b"\xff\x00", b"{", NOT_OURS, b"[]", b'{"id":1}' * 100])
def test_a_bad_payload_is_counted_and_told_and_harms_nobody(core: Core, payload: bytes) -> None:
    """What is none of our messages is counted, logged once, and the next good message arrives."""
    log, inbox = RecordingLog(), Inbox(4)
    core.bus("HealthMonitor", log).subscribe(STATUS_REPORTED, inbox)
    for _ in range(3):
        core.inject(STATUS_REPORTED.name, payload)
    core.bus("Capture").publish(_status())
    assert len(_take(inbox, 1)) == 1
    assert inbox.refused == 3
    assert [record.fields["topic"] for record in log.named("message_refused")] == [STATUS_REPORTED.name]


def test_a_consumer_that_does_not_take_holds_nobody_up(core: Core) -> None:
    """A full inbox drops its oldest and counts; publisher and other listeners do not notice."""
    stalled, healthy = Inbox(5), Inbox(200)
    core.bus("VideoProcessor").subscribe(SEGMENT_CLOSED, stalled)
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, healthy)
    publisher = core.bus("Capture")
    began_s = time.monotonic()
    for number in range(100):
        publisher.publish(_closed(number))
    assert _numbers(_take(healthy, 100)) == list(range(100))
    assert time.monotonic() - began_s < 10
    eventually(lambda: stalled.dropped == 95)
    assert _numbers(stalled.drain()) == list(range(95, 100))


def test_an_inbox_that_is_gone_is_forgotten(core: Core) -> None:
    """The bus does not keep an inbox that nobody refers to any more; the others go on."""
    listener, inbox, other = core.bus("CloudSync"), Inbox(4), Inbox(4)
    listener.subscribe(SEGMENT_CLOSED, inbox)
    listener.subscribe(SEGMENT_CLOSED, other)
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
    core.bus("Capture").publish(_closed(1))
    assert _numbers(_take(inbox, 1)) == [1]


def test_threads_may_publish_at_once(core: Core) -> None:
    """Four threads on one bus: all messages arrive, each thread's in its order."""
    inbox, publisher = Inbox(400), core.bus("Capture")
    core.bus("CloudSync").subscribe(SEGMENT_CLOSED, inbox)

    def publish(first: int) -> None:
        for number in range(first, first + 25):
            publisher.publish(_closed(number))

    threads = [threading.Thread(target=publish, args=(first,)) for first in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    numbers = _numbers(_take(inbox, 100))
    for first in (0, 100, 200, 300):
        own = [number for number in numbers if first <= number < first + 100]
        assert own == list(range(first, first + 25))


def test_without_a_connection_publishing_is_transient_and_comes_back(core: Core) -> None:
    """While there is no core, publishing is Transient; afterwards publisher and subscriptions work by themselves."""
    inbox, listener, publisher = Inbox(400), core.bus("CloudSync"), core.bus("Capture")
    listener.subscribe(SEGMENT_CLOSED, inbox)
    publisher.publish(_closed(1))
    assert _numbers(_take(inbox, 1)) == [1]
    core.set_connected(False)
    with pytest.raises(Transient, match="publish on nvr/v1/segment/closed: "):
        for number in range(2, 50):
            publisher.publish(_closed(number))
    core.set_connected(True)
    _publish_when_possible(publisher, _closed(100))

    def arrives_again() -> bool:
        _publish_when_possible(publisher, _closed(101))
        return 101 in _numbers(inbox.drain())

    eventually(arrives_again, 15)


def test_a_closed_bus_says_and_hears_nothing(core: Core) -> None:
    """After closing, publishing is Transient, nothing arrives any more, and closing again does no harm."""
    inbox, listener, publisher = Inbox(4), core.bus("CloudSync"), core.bus("Capture")
    listener.subscribe(SEGMENT_CLOSED, inbox)
    listener.close()
    listener.close()
    publisher.publish(_closed(1))
    publisher.close()
    with pytest.raises(Transient, match="not connected"):
        publisher.publish(_closed(2))
    assert inbox.drain() == []


def test_a_message_for_the_cloud_arrives_there(core: Core) -> None:
    """What is handed to the core while it is online arrives under its topic, byte for byte."""
    payload = bytes(range(256))
    core.bus("HealthMonitor").publish_cloud(telemetry_topic(THING), payload)
    eventually(lambda: core.to_cloud() == [CloudMessage(telemetry_topic(THING), payload)])


def test_offline_a_message_for_the_cloud_is_transient(core: Core) -> None:
    """While the core is offline, its refusal is Transient; once online again it takes messages."""
    bus = core.bus("HealthMonitor")
    core.set_online(False)
    try:
        if core.tells_offline:
            with pytest.raises(Transient, match="publish to the cloud on nvr/v1/site-1/telemetry/reported"):
                bus.publish_cloud(telemetry_topic(THING), b"lost")
    finally:
        core.set_online(True)
    bus.publish_cloud(telemetry_topic(THING), b"kept")
    eventually(lambda: CloudMessage(telemetry_topic(THING), b"kept") in core.to_cloud())


@pytest.mark.parametrize("length", [MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1])
def test_a_message_for_the_cloud_has_the_same_limit(core: Core, length: int) -> None:
    """Up to 6 000 bytes go to the cloud; more is Rejected before it is sent."""
    bus = core.bus("HealthMonitor")
    if length <= MESSAGE_BYTES_MAX:
        bus.publish_cloud(telemetry_topic(THING), b"x" * length)
        eventually(lambda: [len(message.payload) for message in core.to_cloud()] == [length])
        return
    with pytest.raises(Rejected, match="6001 bytes, the limit is 6000"):
        bus.publish_cloud(telemetry_topic(THING), b"x" * length)


@pytest.mark.parametrize(
    "topic",
    ["nvr/v2/site-1/x", "other", "nvr/v1/+/x", "nvr/v1/#", "$aws/things/site-1/shadow/update", "nvr/v1/" + "x" * 300],
)
def test_cloud_topics_outside_the_recipes_are_refused(core: Core, topic: str) -> None:
    """What no recipe allows is Rejected before it is sent."""
    with pytest.raises(Rejected, match="cloud topic"):
        core.bus("HealthMonitor").publish_cloud(topic, b"{}")


@pytest.mark.parametrize("topic_filter", ["nvr/v2/#", "#", "$aws/things/+/shadow/update/delta", "$aws/#"])
def test_cloud_filters_outside_the_recipes_are_refused(core: Core, topic_filter: str) -> None:
    """A filter that no recipe covers is Rejected."""
    with pytest.raises(Rejected, match="cloud topic"):
        core.bus("SiteConfig").subscribe_cloud(topic_filter, CloudInbox(1))


def test_messages_of_the_cloud_arrive_once(core: Core) -> None:
    """A delta arrives at the one filter for deltas, with its topic and bytes; other topics do not."""
    inbox = CloudInbox(8)
    core.bus("SiteConfig").subscribe_cloud(shadow_delta_filter(THING), inbox)
    topic = f"$aws/things/{THING}/shadow/name/site/update/delta"
    clock, stop = SystemClock(), threading.Event()

    def first_arrives() -> bool:
        """The core's own subscription may take effect a moment after it has answered."""
        core.from_cloud(f"$aws/things/{THING}/shadow/name/site/update/accepted", b"other")
        core.from_cloud(topic, b"\x00{}")
        return inbox.take(clock, stop, NS_PER_S) == CloudMessage(topic, b"\x00{}")

    eventually(first_arrives, 15)
    core.from_cloud(topic, b"second")
    assert inbox.take(clock, stop, 10 * NS_PER_S) == CloudMessage(topic, b"second")
    assert inbox.drain() == []


def test_the_fake_can_lose_messages() -> None:
    """The fake drops what the test says, tells the publisher nothing, and counts."""
    from tests.fakes.bus import FakeBroker, FakeBus

    broker, inbox = FakeBroker(drop=lambda topic, number: topic == SEGMENT_CLOSED.name and number % 3 == 0), Inbox(20)
    FakeBus("CloudSync", broker).subscribe(SEGMENT_CLOSED, inbox)
    publisher = FakeBus("Capture", broker)
    for number in range(1, 10):
        publisher.publish(_closed(number))
    assert _numbers(inbox.drain()) == [1, 2, 4, 5, 7, 8]
    assert broker.dropped == 3
    assert len(broker.bodies(SegmentClosed)) == 9


def test_an_announced_update_is_answered_once(core: Core) -> None:
    """It is told to who listens; the first answer counts, a second one comes too late. Other cores announce nothing."""
    log, inbox = RecordingLog(), UpdateInbox(4)
    bus = core.bus("Capture", log)
    bus.subscribe_updates(inbox)
    core.redeploy()
    ahead = inbox.take(SystemClock(), threading.Event(), (20 if core.asks_before_updates else 1) * NS_PER_S)
    assert (ahead is not None) is core.asks_before_updates
    if ahead is not None:
        bus.put_off_update(ahead.deployment, 0, "nothing is in the way")
    with pytest.raises(Transient):
        bus.put_off_update("another" if ahead is None else ahead.deployment, NS_PER_S, "too late")
    assert not [record for record in log.records if record.level in ("WARNING", "ERROR")], log.text()
    bus.publish(_closed(1))  # all else goes on
