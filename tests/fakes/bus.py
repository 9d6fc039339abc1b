"""A bus without a core: several components in one process, messages as bytes, faults on demand.

Proven by the same suite as the real one (tests/contract/bus). Delivery happens in the publisher's thread, so that a
test sees it as soon as `publish` returned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from components.shared.errors import Transient
from components.shared.runtime.bus import (
    CloudFan,
    CloudInbox,
    CloudMessage,
    Inbox,
    LocalFan,
    Outgoing,
    UpdateFan,
    UpdateInbox,
    check_cloud_filter,
    check_cloud_publication,
    check_subscription,
    matches,
)
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.codec import Message, decode
from components.shared.wire.messages import Body
from components.shared.wire.topics import Topic
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

THING = "site-1"

Drop = Callable[[str, int], bool]


class FakeBroker:
    """What several `FakeBus`es are connected to.

    `drop(topic name, number)` says which local messages are lost, numbered from 1. `connected` and `online` are the
    connection to the core and the core's to the cloud.
    """

    def __init__(self, drop: Drop = lambda _topic, _number: False) -> None:
        self.drop = drop
        self.connected = True
        self.online = True
        self.dropped = 0
        self.published: list[Message] = []
        """Every local message that the core took, also the dropped ones."""
        self.to_cloud: list[CloudMessage] = []
        """Every message that the core took for the cloud."""
        self.put_off: list[tuple[str, int]] = []
        """Every answer to an announced update: the deployment, and for how long it is put off."""
        self._asked: set[str] = set()
        self._updates: list[UpdateFan] = []
        self._lock = threading.Lock()
        self._number = 0
        self._buses = 0
        self._local: list[tuple[str, LocalFan]] = []
        self._cloud: list[tuple[str, CloudFan]] = []

    def nonce(self) -> str:
        """Another text for each bus, the same ones in every run of a test."""
        with self._lock:
            self._buses += 1
            return f"bus-{self._buses}"

    def inject(self, topic_name: str, payload: bytes) -> None:
        """Deliver any bytes on a local topic, as a foreign component could."""
        with self._lock:
            self._number += 1
            is_dropped = self.drop(topic_name, self._number)
            self.dropped += is_dropped
            fans = [fan for name, fan in self._local if name == topic_name]
        if not is_dropped:
            for fan in fans:
                fan.receive(payload)

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """Deliver a message of the cloud; lost when offline."""
        with self._lock:
            fans = [fan for topic_filter, fan in self._cloud if matches(topic_filter, topic)]
        for fan in fans if self.online else ():
            fan.receive(topic, payload)

    def bodies(self, kind: type[Body]) -> list[Body]:
        """The bodies of that kind that were published, oldest first."""
        return [message.body for message in self.published if isinstance(message.body, kind)]

    def take_local(self, topic: Topic, payload: bytes) -> None:
        """A bus publishes."""
        if not self.connected:
            raise Transient(f"publish on {topic.name}: not connected to the core")
        self.published.append(decode(topic.name, payload))
        self.inject(topic.name, payload)

    def take_cloud(self, topic: str, payload: bytes) -> None:
        """A bus publishes to the cloud."""
        if not (self.connected and self.online):
            raise Transient(f"publish to the cloud on {topic}: the core answered ServiceError")
        self.to_cloud.append(CloudMessage(topic, payload))

    def connect_local(self, topic: Topic, fan: LocalFan) -> None:
        """A bus subscribes."""
        with self._lock:
            self._local.append((topic.name, fan))

    def connect_cloud(self, topic_filter: str, fan: CloudFan) -> None:
        """A bus subscribes to the cloud."""
        with self._lock:
            self._cloud.append((topic_filter, fan))

    def announce(self, deployment: str) -> None:
        """The core is going to carry out a deployment, and asks who listens."""
        with self._lock:
            self._asked.add(deployment)
        if self.connected:
            self.announce_anyway(deployment)

    def announce_anyway(self, deployment: str) -> None:
        """An announcement arrives, and nobody waits for the answer (any more)."""
        with self._lock:
            fans = list(self._updates)
        for fan in fans:
            fan.receive(deployment)

    def connect_updates(self, fan: UpdateFan) -> None:
        """A bus wants to hear of updates."""
        with self._lock:
            self._updates.append(fan)

    def take_answer(self, deployment: str, duration_ns: int) -> None:
        """A bus answers an announcement: once, and not later than somebody waits for it."""
        with self._lock:
            is_asked = self.connected and deployment in self._asked
            self._asked.discard(deployment)
        if not is_asked:
            raise Transient(f"put off deployment {deployment}: the core answered ServiceError")
        self.put_off.append((deployment, duration_ns))

    def disconnect(self, fans: list[LocalFan | CloudFan]) -> None:
        """A bus is closed."""
        with self._lock:
            self._local = [(name, fan) for name, fan in self._local if fan not in fans]
            self._cloud = [(name, fan) for name, fan in self._cloud if fan not in fans]


class FakeBus:
    """One component's connection to a `FakeBroker`."""

    def __init__(
        self,
        component: str,
        broker: FakeBroker | None = None,
        log: Log | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.broker = broker or FakeBroker()
        self._component = component
        self._log = log or RecordingLog()
        self._outgoing = Outgoing(component, clock or FakeClock(), self.broker.nonce(), THING)
        self._local: dict[str, LocalFan] = {}
        self._cloud: dict[str, CloudFan] = {}
        self._updates: UpdateFan | None = None
        self._closed = False

    def publish(self, body: Body, trace_id: str = "") -> None:
        """Say it to whoever listens now."""
        topic, payload = self._outgoing.message(body, trace_id)
        self._check_open(f"publish on {topic.name}")
        self.broker.take_local(topic, payload)

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Hand it to the core for the cloud."""
        check_cloud_publication(topic, payload)
        self._check_open(f"publish to the cloud on {topic}")
        self.broker.take_cloud(topic, payload)

    def subscribe(self, topic: Topic, inbox: Inbox) -> None:
        """Have the topic's messages put into `inbox`."""
        check_subscription(self._component, topic)
        if topic.name not in self._local:
            self._local[topic.name] = LocalFan(topic, self._log)
            self.broker.connect_local(topic, self._local[topic.name])
        self._local[topic.name].add(inbox)

    def subscribe_cloud(self, topic_filter: str, inbox: CloudInbox) -> None:
        """Have matching messages from the cloud put into `inbox`."""
        check_cloud_filter(topic_filter)
        if topic_filter not in self._cloud:
            self._cloud[topic_filter] = CloudFan()
            self.broker.connect_cloud(topic_filter, self._cloud[topic_filter])
        self._cloud[topic_filter].add(inbox)

    @property
    def listens_for_updates(self) -> bool:
        """Whether announcements are wanted."""
        return self._updates is not None

    def subscribe_updates(self, inbox: UpdateInbox) -> None:
        """Have announcements of updates put into `inbox`."""
        if self._updates is None:
            self._updates = UpdateFan()
            self.broker.connect_updates(self._updates)
        self._updates.add(inbox)

    def put_off_update(self, deployment: str, duration_ns: int, reason: str) -> None:
        """Answer an announcement."""
        del reason
        self._check_open(f"put off deployment {deployment}")
        self.broker.take_answer(deployment, duration_ns)

    def close(self) -> None:
        """Say and hear nothing any more."""
        self._closed = True
        self.broker.disconnect([*self._local.values(), *self._cloud.values()])

    def _check_open(self, doing: str) -> None:
        if self._closed:
            raise Transient(f"{doing}: not connected to the core")
