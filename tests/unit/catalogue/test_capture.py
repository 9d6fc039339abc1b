"""capture.db: what the writer promises and the reader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.shared.catalogue.capture import (
    CaptureReader,
    CaptureWriter,
    GapRow,
    RunRow,
    SegmentRow,
    StreamRow,
    Volume,
    open_row,
    subtract,
)
from components.shared.catalogue.capture_rows import RUN_COLUMNS, TEXT_CHARS_MAX
from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.errors import Fatal, NvrError, Rejected, Transient
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import Span, TimeBase, WallNs
from tests.fakes.archive import START_NS, at

BASE = TimeBase(1, 90_000)
RUN = RunRow("run-1", "cam-1", "main", START_NS, None, "h264", 1280, 720, BASE)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CaptureWriter]:
    writer = CaptureWriter.open(tmp_path)
    writer.register_volume(Volume("main", tmp_path / "media" / "main"))
    writer.begin_run(RUN)
    yield writer
    writer.close()


def facts(start_ns: WallNs, end_ns: WallNs, run: str = "run-1") -> SegmentFacts:
    gops = (Gop(700, 5000, 180_000), Gop(5700, 4300, 90_000))
    return SegmentFacts(start_ns, end_ns, run, "h264", 1280, 720, 45, 10_000, "ab" * 32, BASE, -3, 700, gops)


PARTS = ("cd" * 32, "ef" * 32)


def row(start: float, camera: str = "cam-1") -> SegmentRow:
    return open_row(camera, "main", at(start), "run-1", "main")


def record(writer: CaptureWriter, start: float, end: float) -> SegmentRow:
    opened = row(start)
    writer.open_segment(opened)
    writer.close_segment(opened.segment, facts(at(start), at(end)), PARTS)
    closed = writer.segment(opened.segment)
    assert closed is not None
    return closed


def gaps(writer: CaptureReader) -> list[tuple[float, float | None, str]]:
    def seconds(wall_ns: WallNs) -> float:
        return (wall_ns - START_NS) / 1e9

    return [
        (seconds(gap.start_ns), None if gap.end_ns is None else seconds(gap.end_ns), gap.cause) for gap in writer.gaps()
    ]


def test_a_segment_is_open_then_closed(writer: CaptureWriter, tmp_path: Path) -> None:
    """A row goes from open, without facts, to closed, with all of them, and a reader sees both."""
    reader = CaptureReader.open(tmp_path)
    opened = row(0)
    writer.open_segment(opened)
    assert reader.segments() == reader.open_segments() == [opened] and reader.closed_after(0, 10) == []

    sequence = writer.close_segment(opened.segment, facts(at(0), at(3)), PARTS)
    closed = reader.segment(opened.segment)
    assert closed == replace(
        opened,
        state="closed",
        end_ns=at(3),
        sequence=sequence,
        facts=facts(at(0), at(3)),
        part_sha256s=PARTS,
        frames=45,
        size_bytes=10_000,
    )
    assert reader.open_segments() == [] and reader.closed_after(0, 10) == [closed]
    assert reader.file_path(opened) == tmp_path / "media" / "main" / opened.path


@pytest.mark.parametrize(
    "broken",
    [
        lambda writer: writer.close_segment(row(0).segment, facts(at(0), at(3)), PARTS),
        lambda writer: writer.close_segment(record(writer, 0, 3).segment, facts(at(0), at(3)), PARTS),
        lambda writer: writer.discard_segment(record(writer, 0, 3).segment),
        lambda writer: writer.mark_garbage(row(0).segment, "retention"),
        lambda writer: (writer.open_segment(row(0)), writer.mark_garbage(row(0).segment, "retention")),
        lambda writer: writer.open_segment(replace(row(0), path="elsewhere.mp4")),
        lambda writer: writer.open_segment(replace(row(0), segment=row(1).segment)),
        lambda writer: writer.open_segment(replace(row(0), state="closed")),
        lambda writer: writer.open_segment(replace(row(0), run="run-2")),
        lambda writer: writer.open_segment(replace(row(0), volume="other")),
        lambda writer: (writer.open_segment(row(0)), writer.open_segment(row(1))),
        lambda writer: (
            writer.open_segment(row(0)),
            writer.begin_gap("cam-1", "main", at(1), "disk"),
            close(writer, 0, 2),
        ),
        lambda writer: (record(writer, 3, 5), writer.add_gap(GapRow("cam-1", "main", at(0), at(3.1), "disk"))),
        lambda writer: (writer.begin_gap("cam-1", "main", at(3), "disk"), writer.end_gap("cam-1", "main", at(2))),
        lambda writer: writer.begin_gap("cam-1", "main", at(0), "tired"),
        lambda writer: writer.set_stream(StreamRow("cam-1", "main", "asleep", "", at(0), 0, at(0))),  # type: ignore[arg-type]
        lambda writer: writer.set_stream(StreamRow("cam-1", "main", "off", "", at(0), -1, at(0))),
        lambda writer: writer.update_run("run-2", 1, 1),
        lambda writer: writer.end_run("run-2", at(1), "gone"),
    ],
    ids=range(19),
)
def test_a_broken_promise_is_fatal(writer: CaptureWriter, broken: Callable[[CaptureWriter], object]) -> None:
    """Closing what is not open, contradicting rows, two open ones, time that is told twice: all are Fatal."""
    with pytest.raises(Fatal):
        broken(writer)


@pytest.mark.parametrize("start", [2.9, 5, 8.9, 19.9])
def test_a_clock_that_stepped_back_overwrites_nothing(writer: CaptureWriter, start: float) -> None:
    """A segment begins where the record ends or later, else it has to wait; a gap begins there by itself."""
    record(writer, 0, 3)
    writer.add_gap(GapRow("cam-1", "main", at(6), at(9), "disk"))
    writer.begin_gap("cam-1", "main", at(20), "unreachable")
    with pytest.raises(Transient, match="a clock stepped back"):
        writer.open_segment(row(start))
    writer.open_segment(row(20))
    writer.end_gap("cam-1", "main", at(20))
    close(writer, 20, 25)
    writer.begin_gap("cam-1", "main", at(start), "frozen")
    assert gaps(writer) == [(6, 9, "disk"), (25, None, "frozen")]


def close(writer: CaptureWriter, start: float, end: float) -> int:
    return writer.close_segment(row(start).segment, facts(at(start), at(end)), PARTS)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(facts(at(0), at(3)), start_ns=at(1)),
        replace(facts(at(0), at(3)), run="run-2"),
        replace(facts(at(0), at(3)), end_ns=at(0)),
        replace(facts(at(0), at(3)), frames=0),
        replace(facts(at(0), at(3)), gops=()),
        replace(facts(at(0), at(3)), sha256="ab"),
        replace(facts(at(0), at(3)), sha256="xy" * 32),
        replace(facts(at(0), at(3)), size_bytes=0),
    ],
)
def test_facts_of_nothing_or_of_another_segment_are_fatal(writer: CaptureWriter, wrong: SegmentFacts) -> None:
    """A row is closed with its own complete facts or not at all."""
    writer.open_segment(row(0))
    with pytest.raises(Fatal):
        writer.close_segment(row(0).segment, wrong, PARTS)
    with pytest.raises(Fatal):
        writer.close_segment(row(0).segment, facts(at(0), at(3)), ())
    assert writer.open_segments() == [row(0)]


@pytest.mark.parametrize(
    "bad",
    [
        lambda writer: writer.register_volume(Volume("Disk 1", Path("/media"))),
        lambda writer: writer.set_stream(StreamRow("Cam 1", "main", "off", "", at(0), 0, at(0))),
        lambda writer: writer.begin_run(replace(RUN, camera="../up")),
        lambda writer: writer.begin_run(replace(RUN, run="run 1")),
        lambda writer: writer.begin_gap("", "main", at(0), "disk"),
        lambda writer: writer.open_segment(replace(row(0), camera="CAM")),
    ],
    ids=range(6),
)
def test_a_bad_id_is_rejected(writer: CaptureWriter, bad: Callable[[CaptureWriter], object]) -> None:
    """What would not be a legal name on a disk or in S3 gets into no row."""
    with pytest.raises(Rejected):
        bad(writer)


def test_sequences_grow_and_are_never_used_again(writer: CaptureWriter) -> None:
    """A cursor over closed segments misses none, also after the newest was deleted."""
    first, second = record(writer, 0, 3), record(writer, 3, 6)
    assert (first.sequence, second.sequence, writer.last_sequence()) == (1, 2, 2)
    writer.mark_garbage(second.segment, "retention")
    third = record(writer, 6, 9)
    assert third.sequence == 3
    assert [found.segment for found in writer.closed_after(1, 10)] == [third.segment]
    assert [found.segment for found in writer.closed_after(0, 1)] == [first.segment]


def test_what_start_up_may_repeat_does_nothing_twice(writer: CaptureWriter) -> None:
    """Each of these done again changes nothing."""
    segment = record(writer, 0, 3).segment
    repeated: list[Callable[[], object]] = [
        lambda: writer.register_volume(Volume("main", writer.volumes()[0].root)),
        lambda: writer.begin_run(RUN),
        lambda: writer.end_run("run-1", at(3), "unreachable"),
        lambda: writer.add_gap(GapRow("cam-1", "main", at(5), at(6), "disk", "full")),
        lambda: writer.begin_gap("cam-1", "main", at(7), "frozen"),
        lambda: writer.end_gap("cam-1", "main", at(9)),
        lambda: writer.mark_garbage(segment, "retention"),
        lambda: writer.drop_garbage(segment),
        lambda: writer.discard_segment("cam-1_20250615T150640.000Z"),
        lambda: writer.set_full_scan_due(False),
    ]
    for method in repeated:
        method()
        state = (writer.volumes(), writer.runs(), writer.gaps(), writer.segments(), writer.garbage())
        method()
        assert (writer.volumes(), writer.runs(), writer.gaps(), writer.segments(), writer.garbage()) == state


def test_a_segment_is_closed_with_the_frames_of_its_run(writer: CaptureWriter) -> None:
    """Both are written, or neither."""
    writer.open_segment(row(0))
    writer.close_segment(row(0).segment, facts(at(0), at(3)), PARTS, run_frames=(90, 88))
    found = writer.run("run-1")
    assert found is not None
    assert (found.frames_received, found.frames_recorded) == (90, 88)


def test_a_run_is_counted_and_ended_once(writer: CaptureWriter) -> None:
    """A run tells its frames so far, and keeps the first end it was given."""
    writer.update_run("run-1", 120, 118)
    writer.end_run("run-1", at(8), "unreachable")
    writer.end_run("run-1", at(9), "other")
    assert writer.runs("cam-1") == [
        replace(RUN, ended_ns=at(8), frames_received=120, frames_recorded=118, end_cause="unreachable")
    ]
    assert writer.runs("cam-2") == [] and writer.unended_runs() == [] and writer.run("nobody") is None


def test_streams_are_what_was_set_last(writer: CaptureWriter) -> None:
    """A stream's row is replaced as a whole, and goes when the camera is removed."""
    stream = StreamRow("cam-1", "main", "connecting", "starting", at(0), 0, at(0))
    writer.set_stream(stream)
    writer.set_stream(replace(stream, state="offline", failures=3, cause="x" * (TEXT_CHARS_MAX + 1)))
    writer.set_stream(replace(stream, stream="sub"))
    assert [(found.stream, found.state, len(found.cause)) for found in writer.streams()] == [
        ("main", "offline", TEXT_CHARS_MAX),
        ("sub", "connecting", len("starting")),
    ]
    writer.remove_stream("cam-1", "main")
    assert [found.stream for found in writer.streams()] == ["sub"]


