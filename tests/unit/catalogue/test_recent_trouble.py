"""What capture.db tells of recent trouble: broken connections and lost footage."""

from __future__ import annotations

from pathlib import Path

from components.shared.catalogue.capture import CaptureWriter, RunRow
from components.shared.catalogue.recent_trouble import RUNS_LOOKED_AT_MAX, broken_runs, lost_segments
from components.shared.wire.units import TimeBase
from tests.fakes.archive import at


def test_broken_runs_are_those_that_the_camera_ended(tmp_path: Path) -> None:
    """Counted from a moment on, per stream; an orderly end, and a run that goes on, do not count."""
    writer = CaptureWriter.open(tmp_path)
    causes = ("unreachable", "frozen", "", "disk", "component_down", "undecodable")
    for number, cause in enumerate(causes):
        begin_run(writer, f"run-{number}", number, cause)
    writer.begin_run(RunRow("open", "cam-1", "main", at(90), None, "h264", 1280, 720, TimeBase(1, 90_000)))
    assert broken_runs(writer, "cam-1", "main", at(0)) == 3
    assert broken_runs(writer, "cam-1", "main", at(10)) == 3  # the first one ended then
    assert broken_runs(writer, "cam-1", "main", at(11)) == 2
    assert broken_runs(writer, "cam-1", "sub", at(0)) == broken_runs(writer, "cam-2", "main", at(0)) == 0
    writer.close()


def test_no_more_runs_are_looked_at_than_the_limit(tmp_path: Path) -> None:
    """A camera that breaks off all the time is counted up to it."""
    writer = CaptureWriter.open(tmp_path)
    for number in range(RUNS_LOOKED_AT_MAX + 5):
        begin_run(writer, f"run-{number}", number, "unreachable")
    assert broken_runs(writer, "cam-1", "main", at(0)) == RUNS_LOOKED_AT_MAX
    writer.close()


def test_lost_segments_since_a_moment(tmp_path: Path) -> None:
    """What was uploaded before it went is not lost; what was lost before is another story."""
    writer = CaptureWriter.open(tmp_path)
    with writer.database.transaction("early deletions") as do:
        for second, segments, is_lost in ((1, 4, 1), (5, 2, 1), (6, 8, 0), (7, 1, 1)):
            do(
                "INSERT INTO early_deletion (camera, stream, start_ns, end_ns, segments, size_bytes, is_lost, reason, "
                "deleted_ns) VALUES ('cam-1', 'main', ?, ?, ?, 9, ?, 'room', ?)",
                *(second, second + 1, segments, is_lost, at(second)),
            )
    assert [lost_segments(writer, at(second)) for second in (0, 5, 6, 8)] == [7, 3, 1, 0]
    writer.close()


def begin_run(writer: CaptureWriter, run: str, number: int, cause: str) -> None:
    """A run of ten seconds that ended for a cause."""
    writer.begin_run(
        RunRow(
            run,
            "cam-1",
            "main",
            at(10 * number),
            at(10 * number + 10),
            "h264",
            1280,
            720,
            TimeBase(1, 90_000),
            9,
            9,
            cause,
        )
    )
