"""The class of footage, for whoever decides how long it is kept."""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.capture import CaptureReader
from tests.fakes.archive import Archive, at


def test_the_class_of_a_segment_is_known_from_its_first_byte(tmp_path: Path) -> None:
    """A segment is of the class that it was opened in, `continuous` unless it was said otherwise, open or closed."""
    archive = Archive(tmp_path)
    motion = archive.row(at(0))
    archive.writer.open_segment(motion, "motion")
    assert archive.writer.mode_of(motion.segment) == "motion"
    archive.writer.discard_segment(motion.segment)
    plain = archive.row(at(5))
    archive.writer.open_segment(plain)
    assert archive.writer.mode_of(plain.segment) == "continuous"
    assert archive.writer.mode_of("cam-9_20250101T000000.000Z") == "continuous"
    archive.close()


def test_motion_footage_is_found_oldest_first(tmp_path: Path) -> None:
    """What may go first is asked for by time, without a walk through the archive; what is gone is not in it."""
    archive = Archive(tmp_path)
    rows = []
    for number in range(4):
        rows.append(archive.row(at(number * 10), f"cam-{number}"))
        archive.writer.open_segment(rows[-1], "motion")
    reader = CaptureReader.open(tmp_path)
    assert reader.motion_segments(at(20), 10) == [rows[0].segment, rows[1].segment]
    assert reader.motion_segments(at(100), 1) == [rows[0].segment]
    archive.writer.discard_segment(rows[0].segment)
    archive.writer.keep_longer(rows[1].segment)
    archive.writer.keep_longer(rows[1].segment)
    assert reader.motion_segments(at(100), 10) == [rows[2].segment, rows[3].segment]
    assert reader.mode_of(rows[1].segment) == "continuous"
    reader.close()
    archive.close()
