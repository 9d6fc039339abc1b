"""Local publish and subscribe: who gets a message, and what the runtime makes of it on the way.

At most once, nothing kept. Knows nothing of policies or frames. On Nucleus Lite one delivery at a time is
under way in the whole core, and a subscriber that does not read holds it up for `delivery_wait_s` per
message: its messages are then dropped, those of the others come late. On the classic runtime a subscriber's
queue is without bound.
"""

import asyncio
import logging
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from local.nucleus.ipc_error import INVALID_ARGUMENTS, SERVICE_ERROR, IpcError
from local.nucleus.json_limits import depth, fits_int64, object_cost
from local.nucleus.json_value import Json, compact
from local.nucleus.profile import Profile
from local.nucleus.request import Stream
from local.nucleus.topics import has_wildcard, local_matches

log = logging.getLogger(__name__)


@dataclass
class MessageCounts:
    """Messages since the core started; a message to three subscribers is published once, delivered thrice."""

    published: int = 0
    delivered: int = 0
    dropped: int = 0


class Delivery:
    """Sends events to streams, one event at a time in the whole core."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._stalled: weakref.WeakSet[Stream] = weakref.WeakSet()

    async def send(self, streams: Iterable[Stream], model: str, payload: Json) -> tuple[int, int]:
        """Send one event to each stream; return how many were sent and how many dropped."""
        body = compact(payload)
        sent = dropped = 0
        async with self._turn:
            for stream in streams:
                if await stream.send_event(model, body):
                    sent += 1
                    self._stalled.discard(stream)
                    continue
                dropped += 1
                if stream not in self._stalled:
                    self._stalled.add(stream)
                    log.warning("%s: an event was dropped; the next that arrives ends this", stream.component)
        return sent, dropped


class Fate(Enum):
    """What becomes of an accepted message."""

    DELIVERED = "delivered"
    LOST = "lost"
    ENDS_SUBSCRIPTIONS = "ends subscriptions"


def fate_of_json(message: Json, profile: Profile) -> Fate:
    """Tell what becomes of a JSON message, or raise IpcError for one that the publisher cannot publish."""
    limits = profile.json_limits
    if limits is None:
        return Fate.DELIVERED
    cost, levels = object_cost(message), depth(message)
    too_much = cost > limits.publish_objects_max or levels > limits.publish_depth_max
    if too_much or not fits_int64(message):
        raise IpcError(SERVICE_ERROR, "the message cannot be encoded")
    if cost > limits.deliver_objects_max:
        return Fate.ENDS_SUBSCRIPTIONS
    return Fate.LOST if levels > limits.deliver_depth_max else Fate.DELIVERED


@dataclass(eq=False)
class Subscription:
    """One stream that wants the messages of a filter."""

    topic_filter: str
    stream: Stream
    others_only: bool


@dataclass
class PubSub:
    """The local topics of one core."""

    profile: Profile
    delivery: Delivery
    drops_messages: bool = False  # accept everything and deliver nothing
    counts: MessageCounts = field(default_factory=MessageCounts)
    _subscriptions: list[Subscription] = field(default_factory=list)

    def check_topic(self, topic: str, *, is_filter: bool) -> None:
        """Raise IpcError for a topic or filter that this runtime does not take."""
        limit = self.profile.topic_bytes_max
        if limit is not None and (len(topic.encode()) > limit or (is_filter and not topic)):
            raise IpcError(SERVICE_ERROR, "the topic has a wrong length")
        if self.profile.wildcard_topic_refused and not is_filter and has_wildcard(topic):
            raise IpcError(INVALID_ARGUMENTS, "a message is published to a topic without wildcards")

    def add(self, subscription: Subscription) -> None:
        """Deliver to this subscription from now on."""
        self._subscriptions.append(subscription)

    def remove(self, stream: Stream) -> None:
        """Forget what a stream subscribed to."""
        self._subscriptions = [one for one in self._subscriptions if one.stream is not stream]

    async def publish(self, component: str, topic: str, message: Json, *, is_json: bool) -> None:
        """Bring a message to every matching stream, the oldest subscription first; IpcError when refused."""
        self.check_topic(topic, is_filter=False)
        fate = fate_of_json(message, self.profile) if is_json else Fate.DELIVERED
        self.counts.published += 1
        matching = [one.stream for one in self._subscriptions if self._wants(one, component, topic)]
        if self.drops_messages:
            self.counts.dropped += max(1, len(matching))
            return
        if fate is not Fate.DELIVERED:
            log.warning("%s: a JSON message to %s is too large: %s", component, topic, fate.value)
            self.counts.dropped += len(matching)
            if fate is Fate.ENDS_SUBSCRIPTIONS:
                for stream in matching:
                    stream.release()
            return
        kind = "jsonMessage" if is_json else "binaryMessage"
        event: Json = {kind: {"message": message, "context": {"topic": topic}}}
        sent, dropped = await self.delivery.send(matching, "SubscriptionResponseMessage", event)
        self.counts.delivered += sent
        self.counts.dropped += dropped

    def _wants(self, subscription: Subscription, publisher: str, topic: str) -> bool:
        if subscription.others_only and subscription.stream.component == publisher:
            return False
        return local_matches(topic, subscription.topic_filter, self.profile)
