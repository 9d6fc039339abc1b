"""A schedule agrees with a clock on the wall that is looked at every minute, for weeks around changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.capture.core.schedule import Wish, decide
from components.shared.wire.recording_config import DAYS, ScheduleSection, SpanMode
from components.shared.wire.units import WallNs, from_datetime

AROUND_CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("Pacific/Apia", "2011-12-30"),  # a whole day is skipped
    ("Asia/Kathmandu", "1986-01-01"),  # by a quarter of an hour, for good
]
DAYS_BEFORE, DAYS_AFTER = 4, 10

# Hours at which clocks change come up more often.
MINUTES = st.one_of(st.integers(0, 24 * 60), st.sampled_from([0, 15, 30, 60, 90, 120, 130, 150, 180, 23 * 60, 1440]))


@st.composite
def days(draw: st.DrawFn) -> str:
    """The text of a day."""
    marks = sorted(draw(st.sets(MINUTES, max_size=6)))
    spans = []
    for begin, end in zip(marks[::2], marks[1::2], strict=False):
        mode = draw(st.sampled_from(["", " motion", " continuous"]))
        spans.append(f"{begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}{mode}")
    return ", ".join(spans)


SCHEDULES = st.builds(ScheduleSection, **{day: days() for day in DAYS})


def looked_up(schedule: ScheduleSection, zone: ZoneInfo, moment: datetime) -> SpanMode | None:
    """The class of footage by the clock on the wall, found by comparing texts."""
    local = moment.astimezone(zone)
    shown = f"{local:%H:%M}"
    text: str = getattr(schedule, f"{local:%a}".lower())
    for part in text.split(", ") if text else []:
        times, _, mode = part.partition(" ")
        begin, end = times.split("-")
        if begin <= shown < end:
            return "motion" if mode == "motion" else "continuous"
    return None


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(schedule=SCHEDULES, where=st.sampled_from(AROUND_CHANGES), offset_s=st.integers(0, 59))
def test_schedule_agrees_with_the_clock_on_the_wall(
    schedule: ScheduleSection, where: tuple[str, str], offset_s: int
) -> None:
    """Every minute of two weeks is in the class that the clock says, and each answer held exactly as long as told."""
    zone = ZoneInfo(where[0])
    begin = datetime.fromisoformat(where[1]).replace(tzinfo=UTC) - timedelta(days=DAYS_BEFORE)
    wish = Wish("schedule", zone, schedule)
    decision = decide(wish, from_datetime(begin + timedelta(seconds=offset_s)))
    for minute in range((DAYS_BEFORE + DAYS_AFTER) * 24 * 60):
        moment = begin + timedelta(minutes=minute, seconds=offset_s)
        expected = looked_up(schedule, zone, moment)
        moment_ns = from_datetime(moment)
        if decision.until_ns is not None and moment_ns >= decision.until_ns:
            before, changed_ns = decision, decision.until_ns
            assert moment_ns - changed_ns < 60 * 10**9, f"{moment}: the change at {changed_ns} was told a minute late"
            decision = decide(wish, changed_ns)
            assert decision.recorded != before.recorded, f"{moment}: nothing changed when a change was told"
            assert decide(wish, WallNs(changed_ns - 1)).recorded == before.recorded
        assert decision.recorded == expected, f"{moment} in {zone.key}"
        assert decision.cause == (None if expected else "schedule")