def test_a_gap_lasts_until_it_is_ended(writer: CaptureWriter) -> None:
    """The same cause goes on, another one begins where the last ends, and an empty gap vanishes."""
    writer.begin_gap("cam-1", "main", at(0), "starting")
    writer.begin_gap("cam-1", "main", at(1), "starting")
    writer.begin_gap("cam-1", "main", at(2), "unreachable")
    assert gaps(writer) == [(0, 2, "starting"), (2, None, "unreachable")]
    writer.begin_gap("cam-1", "main", at(2), "authentication")
    assert gaps(writer) == [(0, 2, "starting"), (2, None, "authentication")]
    assert writer.end_gap("cam-1", "main", at(5)) and not writer.end_gap("cam-1", "main", at(6))
    assert gaps(writer) == [(0, 2, "starting"), (2, 5, "authentication")]


def test_a_recorder_goes_from_gap_to_segment_to_gap(writer: CaptureWriter) -> None:
    """A gap ends where a segment begins and begins where it ends, in either order of the calls."""
    writer.begin_gap("cam-1", "main", at(0), "starting")
    writer.open_segment(row(2))
    writer.end_gap("cam-1", "main", at(2))
    writer.begin_gap("cam-1", "main", at(5), "unreachable")
    close(writer, 2, 5)
    writer.end_gap("cam-1", "main", at(8))
    record(writer, 8, 9)
    assert gaps(writer) == [(0, 2, "starting"), (5, 8, "unreachable")]
    assert writer.record_end_ns("cam-1", "main") == at(9) and writer.record_end_ns("cam-2", "main") is None


