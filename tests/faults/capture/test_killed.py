"""A recorder killed at any moment: at most a second is lost, and the next start needs no hand."""

import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from components.shared.catalogue.check import check
from components.shared.errors import Transient
from components.shared.runtime.clock import SystemClock
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import decoded, sent_between, stamped
from tests.faults.capture import capture_process

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CAMERAS = ("cam-1", "cam-2")
KILLS = 10
SEED = 20_251_121
LOST_S_MAX = 1.0
"""A fragment (0.4 s), and what is between camera and file: libav's last pictures, the queue, audio's lead."""


LOOK_S = 0.05


@dataclass(frozen=True)
class Killed:
    """A box and when its worker was killed; `late_s` is how late this process was woken meanwhile: a busy machine."""

    box: CaptureBox
    at_s: list[float]
    late_s: list[float]


@contextmanager
def worker(data: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process; killed at the end if it still runs."""
    command = [sys.executable, capture_process.__file__, "--data", str(data)]
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture(scope="module")
def killed(cameras: RunningCameras, tmp_path_factory: pytest.TempPathFactory, clock: SystemClock) -> Killed:
    """A box whose worker was killed several times at random moments, and stopped at last."""
    folder = tmp_path_factory.mktemp("killed")
    box = CaptureBox(folder / "data", clock, segment_s=2)
    for camera in CAMERAS:
        box.set_camera(camera, cameras.url(camera))
    moments = random.Random(SEED)
    kills, late_s = [], []
    for _kill in range(KILLS):
        with worker(box.data, folder / "log") as process:
            wait_until_recording(box)
            late_s.append(0.0)
            end_s = time.monotonic() + moments.uniform(0.0, 4.0)  # a moment like any other
            while (began_s := time.monotonic()) < end_s:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)
                late_s[-1] = max(late_s[-1], time.monotonic() - began_s - LOOK_S)
            kills.append(time.time())
            process.send_signal(signal.SIGKILL)
            process.wait()
    with worker(box.data, folder / "log") as process:
        wait_until_recording(box)
        box.wait_for_segments("cam-2", len(box.segments("cam-2")) + 1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5.0) == 0
        assert time.monotonic() - began < 2.0
    return Killed(box, kills, late_s)


def wait_until_recording(box: CaptureBox) -> None:
    """Wait until both cameras have a run more than now, and an open segment."""
    before = run_counts(box)

    def is_recording() -> bool:
        now = run_counts(box)
        return min(now[camera] - before[camera] for camera in CAMERAS) > 0 and len(box.rows.open_segments()) == 2

    box.wait_for("both cameras are recorded", is_recording)


def run_counts(box: CaptureBox) -> dict[str, int]:
    """How many runs each camera has; none before the worker has made its catalogue."""
    try:
        return {camera: len(box.runs(camera)) for camera in CAMERAS}
    except Transient:
        return dict.fromkeys(CAMERAS, 0)


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_file_plays(killed: Killed, camera: str) -> None:
    """Every segment opens and decodes to all the frames that its row says, those of killed recorders included."""
    box = killed.box
    rows = box.segments(camera)
    assert any(row.adopted for row in rows)
    for row in rows:
        path = box.rows.file_path(row)
        assert len(decoded([path])) == row.frames
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.width == 320


@pytest.mark.parametrize("camera", CAMERAS)
def test_at_most_a_second_is_lost(killed: Killed, cameras: RunningCameras, camera: str) -> None:
    """Of each run, what is recorded has no hole, and ends at most a second before the kill, by what the camera sent."""
    box, kills = killed.box, killed.at_s
    sessions = {line["session"] for line in cameras.sent_frames(camera)}
    assert len(sessions) >= KILLS
    sent = cameras.sent_frames(camera)
    walls = {(line["lap"], line["frame"]): line["wall_ns"] / 1e9 for line in sent}
    ends = []
    for run in box.runs(camera):
        files = [box.rows.file_path(row) for row in box.segments(camera) if row.run == run.run]
        frames = stamped(files)
        assert run.frames_recorded == len(frames)
        if frames:
            assert frames == sent_between(sent, frames[0], frames[-1])
        ends.append(walls[frames[-1]] if frames else run.started_ns / 1e9)  # killed before its first fragment
    losses = [kill - max(end for end in ends if end <= kill) for kill in kills]
    told = list(zip(losses, killed.late_s, strict=True))
    assert all(lost_s <= LOST_S_MAX + late_s for lost_s, late_s in told), told


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_record_is_whole(killed: Killed, camera: str) -> None:
    """Every moment is in one segment or one gap, and the time without a worker is told as such."""
    box = killed.box
    assert box.coverage(camera).is_whole, box.coverage(camera)
    causes = [gap.cause for gap in box.gaps(camera)]
    assert causes.count("component_down") == KILLS
    assert set(causes) <= {"component_down", "starting"}
    assert all(run.ended_ns is not None for run in box.runs(camera))
    rows = box.segments(camera)
    assert all(row.end_ns <= later.start_ns for row, later in itertools.pairwise(rows) if row.end_ns)


def test_catalogue_check_is_clean(killed: Killed) -> None:
    """Rows and files agree, hashes included."""
    box = killed.box
    assert check(box.data) == []
    assert not box.rows.open_segments()
    assert not list(box.data.rglob("quarantine/*"))
