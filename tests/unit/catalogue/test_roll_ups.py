"""Roll-ups say how much of each hour and day is covered, and by what, as the rows themselves do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, Volume, open_row
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import Schema, open_for_writing
from components.shared.catalogue.roll_ups import DAY_NS, HOUR_NS, UNITS_MAX, Covered, day_of
from components.shared.errors import Rejected
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, Span, TimeBase, WallNs

DAY = WallNs(day_of(1_750_000_000 * NS_PER_S))
BASE = TimeBase(1, 90_000)
VERSION_1 = Path(__file__).parents[2] / "data" / "catalogue" / "v1"


def hour(number: float) -> WallNs:
    """A wall time, counted in hours from the start of a day."""
    return WallNs(DAY + int(number * HOUR_NS))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CaptureWriter]:
    writer = CaptureWriter.open(tmp_path)
    writer.register_volume(Volume("main", tmp_path / "media" / "main"))
    writer.begin_run(RunRow("run-1", "cam-1", "main", DAY, None, "h264", 64, 48, BASE))
    yield writer
    writer.close()


def record(writer: CaptureWriter, start: float, end: float, size_bytes: int = 1_000) -> str:
    row = open_row("cam-1", "main", hour(start), "run-1", "main")
    writer.open_segment(row)
    counts = (10, size_bytes, "ab" * 32, BASE, 0, 100, (Gop(100, 900, 9),))
    facts = SegmentFacts(hour(start), hour(end), "run-1", "h264", 64, 48, *counts)
    writer.close_segment(row.segment, facts, ("cd" * 32,))
    return row.segment


def gap(writer: CaptureWriter, start: float, end: float | None, cause: str) -> None:
    writer.add_gap(GapRow("cam-1", "main", hour(start), None if end is None else hour(end), cause))


def overview(
    writer: CaptureWriter, start: float, end: float, unit_ns: int = HOUR_NS, now: float = 1_000
) -> list[Covered]:
    return writer.overview(["cam-1"], Span(hour(start), hour(end)), unit_ns, hour(now))


def hours(covered: Covered) -> tuple[float, dict[str, float]]:
    return covered.recorded_ns / HOUR_NS, {cause: gap_ns / HOUR_NS for cause, gap_ns in covered.gaps_ns.items()}


def test_a_span_counts_in_each_hour_and_begins_in_one(writer: CaptureWriter) -> None:
    """Time is split at the hours; a segment and its bytes are counted once, where it begins."""
    record(writer, 0.75, 2.25, 5_000)
    gap(writer, 2.25, 3.0, "disk")
    found = overview(writer, 0, 4)
    assert [hours(covered) for covered in found] == [(0.25, {}), (1.0, {}), (0.25, {"disk": 0.75}), (0.0, {})]
    assert [(covered.segments, covered.gaps, covered.size_bytes) for covered in found] == [
        (1, 0, 5_000),
        (0, 0, 0),
        (0, 1, 0),
        (0, 0, 0),
    ]
    (day,) = overview(writer, 0, 24, DAY_NS)
    assert hours(day) == (1.5, {"disk": 0.75})
    assert (day.segments, day.gaps, day.size_bytes, day.accounted_ns) == (1, 1, 5_000, 2.25 * HOUR_NS)


@pytest.mark.parametrize("length", [23.999, 24, 24.001, 500_000])
def test_a_span_of_any_length_is_counted_once(writer: CaptureWriter, length: float) -> None:
    """Below, at and above a day, and fifty years, a gap is in every hour and day that it touches; few rows tell it."""
    gap(writer, 0.5, 0.5 + length, "box_down")
    total = sum(covered.gaps_ns.get("box_down", 0) for covered in overview(writer, 0, 48))
    assert total == min(hour(48), hour(0.5 + length)) - hour(0.5)
    days = overview(writer, 0, 48, DAY_NS)
    assert sum(covered.gaps_ns["box_down"] for covered in days) == total
    assert [covered.gaps for covered in days] == [1, 0]
    assert writer.database.read("SELECT count(*) FROM roll_up")[0][0] <= 27


def test_what_is_open_lasts_until_now(writer: CaptureWriter) -> None:
    """An open segment or gap counts up to now, also before anything of it is in a roll-up."""
    record(writer, 0, 1)
    gap(writer, 1, None, "unreachable")
    assert [hours(covered) for covered in overview(writer, 0, 3, now=1.5)] == [
        (1.0, {}),
        (0.0, {"unreachable": 0.5}),
        (0.0, {}),
    ]
    writer.open_segment(open_row("cam-1", "main", hour(1.25), "run-1", "main"))
    assert [hours(covered) for covered in overview(writer, 0, 3, now=1.5)] == [
        (1.0, {}),
        (0.25, {"unreachable": 0.25}),
        (0.0, {}),
    ]


def test_deleting_moves_recorded_time_to_a_gap(writer: CaptureWriter) -> None:
    """What is deleted is no longer recorded, but accounted for; hours without anything have no row."""
    segment = record(writer, 0, 1)
    writer.mark_garbage(segment, "retention")
    assert hours(overview(writer, 0, 1)[0]) == (0.0, {"policy": 1.0})
    assert writer.database.read("SELECT DISTINCT cause FROM roll_up") == [("policy",)]


@pytest.mark.parametrize(
    ("start", "end", "unit_ns"),
    [(0.5, 2, HOUR_NS), (0, 1.5, HOUR_NS), (1, 25, DAY_NS), (0, 1, 60 * NS_PER_S), (0, UNITS_MAX + 1, HOUR_NS)],
)
def test_a_window_of_no_whole_units_is_refused(writer: CaptureWriter, start: float, end: float, unit_ns: int) -> None:
    """An overview is of whole hours or days, and not of too many."""
    with pytest.raises(Rejected):
        overview(writer, start, end, unit_ns)


def test_the_largest_window_is_given(writer: CaptureWriter) -> None:
    """As many units as are allowed are all there."""
    assert len(overview(writer, 0, UNITS_MAX)) == UNITS_MAX


def stored(writer: CaptureWriter) -> list[tuple[object, ...]]:
    return writer.database.read("SELECT * FROM roll_up LIMIT 1000")


def test_recounting_finds_the_same_whatever_was_there(writer: CaptureWriter) -> None:
    """A recount makes lost, wrong and needless roll-ups right, over gaps of any length."""
    gap(writer, -500_000, -100, "box_down")
    record(writer, 23.5, 24.5)
    record(writer, 24.5, 24.75)
    gap(writer, 24.75, 24 * 40, "disk")
    record(writer, 24 * 40, 24 * 40 + 1)
    right = stored(writer)
    with writer.database.transaction("damage") as do:
        do("DELETE FROM roll_up WHERE start_ns % 7 < 3")
        do("UPDATE roll_up SET duration_ns = -5, spans = 9")
    assert stored(writer) != right
    writer.recount_roll_ups()
    assert stored(writer) == right


def test_a_file_of_the_first_release_is_counted(tmp_path: Path) -> None:
    """Its roll-ups are due until they are counted, also when rows are changed before; broken off, they stay due."""
    shutil.copytree(VERSION_1, tmp_path / "catalogue")
    writer = CaptureWriter.open(tmp_path)
    assert writer.roll_ups_due() and stored(writer) == []
    first = writer.segments(state="closed")[0]
    writer.mark_garbage(first.segment, "retention")
    writer.recount_roll_ups(lambda: False)
    assert writer.roll_ups_due()
    writer.recount_roll_ups()
    assert not writer.roll_ups_due()
    (row,) = writer.segments(state="closed")
    assert row.end_ns is not None
    window = Span(WallNs(day_of(row.start_ns)), WallNs(day_of(row.start_ns) + DAY_NS))
    (covered,) = writer.overview([row.camera], window, DAY_NS, row.end_ns)
    assert (covered.recorded_ns, covered.segments, covered.size_bytes) == (
        row.end_ns - row.start_ns,
        2,
        row.size_bytes,
    )
    assert covered.gaps_ns["policy"] == 6 * NS_PER_S
    assert writer.database.read("SELECT min(duration_ns) FROM roll_up")[0][0] > 0
    writer.close()


def test_a_new_file_has_nothing_to_count(writer: CaptureWriter) -> None:
    """Only a file that has rows already is due."""
    assert not writer.roll_ups_due()


def test_the_release_before_keeps_roll_ups_too(tmp_path: Path, writer: CaptureWriter) -> None:
    """A release that knows nothing of roll-ups writes on in this file, and they stay right: the file itself does it."""
    writer.close()
    old = CaptureWriter(open_for_writing(tmp_path, Schema("capture", CAPTURE.migrations[:1])), tmp_path)
    record(old, 0, 1)
    old.close()
    again = CaptureWriter.open(tmp_path)
    assert hours(overview(again, 0, 1)[0]) == (1.0, {})
    again.close()
