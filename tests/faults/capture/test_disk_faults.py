"""Real faults of real file systems: recording goes on, or by itself again soon after, and the record says why.

With the product's own pauses between attempts, so that "soon" is what users get.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.app import media_folder
from components.capture.core.room import Room
from components.capture.group_sync import INODES_MIN
from components.capture.rtsp_source import open_rtsp
from components.shared.catalogue.capture import GapRow
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import decoded
from tests.fakes.small_disk import MIB, SmallDisk, fill, small_disk, small_tmpfs

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.alone]

AGAIN_S_MAX = 30.0
DISK_BYTES = 32 * MIB
ROOMY_BYTES = 64 * MIB
"""For the catalogue, its write-ahead log and the ballast, too."""
RESERVE_BYTES = 4 * MIB


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock, cameras: RunningCameras) -> CaptureBox:
    return box_in(tmp_path / "data", clock, cameras)


def box_in(data: Path, clock: SystemClock, cameras: RunningCameras) -> CaptureBox:
    box = CaptureBox(data, clock)
    box.set_camera("cam-1", cameras.url("cam-1"))
    return box


@pytest.fixture
def disk(box: CaptureBox, tmp_path: Path) -> Iterator[SmallDisk]:
    """The box's footage on a small ext4 of its own; the catalogue is elsewhere."""
    with small_disk(tmp_path / "image", media_folder(box.data), DISK_BYTES) as disk:
        yield disk


def disk_gaps(box: CaptureBox) -> list[GapRow]:
    return [gap for gap in box.gaps("cam-1") if gap.cause == "disk"]


def wait_recorded_again(box: CaptureBox) -> None:
    """Within the time that is promised footage comes again, and is kept."""
    box.wait_for_state("cam-1", "recording", within_s=AGAIN_S_MAX)
    box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 2)


def assert_whole(box: CaptureBox) -> None:
    """All files play as their rows say, every moment is accounted for, and the catalogue's check is clean."""
    for row in box.segments("cam-1"):
        assert len(decoded([box.rows.file_path(row)])) == row.frames
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))
    assert check(box.data, with_hash=True) == []


