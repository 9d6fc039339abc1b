"""What HealthMonitor finds beyond one picture, with real catalogues and files: work, footage that went, forecasts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.health_monitor.core.findings import Findings
from components.health_monitor.core.picture import Box, Heard, Picture
from components.health_monitor.core.progress import IDLE_NS, STILL_NS
from components.health_monitor.inspection import FORECAST_NS, RECENT_NS, Inspection
from components.shared.catalogue.analysis import AnalysisWriter
from components.shared.catalogue.capture import CaptureWriter, RunRow, StreamRow
from components.shared.catalogue.retention import Mark, mark_all_garbage
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.runtime.bus import Inbox
from components.shared.wire import metrics, topics
from components.shared.wire.messages import SegmentLost
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs
from tests.fakes.archive import START_NS, Archive
from tests.fakes.bus import FakeBroker, FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

pytestmark = pytest.mark.slow  # real databases with real syncs

LOOK_NS = 5 * NS_PER_S
BOX = Box(50, 100, 90.0, 10.0, 40.0, None)


class Bench:
    """An inspection of a data root, with everybody alive; probes answer at once."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock(wall_ns=START_NS)
        broker = FakeBroker()
        self.capture_bus = FakeBus(topics.CAPTURE, broker)
        hints = Inbox(10)
        FakeBus(topics.HEALTH_MONITOR, broker).subscribe(topics.SEGMENT_LOST, hints)
        self.inspection = Inspection(data, hints, None, self.clock, RecordingLog(), lambda _name, run: run())

    def look(self) -> Findings:
        """One look, a moment after everybody's report that nothing waits."""
        now_ns, wall_ns = self.clock.monotonic_ns(), self.clock.wall_ns()
        heard = {name: Heard(now_ns, "1", START_NS, START_NS, 0, None) for name in topics.COMPONENTS}
        return self.inspection.look(Picture(wall_ns, now_ns, now_ns, heard, None, None, BOX))

    def pass_time(self, duration_ns: int) -> list[tuple[str, str]]:
        """Look all the time for so long; kind and subject of what the last look found, but not of this machine."""
        end_ns, found = self.clock.monotonic_ns() + duration_ns, self.look()
        while self.clock.monotonic_ns() < end_ns:
            self.clock.advance(LOOK_NS)
            found = self.look()
        return [(one.kind, one.subject) for one in found.conditions if one.subject != "box"]


def test_site_without_catalogues(tmp_path: Path) -> None:
    """Before anybody has made a catalogue nothing is wrong and nothing is foretold."""
    bench = Bench(tmp_path)
    assert bench.pass_time(2 * IDLE_NS) == []
    found = bench.look()
    assert (found.summary["disk_full_days"], found.summary["footage_lost"]) == (None, "")


def test_analysis_that_hangs_is_told(tmp_path: Path) -> None:
    """VideoProcessor reports that nothing waits, while its cursor stands and footage comes: told after its limit."""
    archive, analysis = Archive(tmp_path), AnalysisWriter.open(tmp_path)
    archive.record(WallNs(START_NS))
    bench = Bench(tmp_path)
    assert bench.pass_time(IDLE_NS) == []
    assert bench.pass_time(LOOK_NS) == [("component_stuck", "VideoProcessor")]
    analysis.advance(1)
    assert bench.pass_time(0) == []
    analysis.close()
    archive.close()


