"""What a failing disk does to a file and to recording, with disks that fail as tests say: proven against real ones."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from components.capture.core.reconnect import SCHEDULE_S
from components.capture.core.room import Room
from components.capture.recorded_file import DISK, DiskDoor, DiskFailed, RecordedFile
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from tests.fakes.capture_box import CaptureBox
from tests.fakes.clock import FakeClock
from tests.fakes.packet_source import FakeCamera, open_fake
from tests.fakes.packets import STEP, due_ns
from tests.fakes.small_disk import MIB, fill, small_disk, small_tmpfs
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

HEADER = b"\0\0\0\x10ftypiso5\0\0\0\0"
BOX = b"\0\x10\0\0free" + bytes(MIB - 8)
AGAIN_NS_MAX = 30 * NS_PER_S
TEN_MINUTES_NS = 600 * NS_PER_S
RESERVE_BYTES = 64 * MIB
PAUSES = len(SCHEDULE_S)


class FailingDisk:
    """A disk in good order until a test says how it fails, or how full it is."""

    def __init__(self) -> None:
        self.write_fails = 0
        self.sync_fails = 0
        self.free_bytes = 1_000 * MIB

    @property
    def door(self) -> DiskDoor:
        """The disk as a recorder is given it."""
        return DiskDoor(write=self._write, sync=self._sync, look=self._look)

    def _write(self, descriptor: int, data: memoryview) -> int:
        self._raise(self.write_fails)
        return os.write(descriptor, data)

    def _sync(self, descriptor: int) -> None:
        self._raise(self.sync_fails)
        os.fsync(descriptor)

    def _look(self, path: Path) -> os.statvfs_result:
        found = os.statvfs(path)
        fields = list(found)
        fields[4] = self.free_bytes // found.f_frsize  # f_bavail
        return os.statvfs_result(fields)

    @staticmethod
    def _raise(number: int) -> None:
        if number:
            raise OSError(number, os.strerror(number))


Failing = tuple[Path, DiskDoor, Callable[[], None]]
"""Where the disk is, the door to it, and what makes it fail from then on."""


@contextmanager
def fake_failing(tmp_path: Path) -> Iterator[Failing]:
    disk = FailingDisk()

    def fail() -> None:
        disk.sync_fails = errno.EIO

    yield tmp_path, disk.door, fail


@contextmanager
def real_failing(tmp_path: Path) -> Iterator[Failing]:
    """An ext4 whose device has nowhere to put what is new."""
    with (
        small_tmpfs(tmp_path / "device", 32 * MIB) as device,
        small_disk(device, tmp_path / "root", 32 * MIB, "-E", "lazy_itable_init=0,nodiscard") as disk,
    ):

        def fail() -> None:
            fill(device, 0)

        yield disk.root, DISK, fail


KINDS = [pytest.param(fake_failing, id="fake"), pytest.param(real_failing, id="real", marks=pytest.mark.root)]


@pytest.mark.parametrize("failing", KINDS)
def test_sync_that_fails_is_known_to_all_that_comes(
    tmp_path: Path, failing: Callable[[Path], AbstractContextManager[Failing]]
) -> None:
    """A write is taken, its sync fails: whoever writes or seals next is told, since nothing may follow a hole."""
    with failing(tmp_path) as (root, door, fail):
        file = RecordedFile(root / "a.mp4", "camera cam-1, segment cam-1_x", door)
        file.write(HEADER)
        file.sync()
        fail()
        file.write(BOX)
        with pytest.raises(DiskFailed, match=r"cam-1_x, sync file: (Input/output error|No space left)"):
            file.sync()
        assert file.closed
        for step in (lambda: file.write(BOX), lambda: file.seal(b""), file.check):
            with pytest.raises(DiskFailed, match="sync"):
                step()
        file.close()


class Player:
    """Plays a fake camera by a fake clock."""

    def __init__(self, camera: FakeCamera, clock: FakeClock) -> None:
        self._camera = camera
        self._clock = clock

    def play(self, pictures: int) -> None:
        """So many pictures in time."""
        for number in range(pictures):
            self._camera.play()
            self._clock.advance(due_ns(number + 1) - due_ns(number))

    def play_until(self, condition: Callable[[], object], what: str) -> int:
        """Pictures in time until a condition holds; the time that passed."""
        began_ns = self._clock.monotonic_ns()

        def look() -> object:
            self.play(1)
            return condition()

        eventually(look, 60.0, what)
        return self._clock.monotonic_ns() - began_ns


def test_ten_minutes_full_are_one_gap_and_end_soon(tmp_path: Path) -> None:
    """A disk full for ten minutes, then freed, is recorded on within 30 s by itself; the record has it as one gap."""
    clock, disk = FakeClock(), FailingDisk()
    box = CaptureBox(tmp_path / "data", clock, segment_s=4)
    camera = FakeCamera("cam-1", clock, read_s=60.0)
    box.set_camera("cam-1", "rtsp://camera/cam-1")
    player = Player(camera, clock)
    with box.running(open_fake(camera), Room(RESERVE_BYTES), door=disk.door):
        player.play_until(lambda: len(box.segments("cam-1")) >= 2, "segments")
        disk.free_bytes = RESERVE_BYTES - 1
        player.play_until(lambda: is_state(box, "connecting"), "recording stops")
        pass_time(clock, TEN_MINUTES_NS)
        assert is_state(box, "connecting")
        assert not box.rows.open_segments()
        disk.free_bytes = 2 * RESERVE_BYTES
        assert player.play_until(lambda: is_state(box, "recording"), "recording goes on") <= AGAIN_NS_MAX
        player.play_until(lambda: len(box.segments("cam-1")) >= 4, "segments")
    (gap,) = [gap for gap in box.gaps("cam-1") if gap.cause == "disk"]
    assert gap.end_ns is not None
    assert TEN_MINUTES_NS <= gap.end_ns - gap.start_ns <= TEN_MINUTES_NS + AGAIN_NS_MAX
    assert "the disk is full" in gap.detail
    assert box.coverage("cam-1").is_whole
    assert check(box.data, pause=lambda: None) == []


def test_disk_that_was_full_beside_a_camera_that_was_away(tmp_path: Path) -> None:
    """However long a camera could not be reached before the disk was full, it is tried soon after that was freed."""
    clock, disk = FakeClock(), FailingDisk()
    box = CaptureBox(tmp_path / "data", clock, segment_s=4)
    camera = FakeCamera("cam-1", clock, read_s=60.0)
    camera.is_there = False
    box.set_camera("cam-1", "rtsp://camera/cam-1")
    player = Player(camera, clock)
    with box.running(open_fake(camera), Room(RESERVE_BYTES), door=disk.door):
        pass_until_failures(box, clock, PAUSES)  # from now on it is tried once a minute
        disk.free_bytes = RESERVE_BYTES - 1
        camera.is_there = True
        pass_until_failures(box, clock, PAUSES + 2)  # the disk has been the reason twice
        disk.free_bytes = 2 * RESERVE_BYTES
        assert player.play_until(lambda: is_state(box, "recording"), "recording goes on") <= AGAIN_NS_MAX


def pass_until_failures(box: CaptureBox, clock: FakeClock, count: int) -> None:
    """Let time pass until so many attempts have failed."""
    while len(box.log.named("attempt_failed")) < count:
        pass_time(clock, NS_PER_S)


def pass_time(clock: FakeClock, duration_ns: int) -> None:
    """Let time pass in steps in which everybody looks."""
    end_ns = clock.monotonic_ns() + duration_ns
    while clock.monotonic_ns() < end_ns:
        clock.advance(250 * NS_PER_MS)
        eventually(lambda: clock.waiting >= 2, 10.0, "its threads have looked")


def is_state(box: CaptureBox, state: str) -> bool:
    row = box.stream("cam-1")
    return row is not None and row.state == state


@pytest.mark.parametrize("fails", ["write_fails", "sync_fails"])
def test_disk_that_fails_for_a_while(tmp_path: Path, clock: SystemClock, fails: str) -> None:
    """Writes or syncs that fail end the run with what is kept; when they go again it is recorded on."""
    disk = FailingDisk()
    box = CaptureBox(tmp_path / "data", clock)
    camera = FakeCamera("cam-1", clock, read_s=60.0)
    box.set_camera("cam-1", "rtsp://camera/cam-1")
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(1 / 60):
            camera.play(dts=camera.played * STEP // 4)

    player = threading.Thread(target=play)
    player.start()
    try:
        with box.running(open_fake(camera), door=disk.door):
            box.wait_for_segments("cam-1", 2)
            setattr(disk, fails, errno.EIO)
            box.wait_for_state("cam-1", "connecting", "disk")
            setattr(disk, fails, 0)
            box.wait_for_state("cam-1", "recording", within_s=AGAIN_NS_MAX / NS_PER_S)
            box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 2)
    finally:
        stop.set()
        player.join()
    (gap,) = [gap for gap in box.gaps("cam-1") if gap.cause == "disk"]
    assert "Input/output error" in gap.detail
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))
    assert check(box.data, pause=lambda: None) == []
