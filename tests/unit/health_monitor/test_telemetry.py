"""What telemetry says, when it is due, and how little it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.health_monitor.core.measures import Tally, measure
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import judge
from components.health_monitor.core.telemetry import (
    CAMERA_COLUMNS,
    CAMERAS_CHANGED_NS,
    CAMERAS_NS,
    camera_rows,
    cameras_due,
    site_telemetry,
    states_of,
)
from components.health_monitor.telemetry import TelemetrySender
from components.shared.wire import metrics
from components.shared.wire.codec import MESSAGE_BYTES_MAX
from components.shared.wire.telemetry import CameraTelemetry, SiteTelemetry, decode, encode_cameras, encode_site
from components.shared.wire.topics import HEALTH_MONITOR
from components.shared.wire.units import NS_PER_S, MonotonicNs
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.log import RecordingLog
from tests.unit.health_monitor.test_measures import BUSY, FOUND
from tests.unit.health_monitor.test_rules import HEALTHY, NOW, stream

TELEMETRY_S = 60


def test_the_site_is_told_by_the_table() -> None:
    """The site's message has each figure of the table that the cloud wants, by its short name."""
    told = site_telemetry(BUSY, measure(BUSY, judge(BUSY), Tally(), FOUND))
    wanted = {metric.short for metric in metrics.SITE_METRICS if metric.cloud != "none"}
    assert told.values.keys() == wanted
    assert told.values["uploads_waiting_bytes"] == 700
    assert told.conditions == {"camera_impaired": 2, "component_down": 4, "uploads_refused": 1}
    assert told.components.row("Capture") == {
        "component_silent_s": 2,
        "component_idle_s": 4,
        "component_backlog_count": 3,
    }


def test_each_stream_has_its_row() -> None:
    """The cameras' message has a row per stream with its state, cause and figures."""
    rows = camera_rows(BUSY, measure(BUSY, judge(BUSY), Tally(), FOUND))
    assert rows == {
        "cam-1": ["recording", "unreachable", 1, 0, 60, 3],
        "cam-1~sub": ["offline", "unreachable", 0, 1, 5, 7],
        "cam-2": ["off", "unreachable", 0, 0, 0, 3],
        "cam-3": ["offline", "unreachable", 0, 1, 9, 3],
    }
    assert CAMERA_COLUMNS == (
        "state",
        "cause",
        "camera_recording_flag",
        "camera_impaired_flag",
        "camera_state_age_s",
        "camera_failures_count",
    )


@pytest.mark.parametrize(
    ("since_ns", "changed", "due"),
    [
        (CAMERAS_NS - 1, False, False),
        (CAMERAS_NS, False, True),
        (CAMERAS_CHANGED_NS - 1, True, False),
        (CAMERAS_CHANGED_NS, True, True),
        (CAMERAS_CHANGED_NS, False, False),
    ],
)
def test_cameras_are_told_of_rarely_unless_one_changes(since_ns: int, changed: bool, due: bool) -> None:
    """Every camera is told of every five minutes, and a minute after the last time when a state has changed."""
    before = states_of(replace(HEALTHY, streams=(stream("cam-1", "offline" if changed else "recording"),)))
    assert cameras_due(NOW + since_ns, NOW, states_of(HEALTHY), before) == due


def test_cameras_are_told_of_at_the_first_look() -> None:
    """A monitor that has just started has told nothing yet."""
    assert cameras_due(NOW, None, (), ())


@pytest.mark.parametrize("cameras", [32, 64])
def test_a_large_site_in_trouble_fits_its_messages(cameras: int) -> None:
    """With every camera and its sub stream offline, under the longest names, no message is above the limit."""
    streams = tuple(
        replace(stream(f"{number:03}" + "x" * 29, "offline"), stream=name, cause="c" * 200)
        for number in range(cameras)
        for name in ("main", "sub")
    )
    picture = replace(HEALTHY, streams=streams)
    samples = measure(picture, judge(picture), Tally(), FOUND)
    assert len(encode_site(site_telemetry(picture, samples))) < MESSAGE_BYTES_MAX / 2
    messages = encode_cameras(picture.wall_ns, CAMERA_COLUMNS, camera_rows(picture, samples))
    assert all(len(message) <= MESSAGE_BYTES_MAX for message in messages)


class Sending:
    """A sender with a bus that shows what came."""

    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.sender = TelemetrySender(FakeBus(HEALTH_MONITOR, self.broker), RecordingLog())

    def at(self, second: int, picture: Picture = HEALTHY) -> list[str]:
        """The verbs of what is sent at a second."""
        before = len(self.broker.to_cloud)
        moment = replace(picture, monotonic_ns=MonotonicNs(NOW + second * NS_PER_S))
        self.sender.send_due("site-1", TELEMETRY_S, moment, measure(moment, judge(moment), Tally(), FOUND))
        return [message.topic.rpartition("/")[2] for message in self.broker.to_cloud[before:]]


def test_each_kind_is_sent_at_its_pace() -> None:
    """The site's figures go once per interval, the cameras' rows more rarely, both at the first look."""
    sending = Sending()
    assert sending.at(0) == ["reported", "detailed"]
    assert sending.at(5) == []
    assert sending.at(60) == ["reported"]
    other = replace(HEALTHY, streams=(stream("cam-1", "connecting"),))
    assert sending.at(65, other) == ["detailed"]
    assert sending.at(70) == []
    assert sending.at(120) == ["reported"]
    assert sending.at(125) == ["detailed"]
    assert sending.at(420) == ["reported"]
    assert sending.at(425) == ["detailed"]
    site, cameras = (decode(message.payload) for message in sending.broker.to_cloud[:2])
    assert isinstance(site, SiteTelemetry)
    assert isinstance(cameras, CameraTelemetry)
    assert list(cameras.cameras.rows) == ["cam-1"]
    assert (sending.sender.sent, sending.sender.failed) == (8, 0)


def test_what_could_not_be_sent_is_counted_and_not_kept() -> None:
    """Offline, a sample is lost and counted; nothing is sent twice afterwards."""
    sending = Sending()
    sending.broker.online = False
    assert sending.at(0) == []
    sending.broker.online = True
    assert sending.at(5) == []
    assert sending.at(60) == ["reported"]
    assert (sending.sender.sent, sending.sender.failed) == (1, 2)
