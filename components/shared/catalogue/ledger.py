"""The account of a stream's days: how much is recorded, how much is a gap of what cause, and what nobody explains.

A day's account covers the time in which the stream's record runs: from its beginning to now, or to its end when nothing
is going on. It is taken from the roll-ups, or for one day from the rows themselves, with its gaps one by one; both must
say the same. Days are UTC days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.shared.catalogue.capture import CaptureReader, GapRow
from components.shared.catalogue.roll_ups import DAY_NS, day_of
from components.shared.wire.coverage import cover
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import Span, WallNs


@dataclass(frozen=True, slots=True)
class DayAccount:
    """One day of a stream; `window` is the part of it that the record runs through.

    `unexplained_ns` is in no segment and no gap, `doubled_ns` in more than one: both must be 0. Of roll-ups only the
    difference of the two is known; one of them is 0 then.
    """

    camera: str
    stream: StreamName
    day_ns: WallNs
    window: Span
    recorded_ns: int
    gaps_ns: dict[str, int]
    unexplained_ns: int
    doubled_ns: int
    segments: int
    size_bytes: int


def record_span(reader: CaptureReader, camera: str, stream: StreamName, now_ns: WallNs) -> Span | None:
    """From the beginning of a stream's record to now, or to its end when nothing is open; None without a record."""
    begin_ns = reader.record_begin_ns(camera, stream)
    end_ns = reader.record_end_ns(camera, stream)
    if begin_ns is None or end_ns is None:
        return None
    if reader.is_open(camera, stream):
        end_ns = max(end_ns, now_ns)
    return Span(begin_ns, end_ns)


def days_of_record(record: Span, days_max: int) -> Span:
    """The last so many days of a record, whole."""
    end_ns = day_of(record.end_ns - 1) + DAY_NS
    begin_ns = max(day_of(record.start_ns), end_ns - days_max * DAY_NS)
    return Span(WallNs(begin_ns), WallNs(end_ns))


def accounts_from_roll_ups(
    reader: CaptureReader, camera: str, stream: StreamName, days: Span, now_ns: WallNs
) -> list[DayAccount]:
    """The accounts of whole days, those without record left out."""
    record = record_span(reader, camera, stream, now_ns)
    if record is None:
        return []
    accounts = []
    for covered in reader.overview([camera], days, DAY_NS, now_ns, stream):
        window = _common(record, Span(covered.start_ns, covered.end_ns))
        if window is None:
            continue
        rest_ns = window.duration_ns - covered.accounted_ns
        accounts.append(
            DayAccount(
                *(camera, stream, covered.start_ns, window, covered.recorded_ns, dict(covered.gaps_ns)),
                *(max(0, rest_ns), max(0, -rest_ns), covered.segments, covered.size_bytes),
            )
        )
    return accounts


def account_from_rows(
    reader: CaptureReader, camera: str, stream: StreamName, day_ns: WallNs, now_ns: WallNs
) -> tuple[DayAccount, list[GapRow]] | None:
    """The account of one day counted from its rows, and its gaps; None for a day without record."""
    day = Span(day_ns, WallNs(day_ns + DAY_NS))
    record = record_span(reader, camera, stream, now_ns)
    window = None if record is None else _common(record, day)
    if window is None:
        return None
    segments = reader.segments(camera, day.start_ns, day.end_ns, stream=stream)
    gaps = reader.gaps(camera, day.start_ns, day.end_ns, stream)
    open_starts = [row.start_ns for row in segments if row.end_ns is None]
    open_starts += [gap.start_ns for gap in gaps if gap.end_ns is None]

    def span(start_ns: WallNs, end_ns: WallNs | None) -> Span:
        return Span(start_ns, _end_of_open(start_ns, open_starts, now_ns) if end_ns is None else end_ns)

    pieces = [span(row.start_ns, row.end_ns) for row in segments]
    reasons = [(span(gap.start_ns, gap.end_ns), gap.cause) for gap in gaps]
    found = cover(window, pieces, reasons)
    begun = [row for row in segments if day.start_ns <= row.start_ns]
    account = DayAccount(
        *(camera, stream, day_ns, window, found.recorded_ns, found.gaps_ns, _total_ns(found.missing)),
        *(_total_ns(found.doubled), len(begun), sum(row.size_bytes for row in begun)),
    )
    return account, gaps


def _end_of_open(start_ns: WallNs, open_starts: Sequence[WallNs], now_ns: WallNs) -> WallNs:
    """What is open lasts until now; where a segment and a gap are, until the later one of them begins."""
    return min((other for other in open_starts if other > start_ns), default=max(start_ns, now_ns))


def _common(one: Span, other: Span) -> Span | None:
    start_ns, end_ns = max(one.start_ns, other.start_ns), min(one.end_ns, other.end_ns)
    return Span(start_ns, end_ns) if start_ns < end_ns else None


def _total_ns(spans: Sequence[Span]) -> int:
    return sum(span.duration_ns for span in spans)
