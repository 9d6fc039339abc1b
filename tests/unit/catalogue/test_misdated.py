"""A record that a wrong clock dated ahead: what is recorded now goes on in front of it, and nothing overlaps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, SegmentRow, Volume, open_row
from components.shared.catalogue.misdated import CAME_THERE, PUT_BACK, PUT_FORWARD, ROOM_NS_MIN
from components.shared.errors import Fatal, Transient
from components.shared.wire.object_keys import StreamName
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs
from tests.fakes.archive import START_NS, at

BASE = TimeBase(1, 90_000)
YEAR = 365 * 86_400
ROOM = ROOM_NS_MIN // NS_PER_S
STREAM: tuple[str, StreamName] = ("cam-1", "main")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CaptureWriter]:
    writer = CaptureWriter.open(tmp_path)
    writer.register_volume(Volume("main", tmp_path / "media" / "main"))
    writer.begin_run(RunRow("run-1", "cam-1", "main", START_NS, None, "h264", 1280, 720, BASE))
    yield writer
    writer.close()


def row(start: float) -> SegmentRow:
    return open_row("cam-1", "main", at(start), "run-1", "main")


def close(writer: CaptureWriter, start: float, end: float) -> None:
    facts = SegmentFacts(
        *(at(start), at(end), "run-1", "h264", 1280, 720, 45, 10_000, "ab" * 32, BASE, 0, 700),
        gops=(Gop(700, 9_300, 180_000),),
    )
    writer.close_segment(row(start).segment, facts, ("cd" * 32,))


def record(writer: CaptureWriter, start: float, end: float) -> None:
    writer.open_segment(row(start))
    close(writer, start, end)


def gaps(writer: CaptureWriter) -> list[tuple[float, float | None, str, str]]:
    def second(moment_ns: WallNs | None) -> float | None:
        return None if moment_ns is None else (moment_ns - START_NS) / NS_PER_S

    return [(second(gap.start_ns) or 0, second(gap.end_ns), gap.cause, gap.detail) for gap in writer.gaps("cam-1")]


def test_record_goes_on_at_the_true_time(writer: CaptureWriter) -> None:
    """After parting, footage begins at the true time; the time under the wrong clock is a gap; nothing is hidden."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    assert writer.part_from_future(*STREAM, at(30))
    assert writer.misdated_ns(*STREAM) == at(YEAR)
    assert writer.record_end_ns(*STREAM) == at(30)
    record(writer, 30, 40)
    writer.begin_gap(*STREAM, at(40), "frozen")
    writer.end_gap(*STREAM, at(50))
    assert gaps(writer) == [(10, 30, "clock", PUT_BACK), (40, 50, "frozen", "")]
    starts = [(found.start_ns - START_NS) // NS_PER_S for found in writer.segments("cam-1")]
    assert starts == [0, 30, YEAR]


def test_open_gap_comes_along(writer: CaptureWriter) -> None:
    """A gap that was open in the future goes on at the true time, with its cause."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.begin_gap(*STREAM, at(YEAR + 20), "unreachable", "no route")
    assert writer.part_from_future(*STREAM, at(30))
    assert gaps(writer) == [(10, 30, "clock", PUT_BACK), (30, None, "unreachable", "no route")]


def test_only_an_open_gap_is_ahead(writer: CaptureWriter) -> None:
    """When nothing was recorded under the wrong clock, its open gap moves and nothing is misdated."""
    record(writer, 0, 10)
    writer.begin_gap(*STREAM, at(YEAR), "unreachable")
    assert writer.part_from_future(*STREAM, at(30))
    assert writer.misdated_ns(*STREAM) is None
    assert gaps(writer) == [(10, 30, "clock", PUT_BACK), (30, None, "unreachable", "")]


def test_nothing_recorded_before(writer: CaptureWriter) -> None:
    """A stream that was only ever recorded under the wrong clock begins anew, without a gap before."""
    record(writer, YEAR, YEAR + 20)
    assert writer.part_from_future(*STREAM, at(30))
    record(writer, 30, 40)
    assert gaps(writer) == []


@pytest.mark.parametrize(("start", "is_possible"), [(30 + ROOM - 1, False), (30 + ROOM, True)])
def test_room_below_and_at_the_least(writer: CaptureWriter, start: int, is_possible: bool) -> None:
    """A record that begins again within the hour is not parted: it is not worth its end."""
    record(writer, 0, 10)
    record(writer, start, start + 10)
    assert writer.part_from_future(*STREAM, at(30)) == is_possible


def test_where_the_record_is_there_is_no_room(writer: CaptureWriter) -> None:
    """A moment that is recorded already, while a segment is open, or with nothing ahead: nothing is parted."""
    record(writer, 0, 10)
    assert not writer.part_from_future(*STREAM, at(30))
    record(writer, YEAR, YEAR + 20)
    assert not writer.part_from_future(*STREAM, at(5))
    assert not writer.part_from_future(*STREAM, at(YEAR + 10))
    writer.open_segment(row(YEAR + 20))
    assert not writer.part_from_future(*STREAM, at(30))


def test_what_is_misdated_is_not_written_over(writer: CaptureWriter) -> None:
    """What is recorded now may not reach into what is misdated: that would be recorded twice over one time."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    writer.open_segment(row(30))
    with pytest.raises(Fatal, match="overlaps"):
        close(writer, 30, YEAR + 1)
    with pytest.raises(Fatal, match="overlaps"):
        writer.add_gap(GapRow("cam-1", "main", at(YEAR - 5), at(YEAR + 5), "disk"))
    close(writer, 30, YEAR)


def test_true_time_comes_there(writer: CaptureWriter) -> None:
    """The record goes on behind what is misdated when the time comes there, and the way there is a gap."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    record(writer, 30, YEAR - 60)
    assert not writer.rejoin_future(*STREAM, at(YEAR - 1))
    assert writer.rejoin_future(*STREAM, at(YEAR))
    assert writer.misdated_ns(*STREAM) is None
    assert writer.record_end_ns(*STREAM) == at(YEAR + 20)
    assert gaps(writer)[-1] == (YEAR - 60, YEAR, "clock", CAME_THERE)


def test_segment_that_comes_there_unawares(writer: CaptureWriter) -> None:
    """A segment that would begin within what is misdated has to wait, as with any record."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    record(writer, 30, 40)
    with pytest.raises(Transient, match="a clock stepped back"):
        writer.open_segment(row(YEAR + 5))
    record(writer, YEAR + 20, YEAR + 30)


@pytest.mark.parametrize("end", [YEAR + 5, YEAR + 20, YEAR + 90])
def test_gap_that_lasts_beyond(writer: CaptureWriter, end: int) -> None:
    """A gap that lasts until after what is misdated is told before and behind it."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    writer.begin_gap(*STREAM, at(30), "unreachable", "no route")
    writer.end_gap(*STREAM, at(end))
    behind = [(YEAR + 20, end, "unreachable", "no route")] if end > YEAR + 20 else []
    assert gaps(writer)[1:] == [(30, YEAR, "unreachable", "no route"), *behind]
    record(writer, max(end, YEAR + 20), YEAR + 100)


@pytest.mark.parametrize("cause", ["clock", "component_down", "unreachable"])
def test_gap_over_now_ends_now(writer: CaptureWriter, cause: str) -> None:
    """A gap that a wrong clock made a year long lasts until now only, whatever its cause."""
    record(writer, 0, 10)
    writer.add_gap(GapRow("cam-1", "main", at(10), at(YEAR), cause))
    record(writer, YEAR, YEAR + 20)
    assert writer.part_from_future(*STREAM, at(30))
    record(writer, 30, 40)
    assert gaps(writer) == [(10, 30, cause, "")]
    assert writer.misdated_ns(*STREAM) == at(YEAR)


def test_deleted_footage_keeps_its_time(writer: CaptureWriter) -> None:
    """Where footage was, and was deleted, there is no room either: its time is accounted for."""
    record(writer, 0, 100)
    record(writer, YEAR, YEAR + 20)
    writer.mark_garbage(row(0).segment, "retention")
    assert not writer.part_from_future(*STREAM, at(30))


def test_another_cause_after_it(writer: CaptureWriter) -> None:
    """A gap that changes its cause after that time ends behind what is misdated, and the next begins there."""
    record(writer, 0, 10)
    record(writer, YEAR, YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    writer.begin_gap(*STREAM, at(30), "unreachable")
    writer.begin_gap(*STREAM, at(YEAR + 40), "frozen")
    assert gaps(writer)[2:] == [(YEAR + 20, YEAR + 40, "unreachable", ""), (YEAR + 40, None, "frozen", "")]


def test_wrong_again(writer: CaptureWriter) -> None:
    """A clock that goes wrong twice leaves two misdated spans; the nearer one ends the room."""
    record(writer, 0, 10)
    record(writer, 2 * YEAR, 2 * YEAR + 20)
    writer.part_from_future(*STREAM, at(30))
    record(writer, 30, 40)
    record(writer, YEAR, YEAR + 20)
    assert writer.part_from_future(*STREAM, at(60))
    assert writer.misdated_ns(*STREAM) == at(YEAR)
    record(writer, 60, 70)
    assert gaps(writer) == [(10, 30, "clock", PUT_BACK), (40, 60, "clock", PUT_BACK)]


def test_clock_put_forward(writer: CaptureWriter) -> None:
    """Time that a clock leaps over is a gap of its own cause; none where the record is already."""
    record(writer, 0, 10)
    writer.skip_to(*STREAM, at(3_600))
    writer.skip_to(*STREAM, at(100))
    assert gaps(writer) == [(10, 3_600, "clock", PUT_FORWARD)]


def test_guards_hold_whoever_writes(writer: CaptureWriter, tmp_path: Path) -> None:
    """The guards still refuse a row over another one, whoever writes it."""
    record(writer, 0, 10)
    connection = sqlite3.connect(tmp_path / "catalogue" / "capture.db")
    insert = "INSERT INTO segment (segment, camera, stream, run, volume, path, state, start_ns) VALUES "
    with pytest.raises(sqlite3.IntegrityError, match="overlaps another segment"):
        connection.execute(f"{insert} ('s', 'cam-1', 'main', 'run-1', 'main', 'p', 'open', ?)", (at(5),))
    connection.close()


def test_clock_of_a_run(writer: CaptureWriter) -> None:
    """By what a run's time is known is kept with it; what an old release wrote says nothing."""
    writer.set_run_clock("run-1", "sender", -3, 40)
    found = writer.run("run-1")
    assert found is not None
    assert (found.anchor_source, found.clock_offset_ns, found.anchor_uncertainty_ns) == ("sender", -3, 40)
