"""The sections of the documents that say what is recorded, when, and how long it is kept.

A schedule is a text per day of the week, since every leaf of a shadow carries metadata: spans of local time, each with
the mode it is recorded in, `08:00-18:00, 22:00-24:00 motion`. A span lies within its day; one over midnight is two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The keys of a schedule, in the order of `datetime.weekday`."""

MINUTES_OF_DAY = 24 * 60
SPANS_OF_DAY_MAX = 12

SpanMode = Literal["continuous", "motion"]
Mode = Literal["continuous", "motion", "schedule", "off"]
UploadPolicy = Literal["all", "events", "none"]

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)(?: (continuous|motion))?")


@dataclass(frozen=True, slots=True)
class DaySpan:
    """A span of a day, `[begin_minute, end_minute)` of local time, and the mode it is recorded in."""

    begin_minute: int
    end_minute: int
    mode: SpanMode


def parse_day(text: str) -> tuple[DaySpan, ...]:
    """The spans of a day's text, in order; ValueError says what is wrong with it."""
    spans: list[DaySpan] = []
    for part in (part.strip() for part in text.split(",")) if text.strip() else ():
        found = _SPAN.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not 'HH:MM-HH:MM' or 'HH:MM-HH:MM motion'")
        begin, end = minute_of_day(found[1], found[2]), minute_of_day(found[3], found[4])
        if begin >= end:
            raise ValueError(f"{part!r} ends before it begins: a span over midnight is two, one on each day")
        if spans and begin < spans[-1].end_minute:
            raise ValueError(f"{part!r} begins before the span before it ends")
        spans.append(DaySpan(begin, end, "motion" if found[5] == "motion" else "continuous"))
    if len(spans) > SPANS_OF_DAY_MAX:
        raise ValueError(f"a day has at most {SPANS_OF_DAY_MAX} spans, this one {len(spans)}")
    return tuple(spans)


def parse_moment(text: str) -> datetime:
    """A moment in UTC, `2026-11-21T10:00:00Z`; ValueError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a moment such as 2026-11-21T10:00:00Z") from error
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"{text!r} is not in UTC: it ends in Z")
    return moment


def minute_of_day(hour: str, minute: str) -> int:
    """Minutes since the day began, up to 24:00; ValueError when there is no such time."""
    at = int(hour) * 60 + int(minute)
    if int(minute) >= 60 or at > MINUTES_OF_DAY:
        raise ValueError(f"{hour}:{minute} is no time of a day, 00:00 to 24:00")
    return at


def _check_day(text: str) -> str:
    parse_day(text)
    return text


def _check_moment(text: str) -> str:
    parse_moment(text)
    return text


Day = Annotated[
    str,
    Field(max_length=256),
    AfterValidator(_check_day),
    WithJsonSchema({"type": "string", "maxLength": 256, "pattern": r"^[\s\d:,-]*((continuous|motion)[\s\d:,-]*)*$"}),
]
Moment = Annotated[
    str, AfterValidator(_check_moment), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-?(\d\d-?\d\d|W\d\d)"})
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class RecordingSection(_Section):
    """How footage is cut into files. `segment_s` is the target; the cut is at the next keyframe."""

    segment_s: int = Field(default=180, ge=1, le=600)


class RetentionSection(_Section):
    """How long footage is kept at the site, and how full the disk may become; what goes first is in the design.

    `days` is for plain footage, `event_days` for footage with a video event (its margins included); bookmarked
    footage is kept until its bookmark goes. `bytes_max` bounds all footage of the box, `free_percent_min` is what of
    each volume stays free. In the mode `motion`, footage without an event is kept `idle_minutes`. Other footage that is
    not uploaded yet is kept beyond its days, unless `keep_until_uploaded` is false: for a site that uploads nothing.
    """

    days: int = Field(default=30, ge=1, le=3650)
    event_days: int = Field(default=90, ge=1, le=3650)
    bytes_max: int | None = Field(default=None, ge=100_000_000)
    free_percent_min: int = Field(default=10, ge=1, le=50)
    idle_minutes: int = Field(default=10, ge=1, le=1440)
    event_before_s: int = Field(default=10, ge=0, le=300)
    event_after_s: int = Field(default=10, ge=0, le=300)
    keep_until_uploaded: bool = True


class CameraRetentionSection(_Section):
    """What is different for this camera; what is not given is as the site has it."""

    days: int | None = Field(default=None, ge=1, le=3650)
    event_days: int | None = Field(default=None, ge=1, le=3650)
    bytes_max: int | None = Field(default=None, ge=100_000_000)


class ScheduleSection(_Section):
    """When a camera in the mode `schedule` is recorded, per day of the week in the site's time zone."""

    mon: Day = ""
    tue: Day = ""
    wed: Day = ""
    thu: Day = ""
    fri: Day = ""
    sat: Day = ""
    sun: Day = ""


class ManualSection(_Section):
    """Somebody's start or stop by hand: it counts more than mode and schedule, until that moment or for good."""

    recording: bool
    until: Moment | None = None
