"""An export holds exactly the frames of the span, from the keyframe before it on, and tells what it leaves out."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.unit.cli.conftest import Nvr, Told
from tests.unit.cli.footage import FPS, Footage, is_rising, numbers, spelt, times


class Exporter:
    """Exports spans of the run, given in seconds, into `tmp_path / "out.mp4"`."""

    def __init__(self, nvr: Nvr, folder: Path) -> None:
        self._nvr = nvr
        self._folder = folder
        self.output = folder / "out.mp4"

    def __call__(self, begin_s: float, end_s: float, *options: str, camera: str = "cam-1") -> Told:
        span = ("--from", spelt(begin_s), "--to", spelt(end_s))
        return self._nvr("export", "--camera", camera, *span, self.output, "--data", self._folder / "data", *options)

    def left(self) -> list[str]:
        """What lies beside the data root."""
        return sorted(path.name for path in self._folder.iterdir() if path.name != "data")


@pytest.fixture
def export(nvr: Nvr, tmp_path: Path) -> Exporter:
    """Exports spans of the run."""
    return Exporter(nvr, tmp_path)


@pytest.mark.parametrize(
    ("begin_s", "end_s", "first", "end"),
    [
        (0.0, 3.0, 0, 30),  # the whole segment
        (1.0, 2.0, 10, 20),  # from a keyframe to a keyframe: neither one more nor one less
        (1.5, 2.5, 10, 25),  # from the keyframe before
        (0.99999, 2.0, 0, 20),  # ten microseconds before a keyframe
        (1.0, 2.00001, 10, 21),  # ten microseconds after a frame
        (1.0, 1.00001, 10, 11),  # one frame
        (2.95, 2.96, 20, 30),  # within the last frame
        (-5.0, 1.0, 0, 10),  # from before the footage
    ],
)
def test_frames_are_those_of_the_span(
    footage: Footage, export: Exporter, begin_s: float, end_s: float, first: int, end: int
) -> None:
    """The decoded frames are those from the last keyframe at or before the begin up to, not with, the end."""
    footage.record(0, 30)
    told = export(begin_s, end_s, "--json")
    assert told.code == 0, told.error
    assert told.json["frames"] == end - first
    assert numbers(export.output) == list(range(first, end))
    assert times(export.output) == [Fraction(number, FPS) for number in range(end - first)]
    assert export.left() == ["out.mp4"]


def test_segments_follow_without_a_seam(footage: Footage, export: Exporter) -> None:
    """Across a cut every frame is there once, a tenth of a second after the one before."""
    for first in (0, 30, 60):
        footage.record(first, 30)
    told = export(1.5, 7.5, "--json")
    assert told.code == 0, told.error
    assert numbers(export.output) == list(range(10, 75))
    shown = times(export.output)
    assert {round(float(after - before), 3) for before, after in itertools.pairwise(shown)} == {0.1}
    assert told.json["gaps"] == []


def test_gap_is_left_out_and_told(footage: Footage, export: Exporter) -> None:
    """Where nothing was recorded the next frame follows at once, and the span is told, at either end too."""
    footage.record(0, 20)
    footage.record(50, 20)
    told = export(-2.0, 9.0)
    assert told.code == 0, told.error
    assert numbers(export.output) == [*range(20), *range(50, 70)]
    shown = times(export.output)
    assert {round(float(after - before), 3) for before, after in itertools.pairwise(shown)} == {0.1}
    assert [line for line in told.out.splitlines() if line.startswith("not recorded")] == [
        "not recorded, left out: 2025-06-15T15:06:38.000Z to 2025-06-15T15:06:40.000Z",
        "not recorded, left out: 2025-06-15T15:06:42.000Z to 2025-06-15T15:06:45.000Z",
        "not recorded, left out: 2025-06-15T15:06:47.000Z to 2025-06-15T15:06:49.000Z",
    ]


def test_sound_comes_along(footage: Footage, export: Exporter) -> None:
    """Sound is copied with its video, in time with it, across a cut too."""
    footage.record(0, 30, sound=8_000)
    footage.record(30, 30, sound=8_000)
    told = export(1.0, 5.0, "--json")
    assert told.code == 0, told.error
    heard = times(export.output, "audio")
    assert is_rising(heard)
    assert 0 <= float(heard[0]) < 0.2
    assert 3.7 < float(heard[-1]) < 4.0
    assert numbers(export.output) == list(range(10, 50))
    assert told.json["silent"] == []


def test_sound_that_outlasts_its_video_stops_nothing(footage: Footage, export: Exporter) -> None:
    """After a gap the sound of the segment before gives way where the two would overlap."""
    footage.record(0, 10, sound=8_000, more_sound=5)
    footage.record(15, 10, sound=8_000, late_s=5.0)
    told = export(0.0, 9.0)
    assert told.code == 0, told.error
    assert is_rising(times(export.output, "audio"))
    assert numbers(export.output) == [*range(10), *range(15, 25)]


@pytest.mark.parametrize(("first", "second"), [(8_000, 0), (0, 8_000), (8_000, 16_000)])
def test_sound_that_changes_is_left_out_and_told(footage: Footage, export: Exporter, first: int, second: int) -> None:
    """Where the sound comes, goes or changes on the way, the video is whole, and the span without sound is told."""
    footage.record(0, 10, sound=first)
    footage.record(10, 10, sound=second)
    told = export(0.0, 2.0, "--json")
    assert told.code == 0, told.error
    assert numbers(export.output) == list(range(20))
    assert told.json["silent"] == [{"start": "2025-06-15T15:06:41.000Z", "end": "2025-06-15T15:06:42.000Z"}]


@pytest.mark.parametrize(
    ("change", "told_as"),
    [
        ({"width": 96, "height": 64}, "to h264 96x64"),
        ({"codec": "libx265"}, "to hevc 64x48"),
        ({"preset": "medium"}, "to the same with other parameters"),
    ],
)
def test_changed_video_is_refused_with_its_time(
    footage: Footage, export: Exporter, change: dict[str, Any], told_as: str
) -> None:
    """One track has one picture size, codec and set of parameters: the refusal says from when on they differ."""
    footage.record(0, 10)
    footage.record(10, 10, **change)
    told = export(0.0, 2.0)
    assert told.code == 2
    assert "camera cam-1 changes at 2025-06-15T15:06:41.000Z from h264 64x48" in told.error
    assert told_as in told.error
    assert export.left() == []
    assert export(0.0, 1.0).code == 0


def test_footage_that_is_still_written(footage: Footage, export: Exporter) -> None:
    """An open segment is exported as far as it is written."""
    footage.record(0, 10)
    footage.leave_open(10, 20)
    told = export(0.0, 60.0, "--json")
    assert told.code == 0, told.error
    assert numbers(export.output) == list(range(30))
    assert told.json["gaps"] == []


@pytest.mark.parametrize("kept_bytes", [0, 10, 600])
def test_open_segment_without_a_frame_harms_nothing(footage: Footage, export: Exporter, kept_bytes: int) -> None:
    """A segment that has just begun, with nothing or half a header in its file, is passed over."""
    footage.record(0, 10)
    footage.leave_open(10, 20, kept_bytes)
    assert export(0.0, 60.0).code == 0
    assert numbers(export.output) == list(range(10))


def test_open_segment_without_a_file_harms_nothing(footage: Footage, export: Exporter) -> None:
    """A row whose file does not exist yet is passed over."""
    footage.record(0, 10)
    footage.path(footage.leave_open(10, 20)).unlink()
    assert export(0.0, 60.0).code == 0
    assert numbers(export.output) == list(range(10))


def test_missing_file_is_refused_by_name(footage: Footage, export: Exporter) -> None:
    """A closed segment whose file is gone stops the export, which says what to do."""
    footage.record(0, 10)
    path = footage.path(footage.record(10, 10))
    path.unlink()
    told = export(0.0, 2.0)
    assert told.code == 2
    assert str(path) in told.error
    assert "./nvr catalogue check" in told.error
    assert export.left() == []


def test_damaged_file_is_refused_by_name(footage: Footage, export: Exporter) -> None:
    """A closed segment that is no video any more stops the export; nothing is left of it."""
    footage.record(0, 10)
    path = footage.path(footage.record(10, 10))
    path.write_bytes(b"\0" * path.stat().st_size)
    told = export(0.0, 2.0)
    assert told.code == 2
    assert str(path) in told.error
    assert export.left() == []


def test_existing_output_is_kept(footage: Footage, export: Exporter) -> None:
    """A file that is there is never written over."""
    footage.record(0, 10)
    export.output.write_text("mine")
    told = export(0.0, 1.0)
    assert told.code == 2
    assert "exists already" in told.error
    assert export.output.read_text() == "mine"


def test_output_needs_its_folder(footage: Footage, nvr: Nvr, tmp_path: Path) -> None:
    """A folder that does not exist is told as that."""
    footage.record(0, 10)
    span = ("--from", spelt(0), "--to", spelt(1))
    told = nvr("export", "--camera", "cam-1", *span, tmp_path / "none/out.mp4", "--data", tmp_path / "data")
    assert told.code == 2
    assert "none does not exist" in told.error


@pytest.mark.parametrize(
    ("begin_s", "end_s", "camera"), [(10.0, 20.0, "cam-1"), (-20.0, 0.0, "cam-1"), (0.0, 1.0, "yard")]
)
def test_no_footage_is_refused(footage: Footage, export: Exporter, begin_s: float, end_s: float, camera: str) -> None:
    """A span without footage, and a camera that nobody knows, make no file and say where to look."""
    footage.record(0, 10)
    told = export(begin_s, end_s, camera=camera)
    assert told.code == 2
    assert f"camera {camera} has no footage" in told.error
    assert f"./nvr segments --camera {camera}" in told.error
    assert export.left() == []


@pytest.mark.parametrize("end_s", [1.0, 0.5])
def test_span_goes_forward(footage: Footage, export: Exporter, end_s: float) -> None:
    """An empty or backward span is refused."""
    footage.record(0, 10)
    told = export(1.0, end_s)
    assert told.code == 2
    assert "is not before --to" in told.error


def test_other_cameras_and_sub_streams_stay_out(footage: Footage, export: Exporter) -> None:
    """Only the main stream of the camera is exported."""
    footage.record(0, 10)
    footage.record(20, 10, camera="cam-2")
    footage.record(5, 10, stream="sub", width=32, height=24)
    assert export(0.0, 60.0).code == 0
    assert numbers(export.output) == list(range(10))


def test_file_can_be_shown_at_once(footage: Footage, export: Exporter) -> None:
    """The index stands before the media, so that a player need not read the whole file first."""
    footage.record(0, 30)
    assert export(0.0, 3.0).code == 0
    content = export.output.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(export.output)) as container:
        assert container.duration == 3_000_000