def test_deleted_footage_becomes_a_gap(writer: CaptureWriter) -> None:
    """The record stays whole: deleted neighbours of one reason are one gap, other causes stay what they were."""
    segments = [record(writer, start, start + 3) for start in (0, 3, 6, 12)]
    writer.add_gap(GapRow("cam-1", "main", at(9), at(12), "unreachable"))
    for index in (0, 2, 1, 3):
        writer.mark_garbage(segments[index].segment, "retention")
    assert gaps(writer) == [(0, 9, "policy"), (9, 12, "unreachable"), (12, 15, "policy")]
    assert writer.segments() == [] and {found.segment for found in writer.garbage()} == {
        segment.segment for segment in segments
    }
    assert writer.is_garbage(segments[0].segment)


def test_deletions_of_other_reasons_are_told_apart(writer: CaptureWriter) -> None:
    """Gaps of two reasons that touch stay two."""
    first, second = record(writer, 0, 3), record(writer, 3, 6)
    writer.mark_garbage(first.segment, "retention")
    writer.mark_garbage(second.segment, "no event")
    assert [(gap.start_ns, gap.end_ns, gap.detail) for gap in writer.gaps()] == [
        (at(0), at(3), "retention"),
        (at(3), at(6), "no event"),
    ]


@pytest.mark.parametrize(
    ("gap", "left"),
    [
        ((0, 5), [(0, 5)]),
        ((20, 25), [(20, 25)]),
        ((5, 12), [(5, 10)]),
        ((12, 25), [(20, 25)]),
        ((5, 25), [(5, 10), (20, 25)]),
        ((10, 20), []),
        ((12, 15), []),
        ((5, None), [(5, 10), (20, None)]),
        ((10, None), [(20, None)]),
        ((30, None), [(30, None)]),
    ],
)
def test_footage_takes_its_time_from_a_gap(gap: tuple[int, int | None], left: list[tuple[int, int | None]]) -> None:
    """What is left of a gap around footage from 10 to 20 is before it, after it, both, or nothing."""
    whole = GapRow("cam-1", "main", WallNs(gap[0]), None if gap[1] is None else WallNs(gap[1]), "disk")
    parts = subtract(whole, Span(WallNs(10), WallNs(20)))
    assert [(part.start_ns, part.end_ns) for part in parts] == left


