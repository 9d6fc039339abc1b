"""The bus as a component sees it: publish a body, get messages in a bounded inbox; the same over a fake and a core.

Delivery is at most once, in order per topic and publisher; a message is a hint and its loss costs only latency. What
arrives is decoded here: a payload that is none of ours is counted in its inbox and logged, never raised into the
thread that delivers, and a full inbox drops its oldest message, so that delivery never waits for a consumer.

Invariants: only topics of the table, by the components that the table names; every message fits the limit before it
is sent.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.codec import MESSAGE_BYTES_MAX, Message, decode, encode
from components.shared.wire.messages import Body
from components.shared.wire.topics import CLOUD_RESOURCES, TOPICS, Topic, published_by, subscribed_by
from components.shared.wire.trace import trace_of
from components.shared.wire.units import NS_PER_MS

CLOUD_PAYLOAD_BYTES_MAX = MESSAGE_BYTES_MAX
"""The same frame carries it: above 7 300 bytes Nucleus Lite closes the connection."""

TOPIC_BYTES_MAX = 256
"""The core's limit on the length of a topic."""

STOP_LOOK_NS = 250 * NS_PER_MS
"""How often a taker that waits for a message looks whether it should stop: well within the 2 s of a stop."""

RECENT_IDS = 64
"""Messages of a topic that may be under way on two streams while a subscription is renewed; that takes milliseconds."""

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class CloudMessage:
    """A message from the cloud: bytes that nobody has looked at yet."""

    topic: str
    payload: bytes


class BoundedInbox(Generic[ItemT]):
    """Keeps the newest `capacity` items for one consumer. Putting never waits; the oldest is dropped and counted."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise Rejected(f"an inbox holds at least 1 message, not {capacity}")
        self._items: deque[ItemT] = deque()
        self._capacity = capacity
        self._lock = threading.Lock()
        self._dropped = 0
        self._refused = 0
        self.wakeup = threading.Event()
        """Set while something may be there; for a consumer that waits by itself and then calls `drain`."""

    @property
    def dropped(self) -> int:
        """Messages dropped because the inbox was full."""
        return self._dropped

    @property
    def refused(self) -> int:
        """Payloads that were no messages of ours."""
        return self._refused

    def put(self, item: ItemT) -> None:
        """Add an item, dropping the oldest when full."""
        with self._lock:
            if len(self._items) == self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
        self.wakeup.set()

    def refuse(self) -> int:
        """Count a payload that was no message; how many there were with this one."""
        with self._lock:
            self._refused += 1
            return self._refused

    def wake(self) -> None:
        """Let a waiting taker look at once whether it should stop."""
        self.wakeup.set()

    def take(self, clock: Clock, stop: threading.Event, duration_ns: int) -> ItemT | None:
        """The oldest item, waiting for one at most `duration_ns`; None then, or when `stop` is set."""
        end_ns = clock.monotonic_ns() + duration_ns
        while True:
            self.wakeup.clear()
            with self._lock:
                if self._items:
                    return self._items.popleft()
            left_ns = end_ns - clock.monotonic_ns()
            if stop.is_set() or left_ns <= 0:
                return None
            clock.wait(self.wakeup, min(left_ns, STOP_LOOK_NS))

    def drain(self) -> list[ItemT]:
        """All items that are there, oldest first, without waiting."""
        self.wakeup.clear()
        with self._lock:
            items = list(self._items)
            self._items.clear()
        return items


class Inbox(BoundedInbox[Message]):
    """Messages of one or several local topics."""


class CloudInbox(BoundedInbox[CloudMessage]):
    """Messages of one or several cloud topics."""


@dataclass(frozen=True, slots=True)
class UpdateAhead:
    """The core is going to carry out a deployment, of whatever components, and waits for an answer about it."""

    deployment: str


class UpdateInbox(BoundedInbox[UpdateAhead]):
    """Announcements of updates."""


class Bus(Protocol):
    """What a component says and hears."""

    def publish(self, body: Body, trace_id: str = "") -> None:
        """Say it to whoever listens now. Transient when the core does not take it; Rejected when it may not be said."""

    def subscribe(self, topic: Topic, inbox: Inbox) -> None:
        """Have the topic's messages put into `inbox` for as long as it is referred to; Rejected when not allowed."""

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Hand it to the core for the cloud. Transient when offline. No error is not yet delivery."""

    def subscribe_cloud(self, topic_filter: str, inbox: CloudInbox) -> None:
        """Have matching messages from the cloud put into `inbox`; Rejected when not allowed."""

    def subscribe_updates(self, inbox: UpdateInbox) -> None:
        """Have announcements of updates put into `inbox`, for as long as it is referred to.

        A core that does not announce any (Nucleus Lite) is no failure: then nothing ever comes.
        """

    def put_off_update(self, deployment: str, duration_ns: int, reason: str) -> None:
        """Answer an announcement: ask again after so long, or with 0 go on. Transient when it is too late for that."""

    def close(self) -> None:
        """Say and hear nothing any more. May be called twice."""


class Outgoing:
    """Makes messages of a component's bodies: gives them an id, checks that the component may say them."""

    def __init__(self, component: str, clock: Clock, nonce: str, thing: str = "") -> None:
        """`nonce` is another one in every run of the component, so that no two of its messages share an id.

        `thing` is the site that traces belong to. A message about nothing that has a trace is one by itself.
        """
        self._thing = thing
        self._component = component
        self._clock = clock
        self._allowed = {topic.body: topic for topic in published_by(component)}
        self._origin = f"{component}-{nonce}"
        self._numbers = itertools.count(1)

    def message(self, body: Body, trace_id: str = "") -> tuple[Topic, bytes]:
        """The topic and the bytes to send; Rejected, before anything is sent, when not allowed or too long."""
        topic = self._allowed.get(type(body))
        if topic is None:
            raise Rejected(f"{self._component} may not publish {type(body).__name__}: not in the table of topics")
        number = f"{self._origin}-{next(self._numbers)}"
        trace_id = trace_id or self._trace(body) or number
        return topic, encode(Message(number, self._component, self._clock.wall_ns(), trace_id, body))

    def _trace(self, body: Body) -> str | None:
        return trace_of(self._thing, body.model_dump()) if self._thing else None


