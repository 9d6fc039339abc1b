"""Recording with the janitor on a disk that is too small: it goes on, and the right footage goes."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from components.capture.ballast import BALLAST_BYTES
from components.capture.core.room import Room
from components.capture.libav_source import open_libav
from components.capture.workshop import RecorderLimits
from components.shared.catalogue.capture import SegmentRow
from components.shared.catalogue.retention import early_deletions
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.units import NS_PER_S, WallNs
from local.cameras import RunningCameras
from tests.fakes.archive import Archive
from tests.fakes.capture_box import CaptureBox

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(180)]

LIMITS = RecorderLimits(backoff=Backoff(schedule_s=(0.3, 0.5)))
DISK_BYTES = 150_000_000
FULL_MARK_BYTES = 96 * 1024 * 1024


@pytest.fixture
def box(tmp_path: Path, clock: SystemClock, cameras: RunningCameras) -> Iterator[CaptureBox]:
    """A data root, catalogues and all, on a file system of 150 MB."""
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(data)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.fail(f"no file system of its own for this test: {mounted.stderr.decode()}")
    try:
        box = CaptureBox(data, clock)
        box.set_camera("cam-1", cameras.url("cam-1"))
        yield box
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def fill(data: Path, leave_bytes: int) -> Path:
    """A file of something else that leaves so much of the file system."""
    path = data / "something-else"
    free = os.statvfs(data)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - leave_bytes))
    return path


def upload(data: Path, rows: Sequence[SegmentRow]) -> None:
    """CloudSync has uploaded these."""
    writer = SyncWriter.open(data)
    for row in rows:
        key = (row.path, "segment", row.camera, row.segment, row.volume, row.path, row.size_bytes, "ab" * 32, ())
        writer.enqueue("capture", [UploadRow(*key, {}, 1, WallNs(1))], 0)  # type: ignore[arg-type]
        writer.mark_uploaded(row.path, "etag", WallNs(1))
    writer.close()


def gone(box: CaptureBox) -> int:
    return sum(row.segments for row in early_deletions(box.rows))


def record_before(box: CaptureBox, clock: SystemClock) -> list[SegmentRow]:
    """Twenty segments of another camera, of an hour ago: 2.6 MB."""
    archive = Archive(box.data)
    began_ns = clock.wall_ns() - 3_600 * NS_PER_S
    rows = [archive.record(WallNs(began_ns + number * 5 * NS_PER_S), camera="cam-9") for number in range(20)]
    archive.close()
    return rows


def test_recording_goes_on_and_what_is_uploaded_goes_first(box: CaptureBox, clock: SystemClock) -> None:
    """No gap for the disk's sake: the uploaded segments go, oldest first, then the oldest of the others, as lost."""
    rows = record_before(box, clock)
    upload(box.data, (rows[1], rows[3]))
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 1)
        fill(box.data, FULL_MARK_BYTES - 1)
        box.wait_for("four segments gone", lambda: gone(box) >= 4, within_s=90)
        box.wait_for_segments("cam-1", len(box.segments("cam-1")) + 2)
    early = early_deletions(box.rows)
    assert [(row.start_ns, row.is_lost) for row in early[:3]] == [
        (rows[1].start_ns, False),
        (rows[3].start_ns, False),
        (rows[0].start_ns, True),
    ]
    assert {gap.cause for gap in box.gaps("cam-1")} == {"starting"}
    assert box.coverage("cam-1").is_whole


def test_a_disk_that_others_fill_to_the_brim(box: CaptureBox, clock: SystemClock) -> None:
    """Where not a byte is left, not for the catalogue either, room is made, and recording resumes by itself."""
    upload(box.data, record_before(box, clock))
    with box.running(open_libav(clock), Room(6_000_000), LIMITS):
        box.wait_for_segments("cam-1", 2)
        fill(box.data, BALLAST_BYTES + 4_000_000).rename(box.data / "large")  # what takes long, before room is needed
        fill(box.data, 0)
        box.wait_for("something deleted", lambda: gone(box) > 0, within_s=30)
        count = len(box.segments("cam-1"))
        box.wait_for_segments("cam-1", count + 2, within_s=30)
    assert box.log.named("ballast_thrown")
    assert early_deletions(box.rows, only_lost=True) == []
    assert box.coverage("cam-1").is_whole