def test_disk_that_was_full(box: CaptureBox, disk: SmallDisk, clock: SystemClock) -> None:
    """A disk that somebody else fills, and frees, is recorded on again soon; the gap says that it was full."""
    with box.running(open_rtsp(clock), Room(RESERVE_BYTES)):
        box.wait_for_segments("cam-1", 2)
        other = disk.fill(RESERVE_BYTES // 2)
        box.wait_for_state("cam-1", "connecting", "disk")
        other.unlink()
        wait_recorded_again(box)
    (gap,) = disk_gaps(box)
    assert "the disk is full" in gap.detail
    assert_whole(box)


def test_whole_data_root_on_a_disk_that_was_full(tmp_path: Path, clock: SystemClock, cameras: RunningCameras) -> None:
    """Where the catalogue lies on it too, and somebody takes the reserve, rows are owed and written later."""
    with small_disk(tmp_path / "image", tmp_path / "root", ROOMY_BYTES) as disk:
        box = box_in(disk.root / "data", clock, cameras)
        with box.running(open_rtsp(clock), Room(0)):
            box.wait_for_segments("cam-1", 2)
            other = disk.fill()

            def are_owed() -> bool:
                disk.fill()  # the ballast, too, however late it is thrown
                return bool(box.log.named("rows_owed") or disk_gaps(box))

            box.wait_for("rows are owed", are_owed)
            other.unlink()
            wait_recorded_again(box)
        assert any("No space left" in gap.detail or "full" in gap.detail for gap in disk_gaps(box))
        assert_whole(box)


@pytest.mark.parametrize(("left", "said"), [(INODES_MIN // 2, "inodes"), (0, "inodes|No space left on device")])
def test_disk_without_inodes(box: CaptureBox, disk: SmallDisk, clock: SystemClock, left: int, said: str) -> None:
    """A disk with bytes free and hardly an inode takes no new file: recording stops, with all files closed."""
    with box.running(open_rtsp(clock), Room(RESERVE_BYTES)):
        box.wait_for_segments("cam-1", 2)
        many = disk.use_up_inodes(left)
        box.wait_for_state("cam-1", "connecting", "disk")
        assert not box.rows.open_segments()
        for path in many.iterdir():
            path.unlink()
        wait_recorded_again(box)
    (gap,) = disk_gaps(box)
    assert re.search(said, gap.detail)
    if left:  # with none at all the pictures that were to begin a file have found none
        assert all(run.frames_received == run.frames_recorded for run in box.runs("cam-1"))
    assert_whole(box)


def test_disk_that_became_read_only(box: CaptureBox, disk: SmallDisk, clock: SystemClock) -> None:
    """A file system that the kernel made read-only is recorded on again when somebody has repaired it."""
    with box.running(open_rtsp(clock), Room(RESERVE_BYTES)):
        box.wait_for_segments("cam-1", 2)
        disk.make_read_only()
        box.wait_for_state("cam-1", "connecting", "disk")
        repair_between_attempts(box, disk)
        wait_recorded_again(box)
    # A sync that is under way when it happens is told of its pages, which went nowhere.
    assert re.search("Read-only file system|Input/output error", disk_gaps(box)[0].detail)
    assert_whole(box)


def test_disk_that_fails(tmp_path: Path, box: CaptureBox, clock: SystemClock) -> None:
    """A device whose writes fail is noticed by the sync; repaired it is recorded on, and what it kept plays."""
    with (
        small_tmpfs(tmp_path / "device", DISK_BYTES) as device,
        small_disk(device, media_folder(box.data), DISK_BYTES, "-E", "lazy_itable_init=0,nodiscard") as disk,
        box.running(open_rtsp(clock), Room(RESERVE_BYTES)),
    ):
        box.wait_for_segments("cam-1", 2)
        fault = fill(device, 0)  # the image is sparse: from now on the device has nowhere to put what is new
        box.wait_for_state("cam-1", "connecting", "disk")
        fault.unlink()
        repair_between_attempts(box, disk)
        wait_recorded_again(box)
        assert disk_gaps(box)
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))


def test_disk_that_is_taken_out_and_put_in_again(box: CaptureBox, disk: SmallDisk, clock: SystemClock) -> None:
    """A volume that vanishes while recording is survived; when it is there again it is recorded on, with all rows."""
    with box.running(open_rtsp(clock), Room(0)):
        box.wait_for_segments("cam-1", 2)
        disk.take_away()
        box.wait_for("time passes without it", lambda: disk_gaps(box) or len(box.segments("cam-1")) > 4)
        disk.mount()
        wait_recorded_again(box)
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))
    on_it = {row.segment: box.rows.file_path(row) for row in box.segments("cam-1")}
    there = {segment for segment, path in on_it.items() if path.exists()}
    disk.take_away()
    beneath = {segment for segment, path in on_it.items() if path.exists()}
    assert there | beneath == set(on_it), "every closed segment is somewhere"
    assert not there & beneath


def test_disk_that_is_another_one_for_a_while(box: CaptureBox, clock: SystemClock) -> None:
    """While another folder is in the volume's place no row is closed whose file is not there; then it goes on."""
    root = media_folder(box.data)
    away = root.with_name("away")
    with box.running(open_rtsp(clock), Room(0)):
        box.wait_for_segments("cam-1", 2)
        root.rename(away)
        (root / "lost+found").mkdir(parents=True)
        box.wait_for("it is noticed", lambda: disk_gaps(box))
        closed = [row for row in box.segments("cam-1") if not (away / row.path).exists()]
        assert not closed
        (root / "lost+found").rmdir()
        root.rmdir()
        away.rename(root)
        wait_recorded_again(box)
    # A sync between the two steps above finds no folder at all.
    assert re.search("it is another disk|No such file or directory", disk_gaps(box)[0].detail)
    for row in box.segments("cam-1"):
        assert len(decoded([box.rows.file_path(row)])) == row.frames
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))
    # What was in the making on the disk that was away is a file without a row, which the next start-up looks at.
    assert {finding.what for finding in check(box.data)} <= {"file_without_row"}


def repair_between_attempts(box: CaptureBox, disk: SmallDisk) -> None:
    """Repair the disk just after an attempt has failed: meanwhile its place is empty, and is not recorded in."""
    seen = len(box.log.named("attempt_failed"))
    box.wait_for("another attempt fails", lambda: len(box.log.named("attempt_failed")) > seen)
    disk.repair()
