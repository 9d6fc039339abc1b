"""Cameras with bad habits: all of them recorded at once, each looked at by its row in `habits`."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from components.capture.packet_source import OpenSource
from components.shared.catalogue.check import check
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from local.cameras import RunningCameras, start_cameras
from tests.fakes.capture_box import CaptureBox
from tests.fakes.recorded_frames import Identity, audio_packets, decoded, sent_between, stamped
from tests.integration.capture.conftest import PASSWORD
from tests.integration.capture.pathologies.conftest import PATIENT, READY_S
from tests.integration.capture.pathologies.habits import HABITS, Habit

pytestmark = pytest.mark.slow

EACH = pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.id)
LATE_NS = 1_500 * NS_PER_MS
"""How far a picture's wall time may be from its sending, and the length of a picture: it was taken before, by some
pictures where there are B-frames, and is given out when the next one begins, late when the machine is busy."""

FILES_MAX = 8
"""Segments of a camera that are looked into, and of those that are decoded: more only show the same pictures again."""

DECODED_MAX = 4

LEADING_MAX = 2
"""Pictures between the last one of before and the keyframe, in the order in which they are shown."""


@pytest.fixture(scope="module")
def cameras(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCameras]:
    with start_cameras(
        [habit.spec for habit in HABITS], cache, tmp_path_factory.mktemp("cameras"), ready_s_max=READY_S
    ) as running:
        yield running


@pytest.fixture(scope="module")
def recorded(
    cameras: RunningCameras, open_source: OpenSource, clock: SystemClock, tmp_path_factory: pytest.TempPathFactory
) -> CaptureBox:
    """All cameras, recorded together."""
    box = CaptureBox(tmp_path_factory.mktemp("box") / "data", clock)
    box.set_secret("cameras", f"viewer:{PASSWORD}")
    for habit in HABITS:
        box.set_camera(habit.id, cameras.url(habit.id), "cameras", transport=habit.transport)
    with box.running(open_source, limits=PATIENT):
        for habit in HABITS:
            box.wait_for_segments(habit.id, habit.segments, within_s=180.0)
    return box


def files_of(box: CaptureBox, habit: Habit) -> list[Path]:
    """The files that are looked into."""
    return box.files(habit.id)[:FILES_MAX]


@functools.cache
def frames_of(path: Path) -> tuple[Identity, ...]:
    """The frames in a file, which does not change any more."""
    return tuple(stamped([path]))


@EACH
def test_every_frame_is_in_one_segment(recorded: CaptureBox, cameras: RunningCameras, habit: Habit) -> None:
    """Between the first and the last recorded frame none that was sent is missing and none is there twice."""
    frames = [frame for path in files_of(recorded, habit) for frame in frames_of(path)]
    assert len(recorded.segments(habit.id)) >= max(1, habit.segments)
    assert frames == sent_between(cameras.sent_frames(habit.id), frames[0], frames[-1])
    (run,) = recorded.runs(habit.id)
    in_rows = sum(row.frames for row in recorded.segments(habit.id))
    assert in_rows >= len(frames)
    if not recorded.log.named("worker_left_behind"):  # by a busy machine, with the run's last count unwritten
        assert run.frames_received == run.frames_recorded == in_rows
    assert {gap.cause for gap in recorded.gaps(habit.id)} <= {"starting"}
    assert recorded.coverage(habit.id).is_whole


@EACH
def test_segments_decode_by_themselves(recorded: CaptureBox, habit: Habit) -> None:
    """Every segment, decoded alone, shows all its frames, or all but those that belong to the keyframe before."""
    last = recorded.files(habit.id)[-1]
    for path in files_of(recorded, habit)[:DECODED_MAX]:
        numbers = sorted(frame for _lap, frame in frames_of(path))
        shown = decoded([path])
        if habit.leading_lost:
            # A decoder may leave the leading pictures out, or show what it makes of them.
            assert len(numbers) - LEADING_MAX <= len(shown) <= len(numbers)
            assert set(shown[LEADING_MAX + 1 : -LEADING_MAX]) <= set(numbers)
        elif habit.spec.bframes and path == last:
            # Recording ended between a picture and those that are shown before it: the numbers are of another order.
            assert len(shown) == len(numbers)
        else:
            assert sorted(number for number in shown if number is not None) == numbers


@EACH
def test_pictures_are_shown_in_order(recorded: CaptureBox, habit: Habit) -> None:
    """Decode times grow by one picture after the other, none is shown before it is decoded, no two at once."""
    for path in files_of(recorded, habit):
        with av.open(str(path)) as container:
            times = [(packet.dts, packet.pts) for packet in container.demux(video=0) if packet.size]
        assert all(dts is not None and pts is not None and dts <= pts for dts, pts in times)
        assert len({pts for _dts, pts in times}) == len(times)
        assert all(one[0] < other[0] for one, other in itertools.pairwise(times))  # type: ignore[operator]


@EACH
def test_times_are_those_of_sending(recorded: CaptureBox, cameras: RunningCameras, habit: Habit) -> None:
    """Segments touch, and each begins when its first picture was taken."""
    rows = recorded.segments(habit.id)
    assert all(row.end_ns == following.start_ns for row, following in itertools.pairwise(rows))
    if not habit.has_true_times:
        return
    sent = {(line["lap"], line["frame"]): line["wall_ns"] for line in cameras.sent_frames(habit.id)}
    late_ns = LATE_NS + NS_PER_S // habit.spec.fps
    for row, path in zip(rows, files_of(recorded, habit), strict=False):
        first = frames_of(path)[0]
        assert abs(row.start_ns - sent[first]) < late_ns


@EACH
def test_sound_is_as_long_as_the_pictures(recorded: CaptureBox, habit: Habit) -> None:
    """Sound runs on over all cuts; where there is none, no file has a track for it."""
    files = recorded.files(habit.id)
    with av.open(str(files[0])) as container:
        streams = container.streams.audio
        assert [stream.codec_context.name for stream in streams] == ([habit.sound] if habit.sound else [])
        rate = streams[0].codec_context.sample_rate if habit.sound else 1
    if not habit.sound:
        return
    packets = audio_packets(files)
    steps = [following[0] - packet[0] for packet, following in itertools.pairwise(packets)]
    if habit.transport == "tcp":  # over UDP sound and pictures have ports of their own, that are read at other times
        odd = [(at, step) for at, step in enumerate(steps) if abs(step - 1024) > 2]
        assert not odd, (odd, len(steps))
    video_s = sum(row.end_ns - row.start_ns for row in recorded.segments(habit.id) if row.end_ns) / NS_PER_S
    assert len(packets) * 1024 / rate == pytest.approx(video_s, abs=0.5 if habit.transport == "tcp" else 3.0)


@EACH
def test_what_is_told(recorded: CaptureBox, habit: Habit) -> None:
    """The log warns of what was repaired or left out, and of nothing else."""
    warned = {
        record.event
        for record in recorded.log.records
        if record.fields.get("camera") == habit.id and record.level in ("WARNING", "ERROR")
    }
    warned -= {"worker_left_behind"}  # a busy machine does not end so many at once
    assert habit.told <= warned <= habit.told | habit.may_tell


@pytest.mark.parametrize("habit", [habit for habit in HABITS if habit.keyframe_bytes_min], ids=lambda habit: habit.id)
def test_keyframes_are_as_large_as_said(recorded: CaptureBox, habit: Habit) -> None:
    """The row is what it says."""
    with av.open(str(recorded.files(habit.id)[0])) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.is_keyframe and packet.size]
    assert min(sizes) >= habit.keyframe_bytes_min


def test_catalogue_and_files_agree(recorded: CaptureBox) -> None:
    """The catalogue's own check finds nothing, hashes included."""
    assert check(recorded.data) == []
