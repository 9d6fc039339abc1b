"""VideoProcessor on real H.264 and H.265 segments, real databases and real pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from components.shared.catalogue.analysis import AnalysisReader, AnalysisWriter
from components.shared.catalogue.capture import SegmentRow
from components.shared.errors import Rejected
from components.shared.wire.object_keys import ObjectName, relative_path, segment_id
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.site_config import CameraMotionSection, MotionSection
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs
from components.video_processor.analysis import Analysis, Wanted

pytestmark = pytest.mark.slow

START = WallNs(1_760_000_000 * NS_PER_S)
FPS = 10
GOP = 10
WIDTH, HEIGHT = 320, 240
SECONDS = 30
WANTED = Wanted(MotionSection(), CameraMotionSection())


@pytest.fixture(params=["libx264", "libx265"])
def codec(request: pytest.FixtureRequest) -> str:
    """Both codecs that cameras send."""
    return str(request.param)


def pictures(moving: range, seed: int = 7) -> Iterator[np.ndarray]:
    """A noisy still scene of `SECONDS`; during the seconds of `moving` a bright box walks through it."""
    rng = np.random.default_rng(seed)
    scene: np.ndarray = rng.integers(60, 140, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 6)
    for number in range(SECONDS * FPS):
        picture = scene.astype(np.int16) + rng.normal(0, 2, scene.shape).astype(np.int16)
        if number // FPS in moving:
            x = 10 + (number * 7) % (WIDTH - 90)
            picture[80:160, x : x + 70] = 230
        yield np.clip(picture, 0, 255).astype(np.uint8)


def write_segment(data: Path, codec: str, moving: range, number: int = 0) -> tuple[SegmentRow, Path]:
    """A segment file as a camera would have given it, and its row."""
    start = WallNs(START + number * SECONDS * NS_PER_S)
    name = ObjectName("cam-1", "main", start, "mp4")
    path = data / "media" / "main" / relative_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as output:
        stream = output.add_stream(codec, rate=FPS, options={"preset": "ultrafast", "log-level": "none"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", GOP
        for picture in pictures(moving, seed=7):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        output.mux(stream.encode(None))
    end = WallNs(start + SECONDS * NS_PER_S)
    frames = SECONDS * FPS
    facts = SegmentFacts(
        start, end, "run-1", codec, WIDTH, HEIGHT, frames, path.stat().st_size, "0" * 64, TimeBase(1, 10_240), 0, 0, ()
    )
    segment = segment_id("cam-1", "main", start)
    row = SegmentRow(
        segment, "cam-1", "main", "run-1", "main", relative_path(name), "closed", start, end, number + 1, facts
    )
    return row, path


def test_movement_is_found_when_it_was(tmp_path: Path, codec: str) -> None:
    """A box that walks for eight seconds is one span of motion and one event around it, with a thumbnail of it."""
    row, path = write_segment(tmp_path, codec, range(12, 20))
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        changes = Analysis(catalogue).look_at(row, path, WANTED)
        motions, events = catalogue.motions(), catalogue.events()
        thumbnail = catalogue.thumbnail(row.segment)
    assert [(span.start_ns - START, span.end_ns - START) for span in motions] == [(12 * NS_PER_S, 20 * NS_PER_S)]
    assert motions[0].peak_percent > WANTED.threshold_percent
    assert [(event.start_ns - START, event.end_ns) for event in events] == [(7 * NS_PER_S, None)]
    assert [event.event for event in changes.begun] == [events[0].event]
    assert thumbnail is not None
    picture = cv2.imread(str(path.with_suffix(".jpg")))
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert int((picture > 215).all(axis=2).sum()) > 2_000, "the thumbnail shows the box, not the empty scene"


def test_quiet_footage_has_no_motion_and_a_thumbnail(tmp_path: Path, codec: str) -> None:
    """Sensor noise is not motion."""
    row, path = write_segment(tmp_path, codec, range(0))
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        Analysis(catalogue).look_at(row, path, WANTED)
        assert (catalogue.motions(), catalogue.events()) == ([], [])
        assert catalogue.thumbnail(row.segment) is not None
        analysis = catalogue.analysis(row.segment)
    assert analysis is not None
    assert (analysis.pictures, analysis.state) == (SECONDS * FPS // GOP, "done")


def test_event_over_a_cut_and_a_restart_is_one_event(tmp_path: Path) -> None:
    """Movement up to the end of one segment and on in the next is one event, also when the worker died between."""
    first, first_path = write_segment(tmp_path, "libx264", range(26, 30), number=0)
    second, second_path = write_segment(tmp_path, "libx264", range(6, 9), number=1)
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        Analysis(catalogue).look_at(first, first_path, WANTED)
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        changes = Analysis(catalogue).look_at(second, second_path, WANTED)
        events = catalogue.events()
    assert len(events) == 1
    assert (events[0].start_ns - START, (events[0].end_ns or 0) - START) == (21 * NS_PER_S, 44 * NS_PER_S)
    assert [event.event for event in changes.ended] == [events[0].event]


def test_region_decides_what_counts(tmp_path: Path) -> None:
    """Movement outside the regions, or inside what is ignored, is no motion."""
    row, path = write_segment(tmp_path, "libx264", range(12, 20))
    bottom = CameraMotionSection(regions={"door": "0,750 1000,750 1000,1000 0,1000"})
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        Analysis(catalogue).look_at(row, path, Wanted(MotionSection(), bottom))
        assert catalogue.motions() == []


def test_event_ends_when_no_more_footage_comes(tmp_path: Path) -> None:
    """An open event of a camera that went away is ended once its quiet time is over."""
    row, path = write_segment(tmp_path, "libx264", range(26, 30))
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        analysis = Analysis(catalogue)
        analysis.look_at(row, path, WANTED)
        end = WallNs(START + SECONDS * NS_PER_S)
        assert analysis.end_stale("cam-1", WallNs(end + 10 * NS_PER_S), WANTED.habits) is None
        ended = analysis.end_stale("cam-1", WallNs(end + 11 * NS_PER_S), WANTED.habits)
    assert ended is not None
    with closing(AnalysisReader.open(tmp_path)) as reader:
        assert [event.end_ns for event in reader.events()] == [end + 5 * NS_PER_S]


@pytest.mark.parametrize(("damage", "told"), [("gone", "is gone"), ("garbage", "cannot be decoded")])
def test_unreadable_segment_is_recorded_as_failed(tmp_path: Path, damage: str, told: str) -> None:
    """A file that is gone or damaged is named, recorded as failed, and not looked at for ever."""
    row, path = write_segment(tmp_path, "libx264", range(0))
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\x00\x01 no video \xff" * 500)
    with closing(AnalysisWriter.open(tmp_path)) as catalogue:
        with pytest.raises(Rejected, match=row.segment) as refusal:
            Analysis(catalogue).look_at(row, path, WANTED)
        analysis = catalogue.analysis(row.segment)
    assert told in str(refusal.value)
    assert analysis is not None
    assert analysis.state == "failed"
    assert told in analysis.error
