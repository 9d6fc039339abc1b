"""A crash on each side of every durable step of a segment: start-up makes rows and files agree, and keeps footage."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import pytest

from components.capture.core.packets import StreamParameters, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.core.room import Room
from components.capture.core.timeline import RunTimeline
from components.capture.footage import Footage
from components.capture.group_sync import GroupSync
from components.capture.hints import Hints
from components.capture.recorded_file import DiskDoor
from components.shared.catalogue.capture import CaptureReader, CaptureWriter, SegmentRow, Volume
from components.shared.catalogue.check import check
from components.shared.catalogue.reconcile import delete_garbage, reconcile
from components.shared.runtime.files import make_folders
from components.shared.wire.topics import CAPTURE
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crash, CrashAt, crashing_writer
from tests.fakes.encoded_pictures import pictures
from tests.fakes.log import RecordingLog
from tests.fakes.packets import VIDEO_BASE, WALL, video_packet

PICTURES = 40
PER_SEGMENT = 20
PER_SYNC = 8
"""The group sync comes by twice in a segment, and not just when there is something new."""

LOST_MAX = 8
"""What is not in a fragment yet is lost with the process: 0.4 s of 15 pictures a second, and one that ends it."""


def record(data: Path, crash: CrashAt) -> Iterator[None]:
    """Two segments of a run, as a recorder makes them."""
    clock, log = FakeClock(WALL), RecordingLog()
    volume = Volume("main", data / "media" / "main")
    make_folders(volume.root)
    with closing(CaptureWriter.open(data)) as new:
        new.register_volume(volume)
    catalogue = crashing_writer(data, crash)
    disk = GroupSync(volume.root, Room(), clock, log, DiskDoor(write=crash.write, step=crash))
    footage = Footage(*("cam-1", "main", catalogue, volume), *(disk, Hints(FakeBus(CAPTURE), clock, log), log))
    crash.kept.append(footage)
    stream = pictures("h264", PICTURES, PER_SEGMENT)
    sets = find_parameter_sets("h264", stream[0].payload)
    assert sets is not None
    video = VideoParameters("h264", VIDEO_BASE, sets.annex_b, 96, 64)
    timeline = RunTimeline(StreamParameters(video, None))
    timed = []
    for number, picture in enumerate(stream):
        packet = video_packet(number, is_keyframe=picture.is_keyframe, payload=picture.payload)
        timed += timeline.feed(packet, WALL, packet.arrived_ns)
    timed += timeline.finish()
    try:
        footage.begin_run(video, None, timeline, 0)
        for number, packet_in_time in enumerate(timed):
            if number % PER_SEGMENT == 0:
                footage.end_segment()
                footage.begin_segment(packet_in_time.dts, video)
            footage.write(packet_in_time)
            crash.check()
            if number % PER_SYNC == PER_SYNC - 1:
                disk.tick()
            yield
        footage.end_segment()
        crash.check()
        footage.end_run("stopped", 0)
    finally:
        catalogue.close()  # a crash ends the lock and the connection, and keeps what is committed


def record_whole(data: Path) -> CrashAt:
    """The same without a crash; the steps that it came by."""
    never = CrashAt()
    for _written in record(data, never):
        pass
    return never


def delete_first(data: Path, crash: CrashAt) -> SegmentRow:
    """Delete the first segment, as retention does."""
    catalogue = crashing_writer(data, crash)
    try:
        first = catalogue.segments(state="closed")[0]
        catalogue.mark_garbage(first.segment, "older than it may be")
        for garbage in catalogue.garbage():
            delete_garbage(catalogue, garbage, crash)
        return first
    finally:
        catalogue.close()


def start_up(data: Path) -> None:
    catalogue = CaptureWriter.open(data)
    try:
        assert not [repair for repair in reconcile(catalogue) if repair.what in {"failed", "quarantined"}]
    finally:
        catalogue.close()


def shown_frames(data: Path, step: str) -> int:
    """All pictures of the closed segments, each of which plays as its row says; rows and files agree."""
    assert check(data, pause=lambda: None) == [], step
    reader = CaptureReader.open(data)
    shown = 0
    for row in reader.segments():
        assert row.state == "closed", step
        with av.open(str(reader.file_path(row))) as container:
            frames = len(list(container.decode(video=0)))
        assert frames == row.frames, step
        shown += frames
    assert all(run.ended_ns is not None for run in reader.runs()), step
    reader.close()
    return shown


def test_crash_at_every_point(tmp_path: Path) -> None:
    """Wherever the crash comes, start-up leaves a clean catalogue, and every fragment that was written plays."""
    steps = record_whole(tmp_path / "whole").steps
    for call in range(1, len(steps) + 1):
        data = tmp_path / str(call)
        crash = CrashAt(call)
        written = 0
        with pytest.raises(Crash):
            for _written in record(data, crash):
                written += 1
        start_up(data)
        shown = shown_frames(data, crash.steps[-1])
        assert written - LOST_MAX <= shown <= written + 1, (crash.steps[-1], written, shown)


def test_every_step_of_creating_has_both_sides(tmp_path: Path) -> None:
    """Files, folders and rows: each durable step of recording is one that the test above crashes before and after."""
    names = record_whole(tmp_path).names
    befores = [name for side, name in names if side == "before"]
    assert befores == [name for side, name in names if side == "after"]
    files = {"make folder", "sync folder", "create", "write", "sync"}
    rows = {"begin run", "open segment", "close segment", "update run", "end run", "set clock"}
    assert set(befores) == files | {f"row: {row}" for row in rows}


def test_crash_at_every_point_of_deleting(tmp_path: Path) -> None:
    """Wherever a deletion is cut off, the segment is there whole, or gone with its file and its time told as a gap."""
    never = CrashAt()
    record_whole(tmp_path / "whole")
    delete_first(tmp_path / "whole", never)
    befores = {name for side, name in never.names if side == "before"}
    assert befores == {"row: mark garbage", "unlink", "sync folder", "drop row", "row: drop garbage"}
    outcomes = set()
    for call in range(1, len(never.steps) + 1):
        data = tmp_path / str(call)
        record_whole(data)
        crash = CrashAt(call)
        with pytest.raises(Crash):
            delete_first(data, crash)
        start_up(data)
        shown = shown_frames(data, crash.steps[-1])
        reader = CaptureReader.open(data)
        causes = [gap.cause for gap in reader.gaps()]
        is_gone = len(reader.segments()) == 1
        assert shown == PICTURES - is_gone * PER_SEGMENT
        assert causes == ["policy"] * is_gone
        assert len(list((data / "media").rglob("*.mp4"))) == 2 - is_gone
        assert not reader.garbage()
        reader.close()
        outcomes.add(is_gone)
    assert outcomes == {True, False}


def test_starting_up_twice_changes_nothing(tmp_path: Path) -> None:
    """A second start finds nothing left to do."""
    crash = CrashAt(len(record_whole(tmp_path / "whole").steps) // 2)
    with pytest.raises(Crash):
        for _written in record(tmp_path / "box", crash):
            pass
    start_up(tmp_path / "box")
    catalogue = CaptureWriter.open(tmp_path / "box")
    before = catalogue.segments()
    assert reconcile(catalogue) == []
    assert catalogue.segments() == before
    catalogue.close()
