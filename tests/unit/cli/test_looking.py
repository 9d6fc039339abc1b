"""What the looking commands say is what the catalogues hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, EventRow
from components.shared.catalogue.capture import GapRow, SegmentRow, StreamRow
from components.shared.catalogue.retention import Mark, mark_all_garbage
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.runtime.last_picture import LastPicture, write_last_picture
from components.shared.wire.units import WallNs
from local.site import Layout
from tests.fakes.archive import START_NS, at
from tests.unit.cli.conftest import Nvr
from tests.unit.cli.footage import Footage, spelt


def upload(row: SegmentRow, size_bytes: int = 1_000) -> UploadRow:
    """A segment's upload, queued."""
    key = f"sites/site-1/cameras/{row.path}"
    hashes = ("0" * 64, ("0" * 64,))
    return UploadRow(
        key, "segment", row.camera, row.segment, row.volume, row.path, size_bytes, *hashes, {}, 1, WallNs(START_NS)
    )


@pytest.fixture
def site(footage: Footage, tmp_path: Path) -> tuple[SegmentRow, ...]:
    """A site of two cameras: one records, with a gap behind it; one is offline. An event, three uploads."""
    rows = (footage.record(0, 20), footage.record(30, 10), footage.leave_open(40, 10))
    writer = footage.archive.writer
    writer.add_gap(GapRow("cam-1", "main", at(2), at(3), "unreachable", "[Errno 111] refused"))
    writer.begin_gap("cam-2", "main", at(0), "unreachable", "no route")
    writer.set_stream(StreamRow("cam-1", "main", "recording", "", at(3), 0, at(0)))
    writer.set_stream(StreamRow("cam-2", "main", "offline", "no route [x]", at(0), 5, at(0)))
    writer.update_run("run-cam-1-0", 31, 30)
    analysis = AnalysisWriter.open(tmp_path / "data")
    event = EventRow("event-1", "cam-1", at(0), at(1), 12.5, rows[0].segment)
    analysis.record(AnalysisRow(rows[0].segment, "cam-1", 1, 2, "done"), events=[event])
    analysis.close()
    sync = SyncWriter.open(tmp_path / "data")
    sync.enqueue("capture", [upload(rows[0]), upload(rows[1], 4_000)], 2)
    sync.mark_uploaded(upload(rows[0]).key, "etag", at(10))
    sync.close()
    return rows


def test_segments_and_gaps_in_the_order_of_time(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """Every segment and gap is a span; what goes on has no end."""
    spans = nvr("segments", "--json", "--data", tmp_path / "data").json
    assert [(span["camera"], span["kind"], span["state"], span["seconds"], span["frames"]) for span in spans] == [
        ("cam-1", "segment", "closed", 2.0, 20),
        ("cam-2", "gap", "unreachable", None, 0),
        ("cam-1", "gap", "unreachable", 1.0, 0),
        ("cam-1", "segment", "closed", 1.0, 10),
        ("cam-1", "segment", "open", None, 0),
    ]
    assert spans[0]["start"] == "2025-06-15T15:06:40.000Z"
    assert spans[0]["end"] == "2025-06-15T15:06:42.000Z"
    assert spans[0]["detail"] == site[0].path
    assert spans[0]["size_bytes"] > 1_000
    assert spans[1]["end"] is None
    assert spans[2]["detail"] == "[Errno 111] refused"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 5),
        (("--camera", "cam-1"), 4),
        (("--camera", "cam-2"), 1),
        (("--camera", "cam-1", "--since", spelt(2)), 3),
        (("--camera", "cam-1", "--since", spelt(1.999)), 4),
        (("--camera", "cam-1", "--until", spelt(2)), 1),
        (("--camera", "cam-1", "--until", spelt(2.001)), 2),
        (("--camera", "cam-1", "--since", spelt(2), "--until", spelt(3)), 1),
        (("--camera", "yard"), 0),
    ],
)
def test_segments_of_a_camera_and_a_time(
    nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path, options: tuple[str, ...], count: int
) -> None:
    """A span counts that ends after `--since` and starts before `--until`; touching is not enough."""
    assert len(nvr("segments", *options, "--json", "--data", tmp_path / "data").json) == count


