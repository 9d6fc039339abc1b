"""Cameras that fail in every way a camera can: told in words, with a gap, and recorded again by themselves."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from components.capture.core.frozen import WatchLimits
from components.capture.libav_source import open_libav
from components.capture.workshop import RecorderLimits
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.messages import StreamChanged
from components.shared.wire.units import NS_PER_MS
from local.cameras import RunningCameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import decoded, sent_between, stamped

pytestmark = pytest.mark.slow

QUICK = RecorderLimits(
    watch=WatchLimits(frozen_ns=1_000 * NS_PER_MS, look_ns=250 * NS_PER_MS, keyframe_ns=1_500 * NS_PER_MS),
    backoff=Backoff(schedule_s=(0.3, 0.5)),
)
"""The product's rules with shorter times."""

CAMERA = "cam-2"


@pytest.fixture
def camera(cameras: RunningCameras, box: CaptureBox) -> Iterator[str]:
    """A good camera in the box's configuration, good again at the end."""
    box.set_camera(CAMERA, cameras.url(CAMERA), "cameras")
    yield CAMERA
    cameras.control.set_fault(CAMERA, "none")


def fault_of(box: CaptureBox, camera: str) -> str:
    """The text of the newest gap with a detail, and of the log: what a person reads."""
    return [gap.detail for gap in box.gaps(camera) if gap.detail][-1]


def assert_whole(box: CaptureBox, camera: str) -> None:
    """Every moment of the record is in one segment or one gap, and all rows and files agree."""
    found = box.coverage(camera)
    assert found.is_whole, (found, box.segments(camera), box.gaps(camera))
    assert check(box.data) == []


def test_wrong_password(box: CaptureBox, cameras: RunningCameras, camera: str, clock: SystemClock) -> None:
    """A wrong password is told as one, is in nothing that is written, and the right one is tried at once."""
    wrong = "viewer:not-the-p4ssword"
    box.set_secret("cameras", wrong)
    with box.running(open_libav(clock)):  # with the product's pauses: a minute after a refusal
        box.wait_for_state(camera, "connecting", "authentication")
        assert "cam-2: 127.0.0.1" in fault_of(box, camera)
        assert "refuses the user or password" in fault_of(box, camera)
        assert "./nvr secret set cameras" in fault_of(box, camera)
        box.set_secret("cameras", f"viewer:{cameras.specs[camera].password}")
        box.wait_for_state(camera, "recording")
        box.wait_for_segments(camera, 1)
    assert {gap.cause for gap in box.gaps(camera)} <= {"starting", "authentication"}
    assert_whole(box, camera)
    for path in box.data.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            assert b"not-the-p4ssword" not in path.read_bytes(), path
    assert "not-the-p4ssword" not in box.log.text()


def test_no_secret(box: CaptureBox, cameras: RunningCameras, clock: SystemClock) -> None:
    """A secret that is not there says how to make it."""
    box.set_camera(CAMERA, cameras.url(CAMERA), "other")
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_state(CAMERA, "connecting", "authentication")
    assert "./nvr secret set other" in fault_of(box, CAMERA)


def test_unreachable(box: CaptureBox, clock: SystemClock) -> None:
    """A camera that is not there is told with its place, and becomes offline after ten attempts."""
    box.set_camera("cam-9", "rtsp://127.0.0.1:1/x")
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_state("cam-9", "connecting", "unreachable")
        assert "127.0.0.1:1 refuses the connection" in fault_of(box, "cam-9")
        box.wait_for_state("cam-9", "offline", "unreachable")
        row = box.stream("cam-9")
        assert row is not None
        assert row.failures >= 10
    assert box.coverage("cam-9").is_whole
    assert not box.segments("cam-9")


def test_no_keyframe(box: CaptureBox, cameras: RunningCameras, camera: str, clock: SystemClock) -> None:
    """A camera that sends no keyframe records nothing, says why, and is recorded when one comes."""
    cameras.control.set_fault(camera, "no_keyframe")
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_state(camera, "connecting", "no_keyframe")
        assert "no keyframe" in fault_of(box, camera)
        cameras.control.set_fault(camera, "none")
        box.wait_for_segments(camera, 1)
    assert_whole(box, camera)


@pytest.mark.parametrize("camera_id", ["cam-1", "cam-2"])
def test_garbage(box: CaptureBox, cameras: RunningCameras, clock: SystemClock, camera_id: str) -> None:
    """Random bytes in good network packets are never recorded as footage for long; the stream comes back."""
    box.set_camera(camera_id, cameras.url(camera_id), "cameras")
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_segments(camera_id, 1)
        cameras.control.set_fault(camera_id, "garbage")
        box.wait_for(
            "the garbage is told",
            lambda: {gap.cause for gap in box.gaps(camera_id)} & {"undecodable", "no_keyframe", "frozen"},
        )
        cameras.control.set_fault(camera_id, "none")
        box.wait_for_state(camera_id, "recording")
        segments = len(box.segments(camera_id))
        box.wait_for_segments(camera_id, segments + 1)
    cameras.control.set_fault(camera_id, "none")
    assert_whole(box, camera_id)


def test_garbage_from_the_start(box: CaptureBox, cameras: RunningCameras, clock: SystemClock) -> None:
    """A stream that was never anything but noise is told to be none: no segment comes of it."""
    box.set_camera("cam-1", cameras.url("cam-1"), "cameras")
    cameras.control.set_fault("cam-1", "garbage")
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_state("cam-1", "connecting", "undecodable")
        assert "cannot be decoded" in fault_of(box, "cam-1")
    cameras.control.set_fault("cam-1", "none")
    assert not box.segments("cam-1")
    assert box.coverage("cam-1").is_whole


