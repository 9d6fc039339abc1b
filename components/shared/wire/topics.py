"""The one table of topics: who says what, who listens. Recipes' access policies must equal it (a test compares).

Local topics are `nvr/v1/<noun>/<past verb>`, without ids, because a recipe's policy takes `+` and `#` literally.
Every event has one publisher, except those that every component sends. A message is a hint: whoever listens also
sweeps on a timer, so that losing every message costs latency and never data.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.errors import Rejected
from components.shared.wire import messages
from components.shared.wire.object_keys import check_thing

CAPTURE = "Capture"
VIDEO_PROCESSOR = "VideoProcessor"
CLOUD_SYNC = "CloudSync"
HEALTH_MONITOR = "HealthMonitor"
SITE_CONFIG = "SiteConfig"
COMPONENTS = (CAPTURE, VIDEO_PROCESSOR, CLOUD_SYNC, HEALTH_MONITOR, SITE_CONFIG)

PREFIX = "nvr/v1/"

CLOUD_RESOURCES = ("nvr/v1/+/#", "$aws/things/+/shadow/name/#")
"""What a recipe's mqttproxy policy names: no recipe variables, which the two nuclei treat differently."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One local topic: its body, its publishers and its listeners, by component."""

    noun_verb: str
    body: type[messages.Body]
    publishers: tuple[str, ...]
    subscribers: tuple[str, ...]
    purpose: str

    @property
    def name(self) -> str:
        """The topic as it goes over the bus."""
        return PREFIX + self.noun_verb


SEGMENT_CLOSED = Topic(
    "segment/closed",
    messages.SegmentClosed,
    (CAPTURE,),
    (VIDEO_PROCESSOR, CLOUD_SYNC),
    "look for closed segments",
)
SEGMENT_DELETED = Topic(
    "segment/deleted",
    messages.SegmentDeleted,
    (CAPTURE,),
    (CLOUD_SYNC, HEALTH_MONITOR),
    "footage has gone from the box",
)
SEGMENT_LOST = Topic(
    "segment/lost",
    messages.SegmentLost,
    (CAPTURE,),
    (CLOUD_SYNC, HEALTH_MONITOR),
    "footage goes that nobody has uploaded: look at early deletions",
)
SEGMENT_ANALYSED = Topic(
    "segment/analysed",
    messages.SegmentAnalysed,
    (VIDEO_PROCESSOR,),
    (CLOUD_SYNC,),
    "look for thumbnails",
)
STREAM_CHANGED = Topic(
    "stream/changed",
    messages.StreamChanged,
    (CAPTURE,),
    (HEALTH_MONITOR, SITE_CONFIG),
    "look at the state of the streams; a login that a camera refuses may have been rotated",
)
EVENT_BEGUN = Topic(
    "event/begun",
    messages.EventBegun,
    (VIDEO_PROCESSOR,),
    (HEALTH_MONITOR,),
    "a video event has begun",
)
EVENT_ENDED = Topic(
    "event/ended",
    messages.EventEnded,
    (VIDEO_PROCESSOR,),
    (HEALTH_MONITOR,),
    "a video event is complete",
)
STATUS_REPORTED = Topic(
    "status/reported",
    messages.StatusReported,
    COMPONENTS,
    (HEALTH_MONITOR,),
    "how the component is; also the heartbeat that shows a dead subscription",
)
HEALTH_CHANGED = Topic(
    "health/changed",
    messages.HealthChanged,
    (HEALTH_MONITOR,),
    (SITE_CONFIG,),
    "look at the health summary, report it in the shadow",
)
ALERT_RAISED = Topic(
    "alert/raised",
    messages.AlertRaised,
    (HEALTH_MONITOR,),
    (),
    "look at the alerts: one is raised; for whoever shows them at the site",
)
ALERT_CLEARED = Topic(
    "alert/cleared",
    messages.AlertCleared,
    (HEALTH_MONITOR,),
    (),
    "look at the alerts: one is over",
)
CONFIG_CHANGED = Topic(
    "config/changed",
    messages.ConfigChanged,
    (SITE_CONFIG,),
    (CAPTURE, VIDEO_PROCESSOR, CLOUD_SYNC, HEALTH_MONITOR),
    "read the last-good documents again",
)
CONFIG_APPLIED = Topic(
    "config/applied",
    messages.ConfigApplied,
    (CAPTURE, VIDEO_PROCESSOR, CLOUD_SYNC, HEALTH_MONITOR),
    (SITE_CONFIG,),
    "what the component made of a document",
)

TOPICS = (
    SEGMENT_CLOSED,
    SEGMENT_DELETED,
    SEGMENT_LOST,
    SEGMENT_ANALYSED,
    STREAM_CHANGED,
    EVENT_BEGUN,
    EVENT_ENDED,
    STATUS_REPORTED,
    HEALTH_CHANGED,
    ALERT_RAISED,
    ALERT_CLEARED,
    CONFIG_CHANGED,
    CONFIG_APPLIED,
)

_BY_NAME = {topic.name: topic for topic in TOPICS}
_BY_BODY = {topic.body: topic for topic in TOPICS}


def topic_named(name: str) -> Topic:
    """The topic of that full name; a name outside the table is Rejected."""
    try:
        return _BY_NAME[name]
    except KeyError as error:
        raise Rejected(f"topic {name!r} is not in the table of topics") from error


def topic_of(body: messages.Body) -> Topic:
    """The topic that a body belongs to."""
    return _BY_BODY[type(body)]


def published_by(component: str) -> tuple[Topic, ...]:
    """The topics that a component may publish to, in the table's order."""
    return tuple(topic for topic in TOPICS if component in topic.publishers)


def subscribed_by(component: str) -> tuple[Topic, ...]:
    """The topics that a component may subscribe to, in the table's order."""
    return tuple(topic for topic in TOPICS if component in topic.subscribers)


def telemetry_topic(thing: str) -> str:
    """The cloud topic that HealthMonitor sends the site's telemetry to."""
    return f"{PREFIX}{check_thing(thing)}/telemetry/reported"


def camera_telemetry_topic(thing: str) -> str:
    """The cloud topic that HealthMonitor sends a row of each camera to."""
    return f"{PREFIX}{check_thing(thing)}/telemetry/detailed"


def shadow_delta_filter(thing: str) -> str:
    """The one MQTT filter of SiteConfig: the deltas of all named shadows of this thing.

    Each cloud message must match one filter of the whole suite: overlapping ones multiply deliveries on Nucleus Lite.
    """
    return f"$aws/things/{check_thing(thing)}/shadow/name/+/update/delta"