def test_segments_as_a_table(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """The table says the same, a row per line; without rows it is a sentence."""
    lines = nvr("segments", "--data", tmp_path / "data").out.splitlines()
    assert len(lines) == 6
    assert "segment, closed" in lines[1]
    assert "gap, unreachable" in lines[3]
    assert "[Errno 111] refused" in lines[3]
    told = nvr("segments", "--camera", "yard", "--data", tmp_path / "data")
    assert (told.code, told.out) == (0, "Nothing was recorded in that time.\n")


def test_cameras(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """Each camera with its state and cause, what was recorded of it, and the rate of its newest segment."""
    cameras = nvr("cameras", "--json", "--data", tmp_path / "data").json
    first, second = cameras
    assert (first["id"], first["state"], first["codec"], first["picture"]) == ("cam-1", "recording", "h264", "64x48")
    assert (first["segments"], first["frames_received"], first["frames_recorded"]) == (2, 31, 30)
    assert (first["fps"], first["gap_seconds"], first["motion_events"]) == (10.0, 1.0, 1)
    assert first["bitrate_bits_per_s"] > 1_000
    assert (second["id"], second["state"], second["cause"], second["segments"]) == (
        "cam-2",
        "offline",
        "no route [x]",
        0,
    )
    assert second["gap_seconds"] > 1_000
    lines = nvr("cameras", "--data", tmp_path / "data").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["cam-1", "recording"], ["cam-2", "offline"]]
    assert "no route [x]" in lines[2]


def test_sub_stream_and_last_picture_of_a_camera(
    nvr: Nvr, site: tuple[SegmentRow, ...], footage: Footage, tmp_path: Path
) -> None:
    """A sub stream has a state of its own and adds nothing to the main stream's gaps; the last picture is told."""
    data = tmp_path / "data"
    footage.archive.writer.set_stream(StreamRow("cam-1", "sub", "off", "policy", at(0), 0, at(0)))
    footage.archive.writer.begin_gap("cam-1", "sub", at(0), "policy")
    write_last_picture(data, LastPicture("cam-1", "sub", at(5), 640, 360, 4), b"JPEG")
    first, second = nvr("cameras", "--json", "--data", data).json
    assert (first["state"], first["sub"], first["gap_seconds"]) == ("recording", "off", 1.0)
    assert Path(first["snapshot"]).read_bytes() == b"JPEG"
    assert first["snapshot_taken"] == "2025-06-15T15:06:45.000Z"
    assert (second["sub"], second["snapshot"], second["snapshot_taken"]) == ("", "", "")
    line = nvr("cameras", "--data", data).out.splitlines()[1]
    assert line.split()[-3:] == ["off", "2025-06-15T15:06:45.000Z", first["snapshot"]]


def test_status_of_a_site_at_rest(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """What it left: counts of segments and uploads; no component runs."""
    told = nvr("status", "--json", "--data", tmp_path / "data").json
    assert told["running"] is False
    view = told["site"]
    assert (view["segments_closed"], view["segments_uploaded"]) == (2, 1)
    assert (view["uploads_waiting"], view["uploads_waiting_bytes"]) == (1, 4_000)
    assert view["components"] == []
    assert view["media_bytes"] == sum(
        span["size_bytes"] for span in nvr("segments", "--json", "--data", tmp_path / "data").json
    )
    text = nvr("status", "--data", tmp_path / "data").out
    assert "The site is not running" in text
    assert "No core has run here." in text
    assert "segments: 2 closed, 1 uploaded; waiting: 1 (4.0 kB)" in text


def test_status_of_a_running_site(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """The core's state of each component, with what its launcher says of restarts and its processes use."""
    status = Layout(tmp_path / "data").core_status
    status.parent.mkdir(parents=True)
    component = {"state": "RUNNING", "pid": os.getpid()}
    broken = {"state": "BROKEN", "pid": None}
    components = {"com.edgenvr.CloudSync": component, "com.edgenvr.Capture": broken, "com.edgenvr.Runtime": component}
    status.write_text(json.dumps({"pid": os.getpid(), "components": components, "local_messages": {"dropped": 3}}))
    (tmp_path / "data" / "run").mkdir()
    (tmp_path / "data" / "run" / "cloud_sync.json").write_text(json.dumps({"restarts": 2}))
    told = nvr("status", "--json", "--data", tmp_path / "data").json
    assert told["running"] is True
    assert told["site"]["messages_dropped"] == 3
    capture, sync = told["site"]["components"]
    assert (capture["name"], capture["state"], capture["pss_bytes"]) == ("Capture", "BROKEN", 0)
    assert (sync["name"], sync["state"], sync["worker_restarts"]) == ("CloudSync", "RUNNING", 2)
    assert sync["pss_bytes"] > 1_000_000
    assert "The site is running." in nvr("status", "--data", tmp_path / "data").out


def test_refused_upload_is_told(nvr: Nvr, site: tuple[SegmentRow, ...], tmp_path: Path) -> None:
    """An upload that will never be made is named with its reason."""
    sync = SyncWriter.open(tmp_path / "data")
    sync.mark_refused(upload(site[1]).key, "the file is gone")
    sync.close()
    text = nvr("status", "--data", tmp_path / "data").out
    assert f"refused: {upload(site[1]).key}: the file is gone" in text


@pytest.mark.slow
def test_catalogue_check(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """Catalogues that agree with the files are told as that; a file that is gone is named, exit code 1."""
    row = footage.record(0, 10)
    footage.archive.writer.set_stream(StreamRow("cam-1", "main", "offline", "", at(0), 0, at(0)))
    footage.archive.writer.begin_gap("cam-1", "main", at(1), "component_down")
    told = nvr("catalogue", "check", "--data", tmp_path / "data")
    assert (told.code, told.out) == (0, "The catalogues and the files agree.\n")
    footage.path(row).unlink()
    told = nvr("catalogue", "check", "--json", "--data", tmp_path / "data")
    assert told.code == 1
    assert [(found["what"], row.segment in found["where"]) for found in told.json] == [("row_without_file", True)]


@pytest.mark.usefixtures("site")
def test_status_tells_how_long_the_disk_lasts(nvr: Nvr, footage: Footage, tmp_path: Path) -> None:
    """The forecast of each volume with what it follows from, and what was lost."""
    data = tmp_path / "data"
    (volume,) = nvr("status", "--json", "--data", data).json["site"]["volumes"]
    assert volume["volume"] == "main"
    closed = footage.archive.writer.segments(state="closed")
    assert volume["footage_bytes"] == sum(row.size_bytes for row in closed) > 0
    assert 0 < volume["free_bytes"] < volume["total_bytes"]
    assert volume["days_max"] == 30 and volume["oldest_days"] > 100
    told = nvr("status", "--data", data).out
    assert "volume main: " in told and "lost:" not in told
    row = closed[0]
    assert row.end_ns is not None
    span = (row.segment, row.camera, row.stream, row.start_ns, row.end_ns, row.size_bytes)
    mark_all_garbage(footage.archive.writer, [Mark(*span, "room", is_early=True, is_lost=True)], at(100))
    assert "lost: 1 segments" in nvr("status", "--data", data).out