def check_subscription(component: str, topic: Topic) -> None:
    """Rejected unless the table lets the component hear this topic."""
    if topic not in TOPICS:
        raise Rejected(f"topic {topic.name!r} is not in the table of topics")
    if topic not in subscribed_by(component):
        raise Rejected(f"{component} may not subscribe to {topic.name}: not in the table of topics")


def check_cloud_publication(topic: str, payload: bytes) -> None:
    """Rejected when the topic is outside what the recipes allow, or the payload is too long for a frame."""
    if "+" in topic or "#" in topic:
        raise Rejected(f"cloud topic {topic!r} is a filter, not a topic")
    check_cloud_filter(topic)
    if len(payload) > CLOUD_PAYLOAD_BYTES_MAX:
        raise Rejected(f"message on {topic} has {len(payload)} bytes, the limit is {CLOUD_PAYLOAD_BYTES_MAX}")


def check_cloud_filter(topic_filter: str) -> None:
    """Rejected unless one of the recipes' resources covers this topic or filter."""
    if len(topic_filter.encode()) > TOPIC_BYTES_MAX:
        raise Rejected(f"cloud topic {topic_filter!r} is longer than {TOPIC_BYTES_MAX} bytes")
    if not any(matches(resource, topic_filter) for resource in CLOUD_RESOURCES):
        raise Rejected(f"cloud topic {topic_filter!r} is outside {', '.join(CLOUD_RESOURCES)}")


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter matches a topic: `+` is one level, `#` at the end is the rest, none included."""
    wanted = topic_filter.split("/")
    given = topic.split("/")
    for level, want in enumerate(wanted):
        if want == "#":
            return level == len(wanted) - 1
        if level >= len(given) or want not in {"+", given[level]}:
            return False
    return len(wanted) == len(given)


class LocalFan:
    """Hands the payloads that arrive on one topic to a component's inboxes. Never raises, never waits.

    A message that comes twice, because a subscription was renewed while it was under way, is handed on once.
    """

    def __init__(self, topic: Topic, log: Log) -> None:
        self._topic = topic
        self._log = log
        self._lock = threading.Lock()
        self._inboxes: weakref.WeakSet[Inbox] = weakref.WeakSet()
        self._recent: deque[str] = deque(maxlen=RECENT_IDS)

    def add(self, inbox: Inbox) -> None:
        """Hand messages to this inbox too, for as long as somebody refers to it."""
        with self._lock:
            self._inboxes.add(inbox)

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens any more."""
        with self._lock:
            return not self._inboxes

    def receive(self, payload: bytes | None) -> None:
        """Hand on what arrived; None stands for a message that is not binary, which none of ours is."""
        with self._lock:
            inboxes = list(self._inboxes)
        try:
            message = _decode(self._topic, payload)
        except Rejected as error:
            for inbox in inboxes:
                if _is_power_of_ten(inbox.refuse()):  # repeats are counted, not repeated
                    self._log.warning("message_refused", topic=self._topic.name, error=error, refused=inbox.refused)
            return
        with self._lock:
            if message.id in self._recent:
                return
            self._recent.append(message.id)
        for inbox in inboxes:
            inbox.put(message)


class CloudFan:
    """Hands the messages that arrive for one filter to a component's inboxes. Never raises, never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: weakref.WeakSet[CloudInbox] = weakref.WeakSet()

    def add(self, inbox: CloudInbox) -> None:
        """Hand messages to this inbox too, for as long as somebody refers to it."""
        with self._lock:
            self._inboxes.add(inbox)

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens any more."""
        with self._lock:
            return not self._inboxes

    def receive(self, topic: str, payload: bytes) -> None:
        """Hand on what arrived."""
        with self._lock:
            inboxes = list(self._inboxes)
        for inbox in inboxes:
            inbox.put(CloudMessage(topic, payload))


class UpdateFan:
    """Hands announcements of updates to a component's inboxes. Never raises, never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: weakref.WeakSet[UpdateInbox] = weakref.WeakSet()

    def add(self, inbox: UpdateInbox) -> None:
        """Hand announcements to this inbox too, for as long as somebody refers to it."""
        with self._lock:
            self._inboxes.add(inbox)

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens any more."""
        with self._lock:
            return not self._inboxes

    def receive(self, deployment: str) -> None:
        """Hand on what was announced."""
        with self._lock:
            inboxes = list(self._inboxes)
        for inbox in inboxes:
            inbox.put(UpdateAhead(deployment))


def _decode(topic: Topic, payload: bytes | None) -> Message:
    if payload is None:
        raise Rejected(f"message on {topic.name}: not a binary message")
    return decode(topic.name, payload)


def _is_power_of_ten(number: int) -> bool:
    return number >= 1 and str(number).strip("0") == "1"