def test_segments_are_found_by_camera_time_and_state(writer: CaptureWriter) -> None:
    """Half-open: a segment is found when it shares a nanosecond with what was asked for; an open one lasts."""
    for start in (0, 3, 6):
        record(writer, start, start + 3)
    writer.open_segment(row(9))
    writer.begin_run(replace(RUN, run="run-2", camera="cam-2"))
    writer.open_segment(open_row("cam-2", "main", at(0), "run-2", "main"))

    def starts(camera: str | None = "cam-1", since: float | None = None, until: float | None = None) -> list[WallNs]:
        since_ns = None if since is None else at(since)
        until_ns = None if until is None else at(until)
        return [found.start_ns for found in writer.segments(camera, since_ns, until_ns)]

    assert starts(None) == [at(0), at(0), at(3), at(6), at(9)]
    assert starts() == [at(0), at(3), at(6), at(9)]
    assert starts(since=3) == [at(3), at(6), at(9)]
    assert starts(until=3) == [at(0)]
    assert starts(since=2.9, until=3.1) == [at(0), at(3)]
    assert starts(since=100) == [at(9)]
    assert [found.start_ns for found in writer.segments("cam-1", state="closed", limit=2)] == [at(0), at(3)]
    assert [found.camera for found in writer.segments(state="open")] == ["cam-2", "cam-1"]
    assert [found.stream for found in writer.segments(stream="sub")] == []


