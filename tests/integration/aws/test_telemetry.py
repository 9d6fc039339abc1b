"""Telemetry from MQTT to metrics: the real message, the template's rule, the real function."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.health_monitor.core.measures import Tally
from components.health_monitor.telemetry import TelemetrySender
from components.shared.wire import metrics
from components.shared.wire.metrics import METRICS
from lab.bench_telemetry import CAMERAS, idle_picture, idle_samples
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually
from tests.integration.aws.conftest import Running
from tests.integration.iot_core.paho_listener import Listener

pytestmark = pytest.mark.slow
WAIT_S = 60.0


class Line:
    """A site's MQTT connection as the sender sees it."""

    def __init__(self, aws: Running, thing: str) -> None:
        self.client = Listener(aws.ready["mqtt_port"], thing).connect()

    def publish_cloud(self, topic: str, payload: bytes) -> None:
        """Publishes, and waits until the broker has it."""
        self.client.publish(topic, payload)


def lines_of(aws: Running, thing: str) -> list[dict[str, Any]]:
    """What the function has written of a site."""
    path = aws.data / "logs" / "edgenvr-IngestTelemetry.log"
    texts = path.read_text().splitlines() if path.exists() else []
    lines = [json.loads(text) for text in texts if text.startswith("{") and text.endswith("}")]
    return [line for line in lines if line["site"] == thing]


def test_telemetry_becomes_metrics(aws: Running) -> None:
    """What HealthMonitor sends of 32 cameras over MQTT is one line with the metrics and a line per stream."""
    line = Line(aws, "site-told")
    picture = idle_picture(0)
    TelemetrySender(line, RecordingLog()).send_due("site-told", 60, picture, idle_samples(picture, Tally(looks=1)))
    eventually(lambda: len(lines_of(aws, "site-told")) >= 1 + 5 + 2 * CAMERAS, WAIT_S)
    line.client.close()
    told = lines_of(aws, "site-told")
    assert [one["event"] for one in told] == [
        "site_reported",
        *["component_reported"] * 5,
        *["camera_reported"] * (2 * CAMERAS),
    ]
    (made,) = told[0]["_aws"]["CloudWatchMetrics"]
    assert made["Dimensions"] == [["site"]]
    wanted = {metric.name for metric in METRICS if metric.cloud == "metric" and metric.made_by == "HealthMonitor"}
    assert {metric["Name"] for metric in made["Metrics"]} == wanted
    assert told[0]["edgenvr_cameras_recording_count"] == CAMERAS
    wanted = {metric.name for metric in metrics.SITE_METRICS if metric.cloud != "none"}
    assert wanted <= told[0].keys()
    assert told[-1]["camera"] == "camera-31"


def test_nonsense_is_refused_and_the_next_message_is_not(aws: Running) -> None:
    """A message that is no telemetry is refused with its reason; the function goes on, and nothing is tried again."""
    line = Line(aws, "site-odd")
    line.publish_cloud("nvr/v1/site-odd/telemetry/reported", b"\xff\x00")
    line.publish_cloud("nvr/v1/site-odd/telemetry/reported", b'{"wall_ns":1,"values":{"cpu_percent":7}}')
    eventually(lambda: len(lines_of(aws, "site-odd")) >= 2, WAIT_S)
    line.client.close()
    assert [one["event"] for one in lines_of(aws, "site-odd")] == ["telemetry_refused", "site_reported"]