def test_frozen(box: CaptureBox, cameras: RunningCameras, camera: str, clock: SystemClock) -> None:
    """A stream through which nothing comes is called frozen, with a gap from its last picture, and begun anew."""
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_segments(camera, 1)
        cameras.control.set_fault(camera, "stall")
        box.wait_for_state(camera, "frozen", "frozen")
        assert "no new picture" in fault_of(box, camera)
        (frozen,) = [gap for gap in box.gaps(camera) if gap.cause == "frozen"]
        assert frozen.start_ns == box.segments(camera)[-1].end_ns
        cameras.control.set_fault(camera, "none")
        box.wait_for_state(camera, "recording")
    states = [body.state for body in changes(box) if body.camera == camera]
    assert states.index("frozen") > states.index("recording")
    assert_whole(box, camera)


def changes(box: CaptureBox) -> list[StreamChanged]:
    """The messages that told of a stream's state."""
    return [message.body for message in box.broker.published if isinstance(message.body, StreamChanged)]


@pytest.mark.parametrize("fault", ["reset", "teardown"])
def test_lost_connection(box: CaptureBox, cameras: RunningCameras, camera: str, clock: SystemClock, fault: str) -> None:
    """A camera that hangs up is recorded again after a pause; what came before is kept to the last picture."""
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_segments(camera, 1)
        session = cameras.control.statistics(camera)["sessions"][0]["session"]
        cameras.control.set_fault(camera, fault)
        box.wait_for("a second run", lambda: len(box.runs(camera)) > 1)
        box.wait_for_state(camera, "recording")
    first, *_ = box.runs(camera)
    frames = stamped(box.rows.file_path(row) for row in box.segments(camera) if row.run == first.run)
    sent = cameras.sent_frames(camera, session)
    assert frames == sent_between(sent, frames[0], frames[-1])
    assert first.frames_received == first.frames_recorded == len(frames)
    assert first.end_cause == "unreachable"
    assert_whole(box, camera)


@pytest.mark.parametrize("camera_id", ["cam-1", "cam-2"])
def test_another_picture_size(box: CaptureBox, cameras: RunningCameras, clock: SystemClock, camera_id: str) -> None:
    """A picture size that changes mid-stream is recorded in full, cut at the change, without a gap."""
    box.set_camera(camera_id, cameras.url(camera_id), "cameras")
    box.write_site(segment_s=60)
    with box.running(open_libav(clock), limits=QUICK):
        box.wait_for_state(camera_id, "recording")
        cameras.control.set_fault(camera_id, "resolution")
        box.wait_for("a run of another size", lambda: len(box.runs(camera_id)) == 2)
        cameras.control.set_fault(camera_id, "none")
        box.wait_for("and back", lambda: len(box.runs(camera_id)) == 3)
    runs = box.runs(camera_id)
    assert (runs[0].width, runs[0].height) == (runs[2].width, runs[2].height) == (320, 240)
    assert (runs[1].width, runs[1].height) != (320, 240)
    rows = box.segments(camera_id)
    assert [row.run for row in rows] == [run.run for run in runs]
    for row, run in zip(rows, runs, strict=True):
        assert row.facts is not None
        assert (row.facts.width, row.facts.height) == (run.width, run.height)
        with av.open(str(box.rows.file_path(row))) as container:
            shown = container.streams.video[0].codec_context
            assert (shown.width, shown.height) == (run.width, run.height)
    assert all(row.end_ns == following.start_ns for row, following in itertools.pairwise(rows))
    files = box.files(camera_id)
    frames = stamped(files)
    assert frames == sent_between(cameras.sent_frames(camera_id), frames[0], frames[-1])
    assert len(decoded(files)) == len(frames)
    assert sum(run.frames_received for run in runs) == sum(run.frames_recorded for run in runs) == len(frames)
    assert_whole(box, camera_id)


def test_one_bad_camera_disturbs_no_other(
    box: CaptureBox, cameras: RunningCameras, clock: SystemClock, tmp_path: Path
) -> None:
    """While cameras are wrong in several ways, the others lose nothing."""
    good = "cam-3"
    box.set_camera(good, cameras.url(good), "cameras")
    box.set_camera("cam-1", cameras.url("cam-1"), "cameras")
    box.set_camera("cam-2", cameras.url("cam-2"), "cameras")
    box.set_camera("cam-8", cameras.url("cam-1").replace("/cam-1", "/nope"), "cameras")
    box.set_camera("cam-9", "rtsp://127.0.0.1:1/x")
    cameras.control.set_fault("cam-1", "garbage")
    cameras.control.set_fault("cam-2", "silent")
    try:
        with box.running(open_libav(clock, open_s_max=1.0), limits=QUICK):
            box.wait_for_segments(good, 5)
    finally:
        cameras.control.set_fault("cam-1", "none")
        cameras.control.set_fault("cam-2", "none")
    (run,) = box.runs(good)
    frames = stamped(box.files(good))
    assert frames == sent_between(cameras.sent_frames(good), frames[0], frames[-1])
    assert run.frames_received == run.frames_recorded
    assert_whole(box, good)
    for camera in ("cam-1", "cam-2", "cam-8", "cam-9"):
        assert box.coverage(camera).is_whole