def test_streams_of_a_camera_are_told_together_or_apart(writer: CaptureWriter) -> None:
    """Without a stream both of a camera's are given, by start; what has a segment or a gap is a recorded stream."""
    writer.begin_run(replace(RUN, run="run-sub", stream="sub"))
    for start in (0, 3):
        record(writer, start, start + 3)
        sub = open_row("cam-1", "sub", at(start + 1), "run-sub", "main")
        writer.open_segment(sub)
        writer.close_segment(sub.segment, facts(at(start + 1), at(start + 4), "run-sub"), PARTS)
    writer.begin_gap("cam-0", "sub", at(0), "frozen")

    def starts(**asked: Any) -> list[tuple[str, WallNs]]:
        return [(found.stream, found.start_ns) for found in writer.segments("cam-1", **asked)]

    both = [("main", at(0)), ("sub", at(1)), ("main", at(3)), ("sub", at(4))]
    assert starts() == both and starts(limit=3) == both[:3] and starts(since_ns=at(3.5)) == both[1:]
    assert starts(stream="sub") == both[1::2]
    assert [found.start_ns for found in writer.segments(since_ns=at(3.5))] == [start for _, start in both[1:]]
    assert writer.recorded_streams() == [("cam-0", "sub"), ("cam-1", "main"), ("cam-1", "sub")]


def test_gaps_are_found_by_camera_and_time(writer: CaptureWriter) -> None:
    """Half-open as segments; an open gap lasts."""
    writer.add_gap(GapRow("cam-1", "main", at(0), at(3), "disk"))
    writer.begin_gap("cam-1", "main", at(5), "frozen")
    writer.add_gap(GapRow("cam-2", "main", at(1), at(2), "disk"))
    assert [gap.camera for gap in writer.gaps()] == ["cam-1", "cam-2", "cam-1"]
    assert [gap.cause for gap in writer.gaps("cam-1", at(3))] == ["frozen"]
    assert [gap.cause for gap in writer.gaps("cam-1", until_ns=at(5))] == ["disk"]


