"""The soak's account: what is in no gap and no file, twice, or dated wrong is found, whoever is to blame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, StreamRow, Volume, open_row
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs
from lab.recorded_files import RecordedFiles, read_recorded
from lab.simulated_cameras import GOP, loop, picture
from lab.soak_account import Account, Verdict, judge
from lab.soak_plan import BEGINS_WALL_NS, DAY_NS, HOUR_NS, make_plan
from local.cameras.stamp import read_stamp

BASE = TimeBase(1, 90_000)
DAY = "2026-11-01"


def at(second: int) -> WallNs:
    return WallNs(BEGINS_WALL_NS + second * NS_PER_S)


class Record:
    """A data root with one camera, as Capture would leave it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.rows = CaptureWriter.open(data)
        self.rows.register_volume(Volume("main", data / "media"))
        self.rows.begin_run(RunRow("run-1", "cam-1", "main", at(0), None, "h264", 96, 64, BASE))
        self.rows.set_stream(StreamRow("cam-1", "main", "recording", "", at(0), 0, at(0)))
        self.account = Account(make_plan(1, HOUR_NS))
        self.files = RecordedFiles(data, data / "recorded-0000.txt")
        self.given: list[int] = []

    def segment(self, start: int, end: int, numbers: range | list[int] | None = None, away: int = 0) -> None:
        """A segment from second to second with these pictures in it, a picture a second unless said otherwise."""
        row = open_row("cam-1", "main", at(start + away), "run-1", "main")
        self.rows.open_segment(row)
        content = b"".join(picture("cam-1", number) for number in numbers or range(start, end))
        path = self.rows.file_path(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        facts = SegmentFacts(
            *(at(start + away), at(end + away), "run-1", "h264", 96, 64, end - start, len(content), "ab" * 32),
            *(BASE, 0, 10),
            gops=(Gop(10, len(content), 90_000),),
        )
        self.rows.close_segment(row.segment, facts, ("cd" * 32,))

    def gap(self, start: int, end: int, cause: str = "unreachable") -> None:
        self.rows.add_gap(GapRow("cam-1", "main", at(start), at(end), cause))

    def give(self, *numbers: int) -> None:
        self.given += numbers

    def judge(self, calm_from: int = 0) -> Verdict:
        path = self.data / "given-0000.txt"
        path.write_text(f"cam-1 {' '.join(map(str, self.given))}\n")
        self.account.read_given(path)
        self.files.look()
        self.account.read_recorded(self.data / "recorded-0000.txt")
        return judge(self.account, self.rows, lambda number: number >= calm_from)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.rows.close()


def test_picture_carries_its_number() -> None:
    """Each picture is a real access unit with its own number in it; the first of a GOP has parameter sets before it."""
    assert len(loop()) == GOP
    for number in (0, 7, 10, 86_399):
        stamp = read_stamp(picture("cam-1", number))
        assert stamp is not None and stamp.lap * GOP + stamp.frame == number


def test_all_is_well(record: Record) -> None:
    """Pictures in files, the rest in gaps: nothing is unexplained."""
    record.segment(0, 20)
    record.gap(20, 30)
    record.segment(30, 50)
    record.give(*range(20), *range(24, 50))
    verdict = record.judge()
    assert max(verdict.unexplained_s.values(), default=0.0) == 0
    assert (verdict.overlap_s, verdict.pictures_doubled, verdict.away_s_calm) == (0, 0, 0)
    assert (verdict.pictures_given, verdict.pictures_recorded, verdict.pictures_lost) == (46, 40, 6)
    assert verdict.gaps_s == {"unreachable": 10.0}


def test_second_in_neither(record: Record) -> None:
    """Seconds in no segment and no gap are unexplained."""
    record.segment(0, 20)
    record.segment(23, 40)
    assert record.judge().unexplained_s["cam-1", DAY] == 3


def test_picture_in_no_file(record: Record) -> None:
    """A picture that was given while a segment was recorded, and is not in it, is unexplained."""
    record.segment(0, 20, [number for number in range(20) if number not in (5, 6)])
    record.give(*range(20))
    assert record.judge().unexplained_s["cam-1", DAY] == 2


def test_gap_that_is_too_short(record: Record) -> None:
    """What was lost beyond the length of the gap beside it is unexplained: the gap does not tell it."""
    record.segment(0, 20)
    record.gap(20, 24)
    record.segment(24, 40, range(40, 56))
    record.give(*range(56))
    assert record.judge().unexplained_s["cam-1", DAY] == 20 - 4


def test_gaps_in_a_row_tell_together(record: Record) -> None:
    """Gaps of several causes, one after the other, tell one absence."""
    record.segment(0, 20)
    record.gap(20, 24, "component_down")
    record.gap(24, 30, "starting")
    record.segment(30, 40)
    record.give(*range(40))
    assert record.judge().unexplained_s["cam-1", DAY] == 0


def test_picture_in_two_files(record: Record) -> None:
    """A picture that is in two files is counted."""
    record.segment(0, 20)
    record.segment(20, 40, range(19, 40))
    record.give(*range(40))
    assert record.judge().pictures_doubled == 1


def test_date_that_is_wrong(record: Record) -> None:
    """How far a segment is dated from the truth is judged from the calm on, not before."""
    record.segment(0, 20)
    record.gap(20, 22)
    record.segment(20, 40, away=2)
    assert record.judge(0).away_s_calm == 2
    assert record.judge(21).away_s_calm == 0


def test_what_is_misdated_lies_apart(record: Record) -> None:
    """What a wrong clock dated a year ahead leaves no hole in the record of now."""
    record.segment(0, 20)
    record.segment(20, 40, away=365 * 86_400)
    record.rows.part_from_future("cam-1", "main", at(40))
    record.segment(40, 60)
    record.give(*range(60))
    verdict = record.judge(40)
    assert max(verdict.unexplained_s.values(), default=0.0) == 0
    assert (verdict.overlap_s, verdict.away_s_calm) == (0, 0)


def test_deleted_footage_was_read_before(record: Record) -> None:
    """What retention deletes later counts as recorded, once, whichever life looks next."""
    record.segment(0, 20)
    record.files.look()
    record.rows.mark_garbage(open_row("cam-1", "main", at(0), "run-1", "main").segment, "retention")
    record.segment(20, 40)
    record.give(*range(40))
    verdict = record.judge()
    assert (verdict.pictures_recorded, verdict.pictures_doubled) == (40, 0)
    assert max(verdict.unexplained_s.values(), default=0.0) == 0
    after = record.data / "recorded-0001.txt"
    record.segment(40, 50)
    RecordedFiles(record.data, after).look()
    assert [file.numbers for file in read_recorded(after)] == [tuple(range(40, 50))]


@pytest.mark.parametrize("days", [1, 3])
def test_plan(days: int) -> None:
    """Every process draws the same plan; lives follow each other, spans do not overlap, the end is calm."""
    plan = make_plan(8, days * DAY_NS)
    assert plan == make_plan(8, days * DAY_NS)
    assert plan != replace(plan, lives=()) and plan.lives[0].begins_ns == 0 and plan.lives[-1].ends_ns == days * DAY_NS
    assert all(one.ends_ns < other.begins_ns for one, other in itertools.pairwise(plan.lives))
    assert {life.is_killed for life in plan.lives} == {True, False}
    for camera in plan.cameras:
        for kind in ("away", "frozen", "refused", "stalled"):
            spans = [(fault.begins_ns, fault.ends_ns) for fault in camera.faults if fault.kind == kind]
            assert spans == sorted(spans)
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert plan.clock[-1].off_ns == 0 and plan.clock[-1].is_synchronised
