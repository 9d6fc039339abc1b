"""Disks that are full, and files that were damaged while nobody looked."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.app import media_folder
from components.capture.core.room import Room
from components.capture.libav_source import open_libav
from components.capture.workshop import RecorderLimits
from components.shared.catalogue.capture import CaptureWriter, RunRow, Volume, open_row
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.units import TimeBase
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import decoded, stamped
from tests.fakes.small_disk import fill, small_tmpfs

pytestmark = pytest.mark.slow

LIMITS = RecorderLimits(backoff=Backoff(schedule_s=(0.3, 0.5)))
DISK_BYTES = 6_000_000
RESERVE_BYTES = 1_000_000


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock, cameras: RunningCameras) -> CaptureBox:
    box = CaptureBox(tmp_path / "data", clock)
    box.set_camera("cam-1", cameras.url("cam-1"))
    return box


@pytest.fixture
def small_disk(box: CaptureBox) -> Iterator[Path]:
    """The box's footage on a file system of its own, of a few megabytes."""
    with small_tmpfs(media_folder(box.data), DISK_BYTES) as root:
        yield root


def assert_good(box: CaptureBox) -> None:
    """All files play as their rows say, every moment is accounted for, and the catalogue's check is clean."""
    for row in box.segments("cam-1"):
        assert len(decoded([box.rows.file_path(row)])) == row.frames
    assert box.coverage("cam-1").is_whole, (box.coverage("cam-1"), box.gaps("cam-1"))
    assert check(box.data) == []


@pytest.mark.root
def test_a_disk_that_fills_up(box: CaptureBox, small_disk: Path, clock: SystemClock) -> None:
    """Recording stops with a gap while there is still a reserve, and goes on by itself when there is room."""
    with box.running(open_libav(clock), Room(RESERVE_BYTES), LIMITS):
        box.wait_for_segments("cam-1", 2)
        other = fill(small_disk, RESERVE_BYTES // 2)
        box.wait_for_state("cam-1", "connecting", "disk")
        assert not box.rows.open_segments()
        (gap,) = [found for found in box.gaps("cam-1") if found.cause == "disk"]
        assert "the disk is full" in gap.detail
        assert gap.start_ns == box.segments("cam-1")[-1].end_ns
        (told,) = box.log.named("disk_full")
        assert told.level == "ERROR"
        other.unlink()
        box.wait_for_state("cam-1", "recording")
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1)
    assert [gap.cause for gap in box.gaps("cam-1")] == ["starting", "disk"]
    assert all(run.frames_received == run.frames_recorded for run in box.runs("cam-1"))
    assert_good(box)


@pytest.mark.root
def test_a_disk_that_is_suddenly_full(box: CaptureBox, small_disk: Path, clock: SystemClock) -> None:
    """Where something else takes the reserve too, what was written is kept to its last fragment, and told."""
    with box.running(open_libav(clock), Room(0), LIMITS):  # no reserve: writes do fail
        box.wait_for_segments("cam-1", 2)
        box.wait_for("an open segment with something in it", lambda: has_grown(box))
        other = fill(small_disk, 0)
        box.wait_for_state("cam-1", "connecting", "disk")
        assert "No space left" in next(gap.detail for gap in box.gaps("cam-1") if gap.cause == "disk")
        other.unlink()
        box.wait_for_state("cam-1", "recording")
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1)
    first = box.runs("cam-1")[0]
    assert first.end_cause == "disk"
    assert 0 < first.frames_recorded <= first.frames_received
    assert_good(box)


def has_grown(box: CaptureBox) -> bool:
    return any(box.rows.file_path(row).stat().st_size > 4_000 for row in box.rows.open_segments())


def test_a_disk_that_is_full_at_the_start(box: CaptureBox, clock: SystemClock) -> None:
    """A start on a full disk is no crash: nothing is recorded, with the reason, and the camera is not even asked."""
    free = os.statvfs(box.data)
    too_much = free.f_bavail * free.f_frsize * 2
    with box.running(open_libav(clock), Room(too_much), LIMITS):
        box.wait_for_state("cam-1", "connecting", "disk")
    assert not box.segments("cam-1")
    assert box.coverage("cam-1").is_whole


def test_a_truncated_segment(box: CaptureBox, clock: SystemClock) -> None:
    """A closed file that lost its end is found by the check, named; recording goes on beside it."""
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 2)
    path = box.files("cam-1")[0]
    os.truncate(path, path.stat().st_size // 2)
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 1)
    findings = check(box.data)
    assert findings
    assert all(path.stem in f"{finding.where} {finding.detail}" for finding in findings)


def test_a_truncated_open_segment(box: CaptureBox, clock: SystemClock) -> None:
    """An open row with the first half of a file, as a power cut leaves it, becomes a closed segment that plays."""
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 2)
    whole = box.files("cam-1")[0]
    frames = stamped([whole])
    start_ns = box.rows.record_end_ns("cam-1", "main")
    assert start_ns is not None
    writer = CaptureWriter.open(box.data)
    writer.register_volume(Volume("main", media_folder(box.data)))
    writer.begin_run(RunRow("run-x", "cam-1", "main", start_ns, None, "h264", 320, 240, TimeBase(1, 90_000)))
    row = open_row("cam-1", "main", start_ns, "run-x", "main")
    writer.open_segment(row)
    writer.close()
    path = box.rows.file_path(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(whole, path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_state("cam-1", "recording")
    (adopted,) = [found for found in box.segments("cam-1") if found.segment == row.segment]
    assert adopted.adopted
    assert stamped([path]) == frames[: adopted.frames]
    assert 0 < adopted.frames < len(frames)
    (repaired,) = box.log.named("repaired")
    assert repaired.fields["what"] == "adopted"
    assert_good(box)


def test_rows_without_files_and_files_without_rows(box: CaptureBox, clock: SystemClock) -> None:
    """A file without a row is adopted at the start; a row without a file is found by the check."""
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 3)
    lost = box.files("cam-1")[1]
    lost.unlink()
    (finding,) = check(box.data)
    assert lost.stem in f"{finding.where} {finding.detail}"
    for path in (box.data / "catalogue").iterdir():
        path.unlink()
    files = len(box.files_on_disk("cam-1"))
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for("files are adopted", lambda: len(box.segments("cam-1")) >= files)
    assert [row.adopted for row in box.segments("cam-1")][:files] == [True] * files
    assert check(box.data) == []
