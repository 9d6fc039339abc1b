"""The account of a day is the same from its rows and from the roll-ups, and explains every moment of the record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, Volume, open_row
from components.shared.catalogue.ledger import (
    DayAccount,
    account_from_rows,
    accounts_from_roll_ups,
    days_of_record,
    record_span,
)
from components.shared.catalogue.roll_ups import DAY_NS, HOUR_NS, day_of
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import NS_PER_S, Span, TimeBase, WallNs

DAY = WallNs(day_of(1_750_000_000 * NS_PER_S))
BASE = TimeBase(1, 90_000)


def hour(number: float) -> WallNs:
    return WallNs(DAY + int(number * HOUR_NS))


def opened(data: Path) -> CaptureWriter:
    writer = CaptureWriter.open(data)
    writer.register_volume(Volume("main", data / "media" / "main"))
    writer.begin_run(RunRow("run-1", "cam-1", "main", DAY, None, "h264", 64, 48, BASE))
    return writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[CaptureWriter]:
    writer = opened(tmp_path)
    yield writer
    writer.close()


def record(writer: CaptureWriter, start: float, end: float | None) -> None:
    row = open_row("cam-1", "main", hour(start), "run-1", "main")
    writer.open_segment(row)
    if end is not None:
        counts = (10, 1_000, "ab" * 32, BASE, 0, 100, (Gop(100, 900, 9),))
        facts = SegmentFacts(hour(start), hour(end), "run-1", "h264", 64, 48, *counts)
        writer.close_segment(row.segment, facts, ("cd" * 32,))


def gap(writer: CaptureWriter, start: float, end: float | None, cause: str = "disk") -> None:
    writer.add_gap(GapRow("cam-1", "main", hour(start), None if end is None else hour(end), cause))


def accounts(writer: CaptureWriter, now: float) -> list[DayAccount]:
    """By both ways, which must agree."""
    span = record_span(writer, "cam-1", "main", hour(now))
    if span is None or not span.duration_ns:
        return []
    days = days_of_record(span, 30)
    rolled_up = accounts_from_roll_ups(writer, "cam-1", "main", days, hour(now))
    counted = [
        account_from_rows(writer, "cam-1", "main", WallNs(day), hour(now))
        for day in range(days.start_ns, days.end_ns, DAY_NS)
    ]
    assert [found[0] for found in counted if found is not None] == rolled_up
    return rolled_up


def test_a_day_is_segments_and_gaps(writer: CaptureWriter) -> None:
    """Recorded time, gaps by cause, and what begins on the day; a day is counted from where the record begins."""
    record(writer, 2, 3)
    gap(writer, 3, 23.5)
    record(writer, 23.5, 24.5)
    gap(writer, 24.5, 26, "unreachable")
    first, second = accounts(writer, 30)
    assert (first.window, first.recorded_ns) == (Span(hour(2), hour(24)), 1.5 * HOUR_NS)
    assert (first.gaps_ns, first.segments, first.size_bytes) == ({"disk": 20.5 * HOUR_NS}, 2, 2_000)
    assert (second.window, second.recorded_ns) == (Span(hour(24), hour(26)), 0.5 * HOUR_NS)
    assert (second.gaps_ns, second.segments) == ({"unreachable": 1.5 * HOUR_NS}, 0)
    assert [account.unexplained_ns + account.doubled_ns for account in (first, second)] == [0, 0]


def test_what_goes_on_counts_until_now(writer: CaptureWriter) -> None:
    """An open segment, an open gap, or both in the moment between them: nothing is unexplained, nothing double."""
    record(writer, 0, 1)
    record(writer, 1, None)
    (account,) = accounts(writer, 4)
    assert (account.window.end_ns, account.recorded_ns) == (hour(4), 4 * HOUR_NS)
    writer.begin_gap("cam-1", "main", hour(3), "frozen")
    (account,) = accounts(writer, 4)
    assert (account.recorded_ns, account.gaps_ns) == (3 * HOUR_NS, {"frozen": HOUR_NS})
    assert (account.unexplained_ns, account.doubled_ns) == (0, 0)


def test_time_that_is_in_nothing_is_unexplained(writer: CaptureWriter) -> None:
    """A hole in the record is told by both ways."""
    record(writer, 0, 1)
    gap(writer, 1.5, 2)
    (account,) = accounts(writer, 5)
    assert account.unexplained_ns == 0.5 * HOUR_NS


def test_a_long_gap_is_in_each_of_its_days(writer: CaptureWriter) -> None:
    """A gap of many days fills each of them, and is listed on each."""
    record(writer, 0, 1)
    gap(writer, 1, 24 * 40, "box_down")
    found = accounts(writer, 24 * 50)
    assert len(found) == 30 and {account.gaps_ns["box_down"] for account in found} == {DAY_NS}
    told = account_from_rows(writer, "cam-1", "main", hour(24 * 20), hour(24 * 50))
    assert told is not None and [one.cause for one in told[1]] == ["box_down"]


def test_a_stream_or_day_without_record_has_no_account(writer: CaptureWriter) -> None:
    """Before the record, after it, and without one there is nothing to account for."""
    assert accounts(writer, 1) == []
    record(writer, 0, 1)
    assert account_from_rows(writer, "cam-1", "main", hour(-24), hour(50)) is None
    assert account_from_rows(writer, "cam-1", "main", hour(24), hour(50)) is None


SPANS = st.lists(st.tuples(st.floats(0.01, 40), st.sampled_from(["", "", "disk", "frozen", "hole"])), max_size=12)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(SPANS, st.floats(0, 23), st.booleans())
def test_recorded_and_gaps_and_holes_are_the_wall_time(
    spans: list[tuple[float, str]], begin: float, ends_open: bool
) -> None:
    """Whatever is recorded: both ways agree, and each day's parts add up to the time that its record runs through."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        writer = opened(Path(folder))
        at, last = begin, begin
        for length, what in spans:
            end = at + length
            if what == "":
                record(writer, at, end)
            elif what != "hole":
                gap(writer, at, end, what)
            at, last = end, last if what == "hole" else end
        if ends_open:
            gap(writer, last, None, "unreachable")
        for account in accounts(writer, last + 7):
            told_ns = account.recorded_ns + sum(account.gaps_ns.values()) + account.unexplained_ns
            assert told_ns == account.window.duration_ns and account.doubled_ns == 0
        writer.close()
