"""analysis.db: what was found in a segment is one transaction, and the cursor tells how far everything is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.analysis import (
    AnalysisReader,
    AnalysisRow,
    AnalysisWriter,
    EventRow,
    MotionRow,
    ThumbnailRow,
)
from components.shared.errors import Fatal, Rejected
from tests.fakes.archive import at


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[AnalysisWriter]:
    writer = AnalysisWriter.open(tmp_path)
    yield writer
    writer.close()


def done(sequence: int, camera: str = "cam-1") -> AnalysisRow:
    return AnalysisRow(f"segment-{sequence}", camera, sequence, 90, "done")


def motion(sequence: int, start: float, end: float, camera: str = "cam-1") -> MotionRow:
    return MotionRow(f"segment-{sequence}", camera, at(start), at(end), 12.5)


def picture(sequence: int) -> ThumbnailRow:
    return ThumbnailRow(f"segment-{sequence}", "cam-1", at(sequence), "main", f"{sequence}.jpg", 900, "ab" * 32)


def event(name: str, start: float, end: float | None, camera: str = "cam-1") -> EventRow:
    return EventRow(name, camera, at(start), None if end is None else at(end), 12.5, "segment-1")


def test_all_of_a_segment_is_there_or_nothing(writer: AnalysisWriter, tmp_path: Path) -> None:
    """Motion, thumbnail and events of a segment appear together; when one is refused, none is there."""
    reader = AnalysisReader.open(tmp_path)
    wrong = [motion(1, 0, 1), motion(1, 5, 4)]
    with pytest.raises(Fatal):
        writer.record(done(1), wrong, picture(1), [event("e1", 0, None)])
    assert reader.motions() == [] and reader.events() == [] and reader.thumbnails_after(0, 9) == []
    assert reader.analysis("segment-1") is None and reader.last_capture_sequence() == 0

    writer.record(done(1), [motion(1, 0, 1), motion(1, 4, 5)], picture(1), [event("e1", 0, None)])
    assert reader.motions("cam-1") == [motion(1, 0, 1), motion(1, 4, 5)]
    assert reader.thumbnails_after(0, 9) == [replace(picture(1), sequence=1)] == [reader.thumbnail("segment-1")]
    assert reader.events() == [event("e1", 0, None)] and reader.open_event("cam-1") == event("e1", 0, None)
    assert reader.analysis("segment-1") == done(1) and reader.last_capture_sequence() == 1


def test_recording_again_replaces(writer: AnalysisWriter) -> None:
    """A segment that is looked at again has only its new motion; an unchanged thumbnail keeps its number."""
    for motions in ([motion(1, 0, 1)], [motion(1, 2, 3)]):
        writer.record(done(1), motions, picture(1), [event("e1", 0, 1)])
    assert writer.motions() == [motion(1, 2, 3)]
    assert [found.sequence for found in writer.thumbnails_after(0, 9)] == [1]
    writer.record(done(1), [], replace(picture(1), sha256="cd" * 32), [replace(event("e1", 0, 2), peak_percent=40)])
    assert [found.sequence for found in writer.thumbnails_after(1, 9)] == [2]
    assert writer.events() == [replace(event("e1", 0, 2), peak_percent=40)] and writer.motions() == []


def test_the_cursor_stops_before_what_is_not_done(writer: AnalysisWriter) -> None:
    """Out of order, the cursor moves only over segments that follow each other; failed ones count."""
    writer.record(done(2))
    writer.record(replace(done(4), state="failed", error="undecodable"))
    assert writer.last_capture_sequence() == 0
    writer.record(done(1))
    assert writer.last_capture_sequence() == 2
    writer.record(done(3))
    assert writer.last_capture_sequence() == 4
    assert writer.counts() == {"done": 3, "failed": 1}


def test_the_cursor_passes_what_was_deleted_unseen(writer: AnalysisWriter) -> None:
    """A sweep that saw a hole moves the cursor over it, on over what is done behind it, and never back."""
    for sequence in (1, 4, 5):
        writer.record(done(sequence))
    writer.advance(3)
    assert writer.last_capture_sequence() == 5
    writer.advance(2)
    assert writer.last_capture_sequence() == 5
    writer.advance(9)
    assert writer.last_capture_sequence() == 9


def test_one_event_of_a_camera_is_open(writer: AnalysisWriter) -> None:
    """An event that ends makes room for the next in the same transaction; two open ones are Fatal."""
    writer.record(done(1), events=[event("e1", 0, None)])
    writer.record(done(2), events=[event("e2", 8, None), event("e1", 0, 5)])
    assert writer.open_event("cam-1") == event("e2", 8, None) and writer.open_event("cam-2") is None
    with pytest.raises(Fatal):
        writer.record(done(3), events=[event("e3", 9, None)])
    writer.end_event("e2", at(9))
    writer.end_event("e2", at(10))
    assert writer.events() == [event("e1", 0, 5), event("e2", 8, 9)]


def test_rows_of_another_segment_are_fatal(writer: AnalysisWriter) -> None:
    """What is recorded for a segment is of that segment and its camera; a bad id is Rejected."""
    for motions, thumbnail in (([motion(2, 0, 1)], None), ([motion(1, 0, 1, "cam-2")], None), ([], picture(2))):
        with pytest.raises(Fatal):
            writer.record(done(1), motions, thumbnail)
    with pytest.raises(Rejected):
        writer.record(done(1, camera="Cam 1"))


def test_motion_and_events_are_found_by_time(writer: AnalysisWriter) -> None:
    """Half-open: found is what shares a nanosecond with what was asked for; an open event lasts."""
    writer.record(done(1), [motion(1, 0, 1), motion(1, 3, 5)], events=[event("e1", 0, 5), event("e2", 9, None)])
    writer.record(done(2, "cam-2"), [motion(2, 0, 9, "cam-2")])
    assert writer.motions("cam-1", at(1), at(3)) == []
    assert writer.motions("cam-1", at(0.9), at(3.1)) == [motion(1, 0, 1), motion(1, 3, 5)]
    assert writer.motions(since_ns=at(5)) == [motion(2, 0, 9, "cam-2")]
    assert [found.event for found in writer.events("cam-1", at(5))] == ["e2"]
    assert [found.event for found in writer.events(until_ns=at(9))] == ["e1"]


def test_thumbnails_are_swept_with_a_cursor(writer: AnalysisWriter) -> None:
    """A sweep of any page size meets each thumbnail once, in the order they were recorded."""
    for sequence in range(1, 8):
        writer.record(done(sequence), [], picture(sequence))
    met, cursor = [], 0
    while page := writer.thumbnails_after(cursor, 3):
        met += [found.segment for found in page]
        cursor = page[-1].sequence
    assert met == [f"segment-{sequence}" for sequence in range(1, 8)]
