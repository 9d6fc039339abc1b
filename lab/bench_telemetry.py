"""How much telemetry a site sends: an idle hour of 32 cameras through the real sender, and what the network adds to it.

The messages are the real ones, byte for byte; what carries them is counted by its own rules: MQTT's header with the
topic and its acknowledgement, a TLS record for each, TCP and IP headers of each segment and of its acknowledgement, and
MQTT's keep-alive. Once at the pace that a site has when nobody sets another, and once at the quickest that its document
allows. An hour is simulated, so that the quick form is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from components.health_monitor.core.box_watch import Readings
from components.health_monitor.core.findings import alert_figures, reading_figures
from components.health_monitor.core.measures import Sample, Tally, measure
from components.health_monitor.core.picture import Box, Heard, Picture, Stream, Uploads
from components.health_monitor.core.readings import (
    ClockReading,
    DiskReading,
    LinkReading,
    ThrottleReading,
    WriteReading,
)
from components.health_monitor.core.rules import judge
from components.health_monitor.telemetry import TelemetrySender
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.log import json_log
from components.shared.wire.codec import MESSAGE_BYTES_MAX
from components.shared.wire.site_config import HealthSection
from components.shared.wire.topics import COMPONENTS, HEALTH_MONITOR
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs
from lab.show import Limit, Show, Shown

CAMERAS = 32
SPAN_S = 3_600
LOOK_S = 5
QUICKEST_S = 5
"""The shortest `health.telemetry_s` that the site's document allows (a test compares)."""

BEGIN = WallNs(1_760_000_000 * NS_PER_S)
THING = "t" * 32

MQTT_ACKNOWLEDGEMENT_BYTES = 4
TLS_RECORD_BYTES = 22
"""TLS 1.3: a header of 5 bytes, the tag of 16, the type of the content (RFC 8446, 5.2)."""

SEGMENT_HEADER_BYTES = 52
"""IPv4 and TCP with timestamps."""

SEGMENT_DATA_BYTES = 1_448
KEEP_ALIVE_S = 60
KEEP_ALIVE_BYTES = 2 * (2 + TLS_RECORD_BYTES + SEGMENT_HEADER_BYTES) + SEGMENT_HEADER_BYTES
"""A ping, its answer, the acknowledgement of that."""

READINGS = Readings(
    writes=[WriteReading("main", 12_345_678)],
    disks=[DiskReading("sda", worn_percent=12)],
    clock=ClockReading(is_synchronised=True, error_ns_max=123_456_789),
    link=LinkReading("cloud:443", 34_567_890),
    throttle=ThrottleReading((), 100),
)
"""Every probe has read something."""

FOUND = {**reading_figures(READINGS, [-1_234_567_890]), **alert_figures(raised=0, notices_waiting=0)}

LIMITS: dict[str, Limit] = {
    "idle_kbit_s": ("max", 5.0),
    "quickest_kbit_s": ("max", 5.0),
    "message_bytes_max": ("max", MESSAGE_BYTES_MAX - 1.0),
}


@dataclass
class CountingLine:
    """The way to the cloud, on which everything is counted."""

    payload_bytes: list[int] = field(default_factory=list)
    carried_bytes: int = 0

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Counts a message with all that carries it, both ways."""
        self.payload_bytes.append(len(payload))
        self.carried_bytes += carried(len(topic), len(payload))

    def kbit_s(self) -> float:
        """The mean of the span, keep-alive included."""
        keep_alive_bytes = SPAN_S // KEEP_ALIVE_S * KEEP_ALIVE_BYTES
        return round((self.carried_bytes + keep_alive_bytes) * 8 / SPAN_S / 1000, 3)


def carried(topic_bytes: int, payload_bytes: int) -> int:
    """The bytes on the network for one message with QoS 1, both ways."""
    remaining = 2 + topic_bytes + 2 + payload_bytes
    packet = 1 + (1 if remaining < 128 else 2) + remaining
    record = packet + TLS_RECORD_BYTES
    segments = -(-record // SEGMENT_DATA_BYTES)
    # Each segment is acknowledged, the last one beside MQTT's own acknowledgement, which is acknowledged in turn.
    answer = MQTT_ACKNOWLEDGEMENT_BYTES + TLS_RECORD_BYTES + SEGMENT_HEADER_BYTES
    return record + 2 * segments * SEGMENT_HEADER_BYTES + answer + SEGMENT_HEADER_BYTES


def idle_picture(second: int) -> Picture:
    """A site at which nothing happens but the time: every camera and its sub stream are recorded."""
    now_ns = MonotonicNs(1_000_000 * NS_PER_S + second * NS_PER_S)
    wall_ns = WallNs(BEGIN + second * NS_PER_S)
    heard = Heard(MonotonicNs(now_ns - 2_345_678_901), "0.1.0", BEGIN, wall_ns - 1_234_567_890, 0, None)
    return Picture(
        wall_ns=wall_ns,
        monotonic_ns=now_ns,
        watching_since_ns=MonotonicNs(0),
        heard=dict.fromkeys(COMPONENTS, heard),
        streams=tuple(
            Stream(f"camera-{number:02}", name, "recording", "", WallNs(BEGIN - 86_400 * NS_PER_S), 0)
            for number in range(CAMERAS)
            for name in ("main", "sub")
        ),
        uploads=Uploads(12, 345_678_901, 0),
        box=Box(1_234_567_890_123, 4_000_000_000_000, 98.76, 45.67, 56.78, 61.25),
    )


def idle_samples(picture: Picture, tally: Tally) -> tuple[Sample, ...]:
    """Every figure of the idle site."""
    return measure(picture, judge(picture), tally, FOUND)


def sent(telemetry_s: int) -> CountingLine:
    """What is sent within the span at that pace."""
    line = CountingLine()
    sender = TelemetrySender(line, json_log(HEALTH_MONITOR, "INFO", lambda _: None, SystemClock()))
    for second in range(0, SPAN_S, LOOK_S):
        picture = idle_picture(second)
        tally = Tally(second // LOOK_S, sender.sent, sender.failed)
        sender.send_due(THING, telemetry_s, picture, idle_samples(picture, tally))
    return line


def run(_quick: bool, _work: Path, say: Callable[[str], None]) -> Shown:
    """An hour at both paces."""
    say(f"an idle hour of {CAMERAS} cameras with their sub streams")
    idle, quickest = sent(HealthSection().telemetry_s), sent(QUICKEST_S)
    figures = {
        "idle_kbit_s": idle.kbit_s(),
        "quickest_kbit_s": quickest.kbit_s(),
        "message_bytes_max": float(max(idle.payload_bytes)),
        "message_bytes_min": float(min(idle.payload_bytes)),
        "messages_an_hour": float(len(idle.payload_bytes)),
        "payload_bytes_an_hour": float(sum(idle.payload_bytes)),
        "carried_bytes_an_hour": float(idle.carried_bytes),
    }
    return Shown(figures, LIMITS)


SHOW = Show(
    name="telemetry",
    purpose="what an idle site of 32 cameras sends, with everything that carries it",
    takes_s=5,
    quick_takes_s=5,
    run=run,
)
