"""The section of the site's document that says how much of the link uploads may take, when, and how objects are kept.

A schedule of caps is a text per day of the week, since every leaf of a shadow carries metadata: spans of local time,
each with the cap that holds in it instead of the site's, in kbit/s, `08:00-18:00 2000, 22:00-24:00 none`. `0` sends
nothing, `none` is without a cap. A span lies within its day; one over midnight is two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from components.shared.wire.recording_config import SPANS_OF_DAY_MAX, minute_of_day

CAP_KBIT_S_MIN = 64
"""Less than this does not carry an object's headers within the limits of a request."""

CAP_KBIT_S_MAX = 10_000_000

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d) (none|\d{1,8})")


@dataclass(frozen=True, slots=True)
class CapSpan:
    """A span of a day, `[begin_minute, end_minute)` of local time, and its cap; None is none, 0 lets nothing out."""

    begin_minute: int
    end_minute: int
    cap_kbit_s: int | None


def parse_cap_day(text: str) -> tuple[CapSpan, ...]:
    """The spans of a day's text, in order; ValueError says what is wrong with it."""
    spans: list[CapSpan] = []
    for part in (part.strip() for part in text.split(",")) if text.strip() else ():
        found = _SPAN.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not 'HH:MM-HH:MM KBIT_S' or 'HH:MM-HH:MM none'")
        begin, end = minute_of_day(found[1], found[2]), minute_of_day(found[3], found[4])
        if begin >= end:
            raise ValueError(f"{part!r} ends before it begins: a span over midnight is two, one on each day")
        if spans and begin < spans[-1].end_minute:
            raise ValueError(f"{part!r} begins before the span before it ends")
        spans.append(CapSpan(begin, end, _cap(found[5])))
    if len(spans) > SPANS_OF_DAY_MAX:
        raise ValueError(f"a day has at most {SPANS_OF_DAY_MAX} spans, this one {len(spans)}")
    return tuple(spans)


def _cap(text: str) -> int | None:
    if text == "none":
        return None
    cap_kbit_s = int(text)
    if cap_kbit_s != 0 and not CAP_KBIT_S_MIN <= cap_kbit_s <= CAP_KBIT_S_MAX:
        raise ValueError(f"a cap is 0 (nothing is sent), none, or {CAP_KBIT_S_MIN} to {CAP_KBIT_S_MAX} kbit/s")
    return cap_kbit_s


def _check_cap_day(text: str) -> str:
    parse_cap_day(text)
    return text


CapDay = Annotated[
    str,
    Field(max_length=256),
    AfterValidator(_check_cap_day),
    WithJsonSchema({"type": "string", "maxLength": 256, "pattern": r"^[\s\d:,-]*(none[\s\d:,-]*)*$"}),
]
TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/=+@-]{1,64}$")]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9 _.:/=+@-]{0,128}$")]
StorageClass = Literal["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"]
"""Those from which footage plays at once; what is colder is a matter of the bucket's lifecycle."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CapScheduleSection(_Section):
    """Caps by the clock, per day of the week in the site's time zone; where no span is, the site's own cap holds."""

    mon: CapDay = ""
    tue: CapDay = ""
    wed: CapDay = ""
    thu: CapDay = ""
    fri: CapDay = ""
    sat: CapDay = ""
    sun: CapDay = ""


class StorageSection(_Section):
    """How the objects of a kind are kept: their storage class, and tags that lifecycle rules and bills go by."""

    storage_class: StorageClass = "STANDARD"
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=4)


class SyncSection(_Section):
    """How uploads use the link. `cap_kbit_s` bounds all of them together; none is without a cap.

    `paused` holds everything back, whatever schedule and cap say; what is queued stays queued. `segment` and
    `thumbnail` say how new objects of that kind are kept.
    """

    cap_kbit_s: int | None = Field(default=None, ge=CAP_KBIT_S_MIN, le=CAP_KBIT_S_MAX)
    schedule: CapScheduleSection = CapScheduleSection()
    paused: bool = False
    segment: StorageSection = StorageSection()
    thumbnail: StorageSection = StorageSection()
