"""A crash on each side of every durable step of a segment: start-up makes rows and files agree, and keeps footage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from components.capture.core.packets import StreamParameters, VideoParameters
from components.capture.core.parameter_sets import find_parameter_sets
from components.capture.core.room import Room
from components.capture.core.timeline import RunTimeline
from components.capture.footage import Footage
from components.capture.group_sync import GroupSync
from components.capture.hints import Hints
from components.shared.catalogue.capture import CaptureReader, CaptureWriter, Volume
from components.shared.catalogue.check import check
from components.shared.catalogue.reconcile import reconcile
from components.shared.runtime.files import make_folders
from components.shared.wire.topics import CAPTURE
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.encoded_pictures import pictures
from tests.fakes.log import RecordingLog
from tests.fakes.packets import VIDEO_BASE, WALL, video_packet

PICTURES = 60
PER_SEGMENT = 20


class Crash(BaseException):
    """The process ends here."""


class CrashAt:
    """Passes every call on, and crashes before or after the n-th of all counted calls."""

    def __init__(self, point: int) -> None:
        self._left = point
        self.names: list[str] = []
        self.kept: object = None
        """What a crashed process no longer touches: libav would finish the file when its muxer is collected."""

    def around(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            self._pass(f"before {name}")
            result = work(*values, **named)
            self._pass(f"after {name}")
            return result

        return call

    def _pass(self, name: str) -> None:
        self.names.append(name)
        self._left -= 1
        if self._left < 0:
            raise Crash(name)


class Watched:
    """An object whose named methods are watched by a CrashAt."""

    def __init__(self, inner: object, names: tuple[str, ...], crash: CrashAt) -> None:
        self._inner = inner
        self._names = names
        self._crash = crash

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._crash.around(name, found) if name in self._names else found


STEPS = ("begin_run", "open_segment", "close_segment", "update_run", "end_run")
DISK_STEPS = ("add", "remove")
"""`add` comes between the file's creation and its first byte, `remove` between its last fragment and its trailer."""


def record(data: Path, crash: CrashAt) -> Iterator[None]:
    """Three segments of a run, as a recorder makes them."""
    clock, log = FakeClock(WALL), RecordingLog()
    catalogue = CaptureWriter.open(data)
    volume = Volume("main", data / "media" / "main")
    make_folders(volume.root)
    catalogue.register_volume(volume)
    disk = GroupSync(volume.root, Room(), clock, log)
    watched: Any = Watched(catalogue, STEPS, crash)
    footage = Footage(
        *("cam-1", "main", watched, volume),
        *(Watched(disk, DISK_STEPS, crash), Hints(FakeBus(CAPTURE), clock, log), log),  # type: ignore[arg-type]
    )
    crash.kept = footage
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
            yield
        footage.end_segment()
        footage.end_run("stopped", 0)
    finally:
        catalogue.close()  # a crash ends the lock and the connection, and keeps what is committed


def count_points(data: Path) -> int:
    crash = CrashAt(10_000)
    for _written in record(data, crash):
        pass
    return len(crash.names)


def start_up(data: Path) -> None:
    catalogue = CaptureWriter.open(data)
    try:
        assert not [repair for repair in reconcile(catalogue) if repair.what in {"failed", "quarantined"}]
    finally:
        catalogue.close()


def test_crash_at_every_point(tmp_path: Path) -> None:
    """Wherever the crash comes, start-up leaves a clean catalogue, and every fragment that was written plays."""
    points = count_points(tmp_path / "whole")
    assert points > 20
    for point in range(points):
        data = tmp_path / str(point)
        crash = CrashAt(point)
        written = 0
        with pytest.raises(Crash):
            for _written in record(data, crash):
                written += 1
        start_up(data)
        assert check(data) == [], crash.names[-1]
        reader = CaptureReader.open(data)
        rows = reader.segments()
        assert all(row.state == "closed" for row in rows), crash.names[-1]
        shown = 0
        for row in rows:
            with av.open(str(reader.file_path(row))) as container:
                frames = len(list(container.decode(video=0)))
            assert frames == row.frames
            shown += frames
        # What is not in a fragment yet is lost with the process: less than a second, 15 pictures.
        assert written - 15 <= shown <= written + 1, (crash.names[-1], written, shown)
        assert all(run.ended_ns is not None for run in reader.runs())
        reader.close()


def test_starting_up_twice_changes_nothing(tmp_path: Path) -> None:
    """A second start finds nothing left to do."""
    crash = CrashAt(count_points(tmp_path / "whole") // 2)
    with pytest.raises(Crash):
        for _written in record(tmp_path / "box", crash):
            pass
    start_up(tmp_path / "box")
    catalogue = CaptureWriter.open(tmp_path / "box")
    before = catalogue.segments()
    assert reconcile(catalogue) == []
    assert catalogue.segments() == before
    catalogue.close()
