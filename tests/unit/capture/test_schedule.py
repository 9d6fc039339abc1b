"""When a camera is recorded: modes, starts and stops by hand, schedules in local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from components.capture.core.schedule import SEARCH, Decision, Wish, decide
from components.shared.wire.recording_config import ManualSection, Mode, ScheduleSection
from components.shared.wire.units import NS_PER_S, WallNs, format_iso, from_datetime

BERLIN = ZoneInfo("Europe/Berlin")
NOW = from_datetime(datetime(2026, 11, 25, 12, 30, tzinfo=UTC))  # a Wednesday, 13:30 in Berlin


def at(text: str) -> WallNs:
    """A moment in UTC."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def scheduled(schedule: ScheduleSection, zone: str, moment: str) -> tuple[str | None, str | None]:
    """The class of footage then, and until when (UTC, to the minute)."""
    decision = decide(Wish("schedule", ZoneInfo(zone), schedule), at(moment))
    assert (decision.recorded is None) == (decision.cause == "schedule")
    return decision.recorded, None if decision.until_ns is None else format_iso(decision.until_ns)[:16]


def every_day(text: str) -> ScheduleSection:
    return ScheduleSection(mon=text, tue=text, wed=text, thu=text, fri=text, sat=text, sun=text)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("continuous", Decision("continuous", None, None)),
        ("motion", Decision("motion", None, None)),
        ("off", Decision(None, "policy", None)),
        ("schedule", Decision(None, "schedule", None)),
    ],
)
def test_a_mode_holds_for_good(mode: Mode, expected: Decision) -> None:
    """A mode without a schedule never changes by itself; an empty schedule records nothing."""
    assert decide(Wish(mode, BERLIN), NOW) == expected


@pytest.mark.parametrize("mode", ["continuous", "motion", "schedule", "off"])
def test_a_start_by_hand_counts_more_than_any_mode(mode: Mode) -> None:
    """What was started by hand is recorded as `continuous`, for good or until its moment."""
    assert decide(Wish(mode, BERLIN, manual=ManualSection(recording=True)), NOW) == Decision("continuous", None, None)
    until = ManualSection(recording=True, until="2026-11-25T12:40:00Z")
    assert decide(Wish(mode, BERLIN, manual=until), NOW) == Decision("continuous", None, at("2026-11-25T12:40"))


def test_a_stop_by_hand_is_policy() -> None:
    """What was stopped by hand is not recorded for the cause `policy`."""
    stopped = Wish("continuous", BERLIN, manual=ManualSection(recording=False, until="2026-11-25T12:40:00Z"))
    assert decide(stopped, NOW) == Decision(None, "policy", at("2026-11-25T12:40"))


def test_a_hand_counts_until_its_moment_and_not_at_it() -> None:
    """From its moment on a start or stop by hand is as if it had never been, to the nanosecond."""
    stopped = Wish("motion", BERLIN, manual=ManualSection(recording=False, until="2026-11-25T12:40:00Z"))
    end_ns = at("2026-11-25T12:40")
    assert decide(stopped, WallNs(end_ns - 1)).recorded is None
    assert decide(stopped, end_ns) == Decision("motion", None, None)


def test_a_schedule_is_said_in_local_time() -> None:
    """A span begins and ends when a clock on the wall there shows its times; its end does not belong to it."""
    schedule = ScheduleSection(wed="08:00-14:00, 14:00-18:00 motion")
    assert scheduled(schedule, "Europe/Berlin", "2026-11-25T06:59:59") == (None, "2026-11-25T07:00")
    assert scheduled(schedule, "Europe/Berlin", "2026-11-25T07:00") == ("continuous", "2026-11-25T13:00")
    assert scheduled(schedule, "Europe/Berlin", "2026-11-25T13:00") == ("motion", "2026-11-25T17:00")
    assert scheduled(schedule, "Europe/Berlin", "2026-11-25T17:00") == (None, "2026-12-02T07:00")
    assert scheduled(schedule, "UTC", "2026-11-25T07:00") == (None, "2026-11-25T08:00")


def test_spans_that_meet_are_one() -> None:
    """Where one span ends and another of the same class begins, nothing changes: over midnight too."""
    schedule = ScheduleSection(wed="20:00-22:00, 22:00-24:00", thu="00:00-06:00")
    assert scheduled(schedule, "UTC", "2026-11-25T21:00") == ("continuous", "2026-11-26T06:00")


def test_a_schedule_of_everything_never_changes() -> None:
    """All days as a whole in one class are one answer for good; in two classes they are not."""
    assert scheduled(every_day("00:00-12:00, 12:00-24:00"), "Europe/Berlin", "2026-11-25T21:00") == ("continuous", None)
    mixed = every_day("00:00-24:00").model_copy(update={"sun": "00:00-24:00 motion"})
    assert scheduled(mixed, "UTC", "2026-11-25T21:00") == ("continuous", "2026-11-29T00:00")
    assert scheduled(mixed, "UTC", "2026-11-29T21:00") == ("motion", "2026-11-30T00:00")


