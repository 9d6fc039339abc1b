"""Schedules, retention and manual starts in the documents: what is legal, and what is said of the rest."""

from datetime import UTC, datetime

import pytest

from components.shared.errors import Rejected
from components.shared.wire.recording_config import DaySpan, parse_day, parse_moment
from components.shared.wire.site_config import parse_camera, parse_site

CAMERA = {"schema": 1, "name": "Yard", "source": {"url": "rtsp://camera/1"}}


def test_a_day_is_spans_in_order_each_with_its_mode() -> None:
    """Spans are half open, in minutes of local time; a day may be empty and may last until 24:00."""
    assert parse_day("") == ()
    assert parse_day("00:00-24:00") == (DaySpan(0, 1440, "continuous"),)
    assert parse_day("08:00-18:30 motion, 18:30-24:00") == (
        DaySpan(480, 1110, "motion"),
        DaySpan(1110, 1440, "continuous"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8-18", "is not 'HH:MM-HH:MM'"),
        ("08:00-18:00 off", "is not 'HH:MM-HH:MM'"),
        ("18:00-08:00", "a span over midnight is two"),
        ("08:00-08:00", "ends before it begins"),
        ("08:00-24:01", "24:01 is no time of a day"),
        ("08:60-09:00", "08:60 is no time of a day"),
        ("08:00-10:00,09:00-11:00", "begins before the span before it ends"),
        (",".join(f"{hour:02}:00-{hour:02}:30" for hour in range(13)), "at most 12 spans"),
    ],
)
def test_a_bad_day_says_what_is_wrong(text: str, says: str) -> None:
    """The message names the part that is wrong."""
    with pytest.raises(ValueError, match=says):
        parse_day(text)


def test_a_camera_takes_schedule_manual_sub_stream_and_retention() -> None:
    """All of it in one document, with defaults for what is not given."""
    document = parse_camera(
        "yard",
        {
            **CAMERA,
            "mode": "schedule",
            "schedule": {"mon": "08:00-18:00", "sun": "00:00-24:00 motion"},
            "manual": {"recording": True, "until": "2026-11-21T10:00:00Z"},
            "sub": {"url": "rtsp://camera/2"},
            "retention": {"days": 7},
        },
    ).document
    assert document.schedule.mon == "08:00-18:00" and document.schedule.tue == ""
    assert document.sub is not None and document.sub.record is False and document.snapshot_s == 30
    assert document.retention.days == 7 and document.retention.event_days is None


def test_faults_name_their_fields() -> None:
    """All faults of a document are told together."""
    raw = {**CAMERA, "schedule": {"mon": "25:00-26:00"}, "manual": {"recording": True, "until": "soon"}}
    with pytest.raises(Rejected, match=r"(?s)schedule\.mon.*manual\.until"):
        parse_camera("yard", raw)
    with pytest.raises(Rejected, match=r"retention\.free_percent_min"):
        parse_site({"schema": 1, "retention": {"free_percent_min": 0}})


@pytest.mark.parametrize("url", ["folder://relative", "folder:///", "folder:///srv/../etc", "ftp://host/x"])
def test_a_source_is_a_stream_or_an_absolute_folder(url: str) -> None:
    """A folder to import from is named by its absolute path."""
    with pytest.raises(Rejected, match=r"source\.url"):
        parse_camera("yard", {**CAMERA, "source": {"url": url}})


def test_files_of_a_folder_may_be_a_cameras_source() -> None:
    """With the time zone that their names tell their times in."""
    source = parse_camera(
        "yard", {**CAMERA, "source": {"url": "folder:///srv/ftp/yard", "time_zone": "Europe/Berlin"}}
    ).document.source
    assert (source.url, source.time_zone) == ("folder:///srv/ftp/yard", "Europe/Berlin")


def test_a_moment_is_in_utc() -> None:
    """A time without a zone would be somebody's local time."""
    assert parse_moment("2026-11-21T10:00:00Z") == datetime(2026, 11, 21, 10, tzinfo=UTC)
    for text in ("2026-11-21T10:00:00", "2026-11-21T10:00:00+01:00", "tomorrow"):
        with pytest.raises(ValueError, match=r"2026|tomorrow"):
            parse_moment(text)
