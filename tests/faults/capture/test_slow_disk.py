"""Disks whose syncs take long, or never end: cameras are read on, nothing is lost, and what waits is recorded."""

import os
import threading
from pathlib import Path

import pytest

from components.capture.recorded_file import DiskDoor
from components.capture.rtsp_source import open_rtsp
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.packet_source import FakeCamera, open_fake
from tests.fakes.packets import STEP
from tests.fakes.recorded_frames import sent_between, stamped
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

LONG_S = 600
STANDS_S_MAX = 30.0
PER_S = 60


class SlowDisk:
    """Syncs that take as long as a test says, or until it lets them go."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.syncs = 0
        self.standing = 0
        self.goes = threading.Event()
        self.goes.set()

    def sync(self, descriptor: int) -> None:
        """What a door's `sync` does, late."""
        self.syncs += 1
        self.standing += 1
        threading.Event().wait(self.delay_s)
        assert self.goes.wait(STANDS_S_MAX), "the test let it stand for too long"
        self.standing -= 1
        os.fsync(descriptor)

    @property
    def door(self) -> DiskDoor:
        """The disk as a recorder is given it."""
        return DiskDoor(sync=self.sync)


class Player:
    """Plays a fake camera in real time, 60 pictures a second, until it is stopped."""

    def __init__(self, camera: FakeCamera) -> None:
        self._camera = camera
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_details: object) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _play(self) -> None:
        while not self._stop.wait(1 / PER_S):
            self._camera.play(dts=self._camera.played * STEP // 4)


def fake_camera(box: CaptureBox) -> FakeCamera:
    box.set_camera("cam-1", "rtsp://camera/cam-1")
    return FakeCamera("cam-1", box.clock, read_s=60.0)


def play_on(camera: FakeCamera, pictures: int) -> None:
    """Wait until so many more pictures were sent."""
    until = camera.played + pictures
    eventually(lambda: camera.played >= until, 20.0, "pictures are sent")


def assert_nothing_lost(box: CaptureBox) -> None:
    """One run, all of whose pictures are in files; no gap but before it."""
    (run,) = box.runs("cam-1")
    assert run.frames_received == run.frames_recorded > 0
    assert {gap.cause for gap in box.gaps("cam-1")} <= {"starting"}
    assert box.coverage("cam-1").is_whole
    assert check(box.data, pause=lambda: None) == []


def test_group_sync_that_stands_holds_no_writing_up(tmp_path: Path, clock: SystemClock) -> None:
    """While the syncs of open segments do not end, their files go on growing."""
    box = CaptureBox(tmp_path / "data", clock, segment_s=LONG_S)
    camera, disk = fake_camera(box), SlowDisk()
    with Player(camera), box.running(open_fake(camera), door=disk.door):
        box.wait_for("a segment is synced", lambda: disk.syncs and box.rows.open_segments())
        (row,) = box.rows.open_segments()
        disk.goes.clear()
        box.wait_for("a sync stands", lambda: disk.standing)
        before = box.rows.file_path(row).stat().st_size
        play_on(camera, 2 * PER_S)
        box.wait_for("the file grows", lambda: box.rows.file_path(row).stat().st_size > before)
        assert disk.standing == 1
        disk.goes.set()
    assert_nothing_lost(box)


def test_sync_that_stands_at_a_cut_loses_nothing(tmp_path: Path, clock: SystemClock) -> None:
    """While the last sync of a segment does not end, the camera is read on; all that waited is recorded then."""
    box = CaptureBox(tmp_path / "data", clock, segment_s=1)
    camera, disk = fake_camera(box), SlowDisk()
    with Player(camera), box.running(open_fake(camera), door=disk.door):
        box.wait_for_segments("cam-1", 2)
        disk.goes.clear()
        box.wait_for("a sync stands", lambda: disk.standing)
        play_on(camera, 2 * PER_S)  # longer than a segment: it is at its cut
        closed = len(box.segments("cam-1"))
        play_on(camera, 2 * PER_S)
        assert len(box.segments("cam-1")) == closed, "the sync that stands is the one that closes"
        disk.goes.set()
        box.wait_for_segments("cam-1", closed + 3)
    assert_nothing_lost(box)
    assert sum(row.frames or 0 for row in box.segments("cam-1")) > 5 * PER_S


@pytest.mark.parametrize(("delay_s", "segment_s", "segments"), [(0.02, 1, 5), (3.0, 9, 2)])
def test_every_sync_takes_long(
    tmp_path: Path,
    clock: SystemClock,
    cameras: RunningCameras,
    delay_s: float,
    segment_s: int,
    segments: int,
) -> None:
    """A real camera on a tired disk (20 ms) and on one that hardly works (3 s): every frame that was sent is kept."""
    box = CaptureBox(tmp_path / "data", clock, segment_s=segment_s)
    box.set_camera("cam-1", cameras.url("cam-1"))
    disk = SlowDisk(delay_s)
    with box.running(open_rtsp(clock), door=disk.door):
        box.wait_for_segments("cam-1", segments, within_s=60.0)
        disk.delay_s = 0.0  # a stop has two seconds
        box.wait_for_segments("cam-1", segments + 1, within_s=60.0)
    frames = stamped(box.files("cam-1"))
    assert frames == sent_between(cameras.sent_frames("cam-1"), frames[0], frames[-1])
    assert disk.syncs >= segments
    assert_nothing_lost(box)
