"""Writes the catalogues that are kept in tests/data/catalogue for ever, one set per schema version.

    python -m tests.fakes.golden_catalogue tests/data/catalogue/v2

A set is written once, by the release that brings its version, and never again: it stands for the files in the field.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from components.shared.catalogue.alerts import AlertRow, NewAlert, clear_alert, raise_alert
from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, EventRow, MotionRow, ThumbnailRow
from components.shared.catalogue.analysis_pictures import PictureFaultRow
from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, SegmentRow, StreamRow, Volume, open_row
from components.shared.catalogue.component_status import ComponentStatus, keep_statuses
from components.shared.catalogue.health import ConditionRow, HealthWriter, SummaryRow
from components.shared.catalogue.outbox import acknowledge, waiting_notices
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.wire.alert_notice import alert_id
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs

OWNERS = ("capture", "analysis", "sync", "health")
_START_NS = 1_750_000_000_123_456_789
_BASE = TimeBase(1, 90_000)
_HASH, _PARTS = "0123456789abcdef" * 4, ("fedcba9876543210" * 4, "00ff" * 16)


def _at(seconds: int) -> WallNs:
    return WallNs(_START_NS + seconds * NS_PER_S)


def _closed(row: SegmentRow, end_ns: WallNs, sequence: int) -> SegmentRow:
    gops = (Gop(752, 40_000, 180_000), Gop(40_752, 39_000, 90_000))
    numbers = (45, 80_200, _HASH, _BASE, -1024, 752, gops)
    facts = SegmentFacts(row.start_ns, end_ns, row.run, "h264", 1280, 720, *numbers)
    counts = {"frames": 45, "size_bytes": 80_200}
    return replace(row, state="closed", end_ns=end_ns, sequence=sequence, facts=facts, part_sha256s=_PARTS, **counts)  # type: ignore[arg-type]


RUNS = [
    RunRow("run-1", "cam-1", "main", _at(0), _at(9), "h264", 1280, 720, _BASE, 92, 90, "unreachable"),
    RunRow("run-2", "cam-1", "main", _at(20), None, "h265", 1920, 1080, _BASE, 10, 8),
]
SEGMENTS = [
    _closed(open_row("cam-1", "main", _at(0), "run-1", "main"), _at(3), 1),
    _closed(open_row("cam-1", "main", _at(3), "run-1", "main"), _at(6), 2),
    open_row("cam-1", "main", _at(20), "run-2", "main"),
]
GAPS = [
    GapRow("cam-2", "sub", _at(0), None, "authentication", "401"),
    GapRow("cam-1", "main", _at(6), _at(9), "policy", "retention"),
    GapRow("cam-1", "main", _at(9), _at(20), "unreachable", "no route to host"),
]
STREAMS = [
    StreamRow("cam-1", "main", "recording", "", _at(20), 0, _at(0)),
    StreamRow("cam-2", "sub", "offline", "authentication", _at(0), 7, _at(0)),
]
ANALYSIS = AnalysisRow(SEGMENTS[0].segment, "cam-1", 1, 45, "done")
MOTIONS = [MotionRow(SEGMENTS[0].segment, "cam-1", _at(1), _at(2), 12.5)]
THUMBNAIL = ThumbnailRow(SEGMENTS[0].segment, "cam-1", _at(0), "main", "cam-1/a.jpg", 900, _HASH, 1)
EVENTS = [
    EventRow("event-1", "cam-1", _at(1), _at(2), 12.5, SEGMENTS[0].segment),
    EventRow("event-2", "cam-1", _at(5), None, 3.0, SEGMENTS[1].segment),
]
PICTURE_FAULTS = [PictureFaultRow("cam-2", "picture_covered", _at(3), 0.125, "12 % of the usual structure is left")]
PICTURE_REFERENCES = {"main-h264-1280x720-colour": bytes(range(64))}
UPLOADS = [
    UploadRow(
        *("sites/box-1/cameras/a.mp4", "segment", "cam-1", SEGMENTS[0].segment, "main", SEGMENTS[0].path, 80_200),
        *(_HASH, _PARTS, {"nvr-version": "1", "nvr-frames": "45"}, 1, _at(7)),
        state="uploaded",
        etag='"abc"',
        uploaded_ns=_at(8),
    ),
    UploadRow(
        *("sites/box-1/cameras/b.mp4", "segment", "cam-1", SEGMENTS[1].segment, "main", SEGMENTS[1].path, 80_200),
        *(_HASH, _PARTS, {}, 1, _at(7)),
        attempts=1,
        not_before_ns=_at(30),
        upload_id="upload-1",
        parts={1: "e1", 2: "e2"},
        last_error="connection reset",
    ),
]
SUMMARY = SummaryRow(_at(30), {"cameras": 2, "impaired": ["cam-2"]})
CONDITIONS = [
    ConditionRow("disk", "main", _at(0), "95 % full", _at(5)),
    ConditionRow("camera", "cam-2", _at(1), "authentication"),
]
NEW_ALERTS = [
    NewAlert("camera_offline", "cam-2", "critical", "offline: authentication"),
    NewAlert("cameras_offline", "site", "critical", "2 of 2 cameras", ("cam-1", "cam-2")),
]
_ALERT_IDS = [
    alert_id("box-1", new.kind, new.subject, _at(second)) for second, new in zip((1, 2), NEW_ALERTS, strict=True)
]
ALERTS = [
    AlertRow(
        *(1, _ALERT_IDS[0], "camera_offline", "cam-2", "critical", "offline: authentication", (), 1, _at(1), _at(3)),
        *("cleared", None, _at(4), _at(5)),
    ),
    AlertRow(
        *(
            2,
            _ALERT_IDS[1],
            "cameras_offline",
            "site",
            "critical",
            "2 of 2 cameras",
            ("cam-1", "cam-2"),
            2,
            _at(2),
            None,
        ),
        *("raised", None, None, None),
    ),
]
STATUSES = [
    ComponentStatus("Capture", "0.1.0", _at(0), _at(29), 0, None, None, _at(30)),
    ComponentStatus("CloudSync", "0.1.0", _at(1), _at(8), 1, "connection reset", _at(29), _at(30)),
]


def write(data: Path) -> None:
    """All four catalogues under a data root."""
    capture = CaptureWriter.open(data)
    capture.register_volume(Volume("main", data / "media" / "main"))
    capture.register_volume(Volume("second", Path("/mnt/second")))
    for run in RUNS:
        capture.begin_run(run)
    for stream in STREAMS:
        capture.set_stream(stream)
    extra = _closed(open_row("cam-1", "main", _at(6), "run-1", "second"), _at(9), 3)
    for segment in (*SEGMENTS[:2], extra, SEGMENTS[2]):
        capture.open_segment(replace(segment, state="open"))
        if segment.facts is not None:
            capture.close_segment(segment.segment, segment.facts, segment.part_sha256s)
    capture.mark_garbage(extra.segment, "retention")
    for gap in (GAPS[0], GAPS[2]):
        capture.add_gap(gap)
    capture.close()
    analysis = AnalysisWriter.open(data)
    analysis.record(ANALYSIS, MOTIONS, THUMBNAIL, EVENTS)
    analysis.set_picture_faults("cam-2", PICTURE_FAULTS)
    analysis.keep_picture_references({"cam-2": PICTURE_REFERENCES})
    analysis.close()
    sync = SyncWriter.open(data)
    sync.enqueue("capture", UPLOADS, 2)
    sync.mark_uploaded(UPLOADS[0].key, '"abc"', _at(8))
    sync.record_upload_id(UPLOADS[1].key, "upload-1")
    for part, etag in UPLOADS[1].parts.items():
        sync.record_part(UPLOADS[1].key, part, etag)
    sync.mark_failed(UPLOADS[1].key, "connection reset", _at(30))
    sync.close()
    health = HealthWriter.open(data)
    health.set_summary(SUMMARY)
    keep_statuses(health, STATUSES)
    for row in CONDITIONS:
        health.raise_condition(row.kind, row.subject, row.since_ns, row.reason)
        if row.cleared_ns is not None:
            health.clear_condition(row.kind, row.subject, row.cleared_ns)
    write_alerts(health)
    health.close()


def write_alerts(health: HealthWriter) -> None:
    """One alert that is over and acknowledged, and a group that is active and waits."""
    for second, new in zip((1, 2), NEW_ALERTS, strict=True):
        raise_alert(health, "box-1", new, _at(second), is_held=False)
    clear_alert(health, "box-1", _ALERT_IDS[0], _at(3), is_held=False)
    for second, state in ((4, "raised"), (5, "cleared")):
        found = [row.notice for row in waiting_notices(health) if (row.alert, row.state) == (_ALERT_IDS[0], state)]
        acknowledge(health, found, _at(second))


def shrink(path: Path) -> None:
    """Small pages, so that a golden file is kilobytes; still in WAL mode, as in the field."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("journal_mode=DELETE", "page_size=512"):
        connection.execute(f"PRAGMA {statement}")
    connection.execute("VACUUM")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for owner in OWNERS:
            source = Path(folder) / "catalogue" / f"{owner}.db"
            shrink(source)
            shutil.copy(source, target)
