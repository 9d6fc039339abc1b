"""The class of footage, for whoever decides how long it is kept."""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.database import READ_ROWS_MAX
from tests.fakes.archive import Archive, at


def test_the_class_of_a_segment_is_known_from_its_first_byte(tmp_path: Path) -> None:
    """A segment is of the class that it was opened in, `continuous` if nobody said one; what is gone has none."""
    archive = Archive(tmp_path)
    rows = [archive.row(at(0), f"cam-{number}") for number in range(4)]
    for row in rows[:3]:
        archive.writer.open_segment(row, "motion")
    archive.writer.open_segment(rows[3])
    ids = [row.segment for row in rows]
    reader = CaptureReader.open(tmp_path)
    assert reader.motion_among([*ids, "cam-9_20250101T000000.000Z"]) == set(ids[:3])
    archive.writer.discard_segment(ids[0])
    archive.writer.keep_longer(ids[1])
    archive.writer.keep_longer(ids[1])
    assert reader.motion_among(ids) == {ids[2]}
    archive.writer.open_segment(rows[0])
    assert reader.motion_among(ids) == {ids[2]}, "what comes after under the same name is another segment"
    reader.close()
    archive.close()


def test_many_segments_are_asked_for_at_once(tmp_path: Path) -> None:
    """More ids than one read gives back are answered too."""
    archive = Archive(tmp_path)
    archive.writer.open_segment(archive.row(at(0)), "motion")
    (row,) = archive.writer.open_segments()
    ids = [*(f"cam-{number}" for number in range(READ_ROWS_MAX + 1)), row.segment]
    assert archive.writer.motion_among(ids) == {row.segment}
    archive.close()
