"""Whatever files come, in whatever order and however damaged: the record stays whole and nothing is in it twice."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.capture.core.import_plan import NAME_SHIFT_NS_MAX
from components.shared.wire.units import NS_PER_S, to_datetime
from tests.fakes.foreign_files import write_dhav, write_mp4
from tests.fakes.import_box import ImportBox, at

pytestmark = pytest.mark.slow

GOP_NS = NS_PER_S
START_NS = at("2026-11-21T10:00:00")

CLIPS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), min_size=1, max_size=6)


def name_of(number: int, start_s: int, length_s: int) -> str:
    """An export of that time; recorders give the same time another folder when they have it twice."""
    start = to_datetime(START_NS + start_s * NS_PER_S)
    end = start + timedelta(seconds=length_s)
    return f"{number}/NVR_ch1_main_{start:%Y%m%d%H%M%S}_{end:%Y%m%d%H%M%S}.mp4"


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CLIPS, st.data())
def test_overlapping_files_in_any_order(clips: list[tuple[int, int]], data: st.DataObject) -> None:
    """What some file has of a moment is in the record once, but for a group of pictures where two meet."""
    with tempfile.TemporaryDirectory() as folder:
        box = ImportBox(Path(folder))
        for number, (start_s, length_s) in enumerate(clips):
            write_mp4(box.place(name_of(number, start_s, length_s)), seconds=length_s)
            if data.draw(st.booleans()):
                box.settle()
        box.settle()
        box.assert_whole()
        assert {row.state for row in box.rows} <= {"imported", "refused"}
        assert len(box.rows) == len(clips)
        wanted = {second for start_s, length_s in clips for second in range(start_s, start_s + length_s)}
        recorded_ns = sum((row.end_ns or 0) - row.start_ns for row in box.segments)
        assert recorded_ns <= len(wanted) * NS_PER_S + len(clips) * NAME_SHIFT_NS_MAX
        assert recorded_ns >= len(wanted) * NS_PER_S - len(clips) * (GOP_NS + NAME_SHIFT_NS_MAX)
        box.crash()


@cache
def whole(kind: str) -> bytes:
    """A file that nobody has damaged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole"
        return (write_mp4(path, seconds=2, audio=True) if kind == "mp4" else write_dhav(path, seconds=2)).read_bytes()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["mp4", "dav"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
)
def test_damaged_files(kind: str, flips: list[tuple[float, int]], kept: float) -> None:
    """Flipped bytes and missing ends are imported as far as they make sense, or refused; the next file is imported."""
    damaged = bytearray(whole(kind))
    for place, value in flips:
        damaged[int(place * len(damaged))] = value
    with tempfile.TemporaryDirectory() as folder:
        box = ImportBox(Path(folder))
        path = box.place(f"2026-11-21/001/dav/10/10.00.00-10.00.02[M][0@0][0].{kind}")
        path.parent.mkdir(parents=True)
        path.write_bytes(damaged[: int(kept * len(damaged))])
        write_mp4(box.place(name_of(1, 3_000, 2)), seconds=2)
        box.settle()
        box.assert_whole()
        states = {row.key.path: row.state for row in box.rows}
        assert states.pop(str(path)) in ("imported", "refused")
        assert list(states.values()) == ["imported"]
        box.crash()
