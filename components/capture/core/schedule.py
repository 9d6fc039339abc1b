"""Whether a camera is recorded at a moment, in which class, and how long that answer holds.

A start or stop by hand counts more than the mode, until its moment has passed. Footage that somebody asked for by hand
is of the class `continuous`, whatever the mode says: it was wanted.

A schedule is said in local time, and a moment belongs to a span if and only if a clock on the wall there shows a time
within it. Where clocks change, by whatever amount and at whatever hour, that means:

- The hour that is skipped is not there: a span that lies in it does not happen that day, one over it is shorter.
- The hour that is repeated happens twice: a span in it is recorded both times, one over it is longer.
- A day whose midnight is skipped begins at the first time that its clocks show.

Spans that meet over midnight, `20:00-24:00` and `00:00-06:00`, are one recording on every night of the year.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

from components.shared.wire.recording_config import (
    DAYS,
    MINUTES_OF_DAY,
    DaySpan,
    ManualSection,
    Mode,
    ScheduleSection,
    SpanMode,
    parse_day,
    parse_moment,
)
from components.shared.wire.units import WallNs, from_datetime, to_datetime

NotRecorded = Literal["schedule", "policy"]
"""Why nothing is recorded: the schedule says so, or a mode or somebody's hand does. Also the gap's cause."""

SEARCH = timedelta(days=15)
"""Every change of a weekly schedule comes within a week, or a week later where the clocks' change swallowed it."""

_STEP = timedelta(hours=6)
"""No place on earth has changed its clocks twice within this."""

EMPTY = ScheduleSection()

Week = tuple[tuple[DaySpan, ...], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, from the moment that was asked for and as long as the wall clock shows less than `until_ns`.

    `recorded` is the class of the footage, None when nothing is to be recorded, for `cause` then. Nothing changes by
    itself when `until_ns` is None; otherwise it is asked again then, and the answer may be the same.
    """

    recorded: SpanMode | None
    cause: NotRecorded | None
    until_ns: WallNs | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a camera's document says when it is recorded, and the site's time zone."""

    mode: Mode
    zone: tzinfo
    schedule: ScheduleSection = EMPTY
    manual: ManualSection | None = None


def decide(wish: Wish, now_ns: WallNs) -> Decision:
    """What to do at that moment of wall time."""
    manual = wish.manual
    if manual is not None:
        until_ns = None if manual.until is None else from_datetime(parse_moment(manual.until))
        if until_ns is None or now_ns < until_ns:
            return Decision("continuous", None, until_ns) if manual.recording else Decision(None, "policy", until_ns)
    if wish.mode == "off":
        return Decision(None, "policy", None)
    if wish.mode != "schedule":
        return Decision(wish.mode, None, None)
    return _scheduled(_week(wish.schedule), wish.zone, now_ns)


@lru_cache(maxsize=256)
def _week(schedule: ScheduleSection) -> Week:
    return tuple(parse_day(getattr(schedule, day)) for day in DAYS)


def _scheduled(week: Week, zone: tzinfo, now_ns: WallNs) -> Decision:
    now = to_datetime(now_ns)
    recorded = _class_at(week, zone, now)
    cause: NotRecorded | None = None if recorded else "schedule"
    if _is_all_the_same(week):
        return Decision(recorded, cause, None)
    for moment in _moments_of_change(week, zone, now):
        if _class_at(week, zone, moment) != recorded:
            return Decision(recorded, cause, from_datetime(moment))
    return Decision(recorded, cause, from_datetime(now + SEARCH))


def _class_at(week: Week, zone: tzinfo, moment: datetime) -> SpanMode | None:
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    for span in week[local.weekday()]:
        if span.begin_minute <= minute < span.end_minute:
            return span.mode
    return None


def _is_all_the_same(week: Week) -> bool:
    """Whether every day is recorded as a whole, in one class, or none is at all."""
    kinds: set[SpanMode | None] = set()
    for spans in week:
        reached = 0
        for span in spans:
            if span.begin_minute != reached:
                return False
            reached = span.end_minute
            kinds.add(span.mode)
        if spans and spans[-1].end_minute != MINUTES_OF_DAY:
            return False
        if not spans:
            kinds.add(None)
    return len(kinds) == 1


def _moments_of_change(week: Week, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    """The moments after that one at which the answer may change, in order: ends of spans, and changes of the clocks."""
    begin = after
    while begin < after + SEARCH:
        end = begin + _STEP
        found = set(_ends_of_spans(week, zone, begin, end))
        change = _change_of_clocks(zone, begin, end)
        if change is not None:
            found.add(change)
        yield from sorted(moment for moment in found if begin < moment <= end)
        begin = end


def _ends_of_spans(week: Week, zone: tzinfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """When spans begin and end between those moments, both times where an hour is repeated."""
    first, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for span in week[day.weekday()]:
            for minute in (span.begin_minute, span.end_minute):
                for fold in (0, 1):
                    yield _utc(day, minute, fold, zone)


def _utc(day: date, minute: int, fold: int, zone: tzinfo) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (midnight + timedelta(minutes=minute)).replace(fold=fold).astimezone(UTC)


def _change_of_clocks(zone: tzinfo, begin: datetime, end: datetime) -> datetime | None:
    """When the clocks changed between those moments, to the second; None if they show the same offset at both."""
    base = begin.replace(microsecond=0)
    offset = _offset(zone, base)
    if _offset(zone, end) == offset:
        return None
    before_s, after_s = 0, int((end - base).total_seconds()) + 1
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset(zone, base + timedelta(seconds=middle_s)) == offset:
            before_s = middle_s
        else:
            after_s = middle_s
    return base + timedelta(seconds=after_s)


def _offset(zone: tzinfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