def test_a_span_in_the_skipped_hour_does_not_happen() -> None:
    """Berlin, 2026-03-29: 02:00 is followed by 03:00, so 02:10 to 02:50 is not recorded that day, but a week later."""
    schedule = ScheduleSection(sun="02:10-02:50")
    assert scheduled(schedule, "Europe/Berlin", "2026-03-29T00:30") == (None, "2026-04-05T00:10")
    assert scheduled(schedule, "Europe/Berlin", "2026-03-22T01:00") == (None, "2026-03-22T01:10")


def test_a_span_over_the_skipped_hour_is_shorter() -> None:
    """01:30 to 03:30 lasts one hour that night; one that begins in the hour begins at its end."""
    assert scheduled(ScheduleSection(sun="01:30-03:30"), "Europe/Berlin", "2026-03-29T00:30") == (
        "continuous",
        "2026-03-29T01:30",
    )
    begins_within = ScheduleSection(sun="02:30-05:00")
    assert scheduled(begins_within, "Europe/Berlin", "2026-03-29T00:59") == (None, "2026-03-29T01:00")
    assert scheduled(begins_within, "Europe/Berlin", "2026-03-29T01:00") == ("continuous", "2026-03-29T03:00")


def test_a_span_that_ends_in_the_skipped_hour_ends_where_it_begins() -> None:
    """00:00 to 02:30 ends when the clocks jump from 02:00 to 03:00."""
    schedule = ScheduleSection(sun="00:00-02:30")
    assert scheduled(schedule, "Europe/Berlin", "2026-03-29T00:00") == ("continuous", "2026-03-29T01:00")


def test_a_span_in_the_repeated_hour_happens_twice() -> None:
    """New York, 2026-11-01: 01:00 to 02:00 comes twice, and so does 01:20 to 01:40."""
    schedule = ScheduleSection(sun="01:20-01:40")
    changes = []
    moment = "2026-11-01T05:00"
    for _ in range(4):
        recorded, until = scheduled(schedule, "America/New_York", moment)
        changes.append((recorded, until))
        assert until is not None
        moment = until
    assert changes == [
        (None, "2026-11-01T05:20"),
        ("continuous", "2026-11-01T05:40"),
        (None, "2026-11-01T06:20"),
        ("continuous", "2026-11-01T06:40"),
    ]


def test_a_span_over_the_repeated_hour_is_longer() -> None:
    """00:30 to 02:30 lasts three hours that night, in one piece."""
    schedule = ScheduleSection(sun="00:30-02:30")
    assert scheduled(schedule, "America/New_York", "2026-11-01T04:30") == ("continuous", "2026-11-01T07:30")


def test_clocks_may_change_by_half_an_hour() -> None:
    """Lord Howe, 2026-10-04: 02:00 is followed by 02:30; on 2026-04-05, 01:30 to 02:00 comes twice."""
    assert scheduled(ScheduleSection(sun="02:10-03:00"), "Australia/Lord_Howe", "2026-10-03T15:29") == (
        None,
        "2026-10-03T15:30",
    )
    twice = ScheduleSection(sun="01:45-02:00")
    assert scheduled(twice, "Australia/Lord_Howe", "2026-04-04T14:50") == ("continuous", "2026-04-04T15:00")
    assert scheduled(twice, "Australia/Lord_Howe", "2026-04-04T15:00") == (None, "2026-04-04T15:15")
    assert scheduled(twice, "Australia/Lord_Howe", "2026-04-04T15:15") == ("continuous", "2026-04-04T15:30")


def test_a_day_may_have_no_midnight() -> None:
    """Sao Paulo, 2018-11-04: Saturday 23:59 is followed by Sunday 01:00, where Sunday's spans begin."""
    sunday = ScheduleSection(sun="00:00-02:00")
    assert scheduled(sunday, "America/Sao_Paulo", "2018-11-04T02:59") == (None, "2018-11-04T03:00")
    assert scheduled(sunday, "America/Sao_Paulo", "2018-11-04T03:00") == ("continuous", "2018-11-04T04:00")
    over_night = ScheduleSection(sat="20:00-24:00", sun="00:00-06:00")
    assert scheduled(over_night, "America/Sao_Paulo", "2018-11-04T01:00") == ("continuous", "2018-11-04T08:00")


def test_midnight_may_come_twice() -> None:
    """Beirut, 2026-10-25: 24:00 goes back to 23:00 of the Saturday, whose last hour is recorded twice."""
    schedule = ScheduleSection(sat="23:30-24:00")
    assert scheduled(schedule, "Asia/Beirut", "2026-10-24T20:30") == ("continuous", "2026-10-24T21:00")
    assert scheduled(schedule, "Asia/Beirut", "2026-10-24T21:00") == (None, "2026-10-24T21:30")
    assert scheduled(schedule, "Asia/Beirut", "2026-10-24T21:30") == ("continuous", "2026-10-24T22:00")


def test_an_answer_holds_for_a_bounded_time() -> None:
    """A schedule that changes at all tells of a change within the time that is searched."""
    decision = decide(Wish("schedule", BERLIN, ScheduleSection(sun="02:10-02:50")), NOW)
    assert decision.until_ns is not None
    assert decision.until_ns - NOW <= SEARCH / timedelta(seconds=1) * NS_PER_S