@pytest.mark.slow
def test_answers_longer_than_one_read_are_whole(writer: CaptureWriter) -> None:
    """More segments, gaps, runs and garbage than one statement gives are all given, in order."""
    count = READ_ROWS_MAX + 10
    with writer.database.transaction("many rows") as do:
        for number in range(count):
            opened = row(number)
            columns = "segment, camera, stream, run, volume, path, state, start_ns"
            values = (opened.segment, f"cam-{number}", "main", "run-1", "main", opened.path, "open", opened.start_ns)
            do(f"INSERT INTO segment ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)
            gap = (at(number), at(number + 0.5), "disk", "")
            do(
                "INSERT INTO gap (camera, stream, start_ns, end_ns, cause, detail) VALUES ('c', 'main', ?, ?, ?, ?)",
                *gap,
            )
            do("INSERT INTO garbage VALUES (?, 'main', ?, '')", opened.segment, opened.path)
            do(
                f"INSERT INTO run ({RUN_COLUMNS}) "
                "SELECT ?, camera, stream, ?, NULL, codec, width, height, 1, 90000, 0, 0, '', NULL, NULL, NULL "
                "FROM run WHERE run = 'run-1'",
                f"run-x-{number}",
                at(number),
            )
    for found in ([row.start_ns for row in writer.segments()], [gap.start_ns for gap in writer.gaps()]):
        assert found == [at(number) for number in range(count)]
    assert len(writer.garbage()) == count and len(writer.runs()) == count + 1
    assert len(writer.segments(limit=READ_ROWS_MAX + 5)) == READ_ROWS_MAX + 5
    assert len(writer.closed_after(0, 10**9)) == 0


def test_a_volume_that_nobody_registered_is_fatal(writer: CaptureWriter) -> None:
    """A row without a place for its file is a broken promise."""
    with pytest.raises(Fatal, match="not registered"):
        writer.file_path(replace(row(0), volume="other"))


def test_a_volume_may_move(writer: CaptureWriter, tmp_path: Path) -> None:
    """Registering a volume again tells its new place; two volumes are never in one place."""
    writer.register_volume(Volume("main", Path("/mnt/disk-1")))
    assert writer.volumes() == [Volume("main", Path("/mnt/disk-1"))]
    with pytest.raises(NvrError):
        writer.register_volume(Volume("second", Path("/mnt/disk-1")))


def test_adopting_makes_room_and_the_run(writer: CaptureWriter) -> None:
    """An adopted file takes its time from gaps, brings its run, and is marked as adopted."""
    writer.begin_gap("cam-1", "main", at(0), "component_down")
    run = replace(RUN, run="run-9", ended_ns=at(5))
    opened = open_row("cam-1", "main", at(2), "run-9", "main")
    writer.adopt_segment(opened, run, facts(at(2), at(5), "run-9"), PARTS)
    (found,) = writer.segments()
    assert found.adopted and found.run == "run-9" and writer.run("run-9") == run
    assert gaps(writer) == [(0, 2, "component_down"), (5, None, "component_down")]


def test_totals_count_closed_segments_only(writer: CaptureWriter) -> None:
    """Totals are those of the closed segments of each stream, and name the one that was closed last."""
    assert writer.totals() == []
    first, second = record(writer, 0, 10), record(writer, 10, 20)
    writer.open_segment(row(20))
    [total] = writer.totals()
    sizes = [found.size_bytes for found in writer.segments(state="closed")]
    assert (total.camera, total.stream, total.segments, total.size_bytes) == ("cam-1", "main", 2, sum(sizes))
    assert total.newest == second.segment != first.segment


@pytest.mark.parametrize(
    ("since", "until", "starts"),
    [
        (0, 10, [0, 4]),
        (4, 10, [4]),
        (3.999, 10, [0, 4]),
        (4, 4.001, [4]),
        (0, 4, [0]),
        (8, 10, []),
        (7.999, 10, [4]),
        (-5, 0, []),
        (5, 6, [4]),
        (-50, 50, [0, 4, 20]),
    ],
)
def test_a_manifest_is_what_has_footage_in_the_window(
    writer: CaptureWriter, since: float, until: float, starts: list[float]
) -> None:
    """Closed segments that reach into the window, also from before it; not those that touch it, nor the open one."""
    for start, end in ((0, 4), (4, 8), (20, 24)):
        record(writer, start, end)
    writer.open_segment(row(24))
    found = writer.manifest("cam-1", Span(at(since), at(until)))
    assert [entry.start_ns for entry in found] == [at(start) for start in starts]


def test_a_manifest_says_what_the_rows_say(writer: CaptureWriter) -> None:
    """Each entry is its segment's row, GOP index included; of other streams and cameras there is nothing."""
    closed = record(writer, 0, 4)
    assert closed.facts is not None
    (entry,) = writer.manifest("cam-1", Span(at(0), at(9)))
    facts = closed.facts
    assert (entry.segment, entry.run, entry.volume, entry.path) == (closed.segment, "run-1", "main", closed.path)
    assert (entry.start_ns, entry.end_ns, entry.gops) == (facts.start_ns, facts.end_ns, facts.gops)
    assert (entry.codec, entry.width, entry.height, entry.time_base) == ("h264", 1280, 720, BASE)
    assert (entry.start_ticks, entry.init_bytes) == (facts.start_ticks, facts.init_bytes)
    assert writer.manifest("cam-1", Span(at(0), at(9)), "sub") == writer.manifest("cam-2", Span(at(0), at(9))) == []


@pytest.mark.slow
def test_a_manifest_longer_than_one_read_is_whole(writer: CaptureWriter) -> None:
    """A window of more segments than one statement gives has all of them, in order."""
    count = READ_ROWS_MAX + 3
    for number in range(count):
        record(writer, number, number + 1)
    found = writer.manifest("cam-1", Span(at(0), at(count)))
    assert [entry.start_ns for entry in found] == [at(number) for number in range(count)]