def test_queue_that_only_grows_is_told(tmp_path: Path) -> None:
    """CloudSync queues every new segment and none is uploaded: told after its limit, until one is."""
    archive, sync = Archive(tmp_path), SyncWriter.open(tmp_path)
    bench = Bench(tmp_path)

    def queue(number: int) -> str:
        row = archive.record(WallNs(START_NS + number * 10 * NS_PER_S))
        name, digest = row.segment, hashlib.sha256(b"1").hexdigest()
        upload = UploadRow(name, "segment", "cam-1", name, "main", name, 1, digest, (digest,), {}, 0, START_NS)
        sync.enqueue("capture", [upload], number + 1)
        return row.segment

    newest, found = "", []
    for number in range(2 * IDLE_NS // (10 * NS_PER_S)):
        newest = queue(number)
        found = bench.pass_time(10 * NS_PER_S)
        assert ("component_stuck", "CloudSync") not in found or number * 10 * NS_PER_S >= IDLE_NS
    assert found == [("component_stuck", "CloudSync")]
    sync.mark_uploaded(newest, "etag", bench.clock.wall_ns())
    assert bench.pass_time(0) == []
    sync.close()
    archive.close()


def test_footage_that_stands_still_is_told(tmp_path: Path) -> None:
    """A stream that is called recorded, and whose file does not grow, is not recorded; one that grows is."""
    archive = Archive(tmp_path)
    archive.writer.set_stream(StreamRow("cam-1", "main", "recording", "", START_NS, 0, START_NS))
    path = archive.put(archive.open(WallNs(START_NS)), b"1")
    bench = Bench(tmp_path)
    assert bench.pass_time(STILL_NS) == []
    assert bench.pass_time(LOOK_NS) == [("component_stuck", "Capture")]
    path.write_bytes(b"12")
    assert bench.pass_time(LOOK_NS) == []
    archive.writer.set_stream(StreamRow("cam-1", "main", "connecting", "unreachable", START_NS, 1, START_NS))
    assert bench.pass_time(2 * STILL_NS) == []  # that is told as what it is
    archive.close()


def test_lost_footage_is_told_at_the_hint_and_for_a_day(tmp_path: Path) -> None:
    """A message only makes the look come at once; without one it comes within the minute. The rows are the truth."""
    archive = Archive(tmp_path)
    row = archive.record(WallNs(START_NS))
    bench = Bench(tmp_path)
    assert bench.pass_time(0) == []
    assert row.end_ns is not None
    mark = Mark(row.segment, "cam-1", "main", row.start_ns, row.end_ns, row.size_bytes, "no room", True, True)
    mark_all_garbage(archive.writer, [mark], bench.clock.wall_ns())
    assert bench.pass_time(0) == []
    size_bytes = row.size_bytes
    bench.capture_bus.publish(
        SegmentLost(
            camera="cam-1",
            start_ns=row.start_ns,
            end_ns=row.end_ns,
            segments=1,
            size_bytes=size_bytes,
            reason="no room",
        )
    )
    assert bench.pass_time(0) == [("footage_lost", "cam-1")]
    assert bench.look().summary["footage_lost"] == "cam-1"
    late = Bench(tmp_path)
    assert late.pass_time(0) == [("footage_lost", "cam-1")]
    late.clock.advance(86_400 * NS_PER_S)
    assert late.pass_time(0) == []
    archive.close()


def test_lost_footage_is_told_without_a_hint(tmp_path: Path) -> None:
    """Losing every message costs a minute."""
    archive = Archive(tmp_path)
    row = archive.record(WallNs(START_NS))
    bench = Bench(tmp_path)
    bench.look()
    assert row.end_ns is not None
    mark = Mark(row.segment, "cam-1", "main", row.start_ns, row.end_ns, row.size_bytes, "no room", True, False)
    mark_all_garbage(archive.writer, [mark], bench.clock.wall_ns())
    assert bench.pass_time(RECENT_NS) == [("footage_deleted_early", "cam-1")]
    archive.close()


def test_forecasts_and_readings_are_told(tmp_path: Path) -> None:
    """The summary has the outlook, the telemetry the readings, and a camera's clock is compared with the box's."""
    archive = Archive(tmp_path)
    archive.record(WallNs(START_NS), seconds=120)
    archive.writer.set_stream(StreamRow("cam-1", "main", "recording", "", START_NS, 0, START_NS))
    run = RunRow("run-9", "cam-1", "main", WallNs(START_NS + 1), None, "h264", 64, 64, TimeBase(1, 90_000))
    archive.writer.begin_run(run)
    tell_clock(archive.writer, "run-9", -7 * NS_PER_S)
    bench = Bench(tmp_path)
    bench.clock.advance(120 * NS_PER_S)
    bench.look()
    bench.pass_time(FORECAST_NS)
    found = bench.look()
    assert found.figures[metrics.CAMERA_CLOCK_APART] == 7
    assert metrics.DISK_WRITE in found.figures
    assert found.summary["cameras_at_risk"] == ""
    assert found.summary["uploads_fall_behind"] is False
    assert metrics.CLOUD_ROUND_TRIP not in found.figures
    archive.close()


def tell_clock(writer: CaptureWriter, run: str, offset_ns: int) -> None:
    """The camera's clock differs so much from the box's in this run."""
    with writer.database.transaction("clock") as do:
        do("UPDATE run SET clock_offset_ns = ? WHERE run = ?", offset_ns, run)
