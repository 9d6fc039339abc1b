"""Recording with the janitor on a disk that is too small: it goes on, and the right footage goes."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.capture.libav_source import open_libav
from components.capture.workshop import RecorderLimits
from components.shared.catalogue.check import check
from components.shared.catalogue.retention import early_deletions
from components.shared.catalogue.sync import SyncWriter, UploadRow
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.units import WallNs
from local.cameras import RunningCameras
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


def upload(box: CaptureBox, *numbers: int) -> list[str]:
    """CloudSync has uploaded these segments of cam-1; their ids."""
    rows = box.segments("cam-1")
    writer = SyncWriter.open(box.data)
    for row in (rows[number] for number in numbers):
        key = (row.path, "segment", row.camera, row.segment, row.volume, row.path, row.size_bytes, "ab" * 32, ())
        writer.enqueue("capture", [UploadRow(*key, {}, 1, WallNs(1))], 0)  # type: ignore[arg-type]
        writer.mark_uploaded(row.path, "etag", WallNs(1))
    writer.close()
    return [rows[number].segment for number in numbers]


def gone(box: CaptureBox) -> int:
    return sum(row.segments for row in early_deletions(box.rows))


def test_recording_goes_on_and_what_is_uploaded_goes_first(box: CaptureBox, clock: SystemClock) -> None:
    """No gap for the disk's sake: the uploaded segments go, oldest first, then the oldest of the others, as lost."""
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 6)
        first = [row.segment for row in box.segments("cam-1")][:6]
        uploaded = upload(box, 1, 3)
        fill(box.data, FULL_MARK_BYTES - 1)
        box.wait_for("four segments gone", lambda: gone(box) >= 4, within_s=60)
        box.wait_for_segments("cam-1", 2)
        stream = box.stream("cam-1")
        assert stream is not None and stream.state == "recording"
    early = early_deletions(box.rows)
    assert [row.is_lost for row in early][:2] == [False, False]
    assert early[0].start_ns < early[1].start_ns
    kept = {row.segment for row in box.segments("cam-1")}
    assert not kept & set(uploaded) and first[0] not in kept
    assert {gap.cause for gap in box.gaps("cam-1")} == {"starting", "policy"}
    assert box.coverage("cam-1").is_whole
    assert {finding.what for finding in check(box.data)} <= {"upload"}


def test_a_disk_that_others_fill_to_the_brim(box: CaptureBox, clock: SystemClock) -> None:
    """Where not a byte is left, not for the catalogue either, room is made and recording resumes within 30 s."""
    with box.running(open_libav(clock), limits=LIMITS):
        box.wait_for_segments("cam-1", 8)
        upload(box, *range(8))
        fill(box.data, 0)
        box.wait_for("something deleted", lambda: gone(box) > 0, within_s=30)
        (box.data / "something-else").unlink()
        count = len(box.segments("cam-1"))
        box.wait_for_segments("cam-1", count + 2, within_s=30)
    assert box.coverage("cam-1").is_whole
    assert [record.level for record in box.log.named("ballast_thrown")] == ["WARNING"]
