"""The section of the site's document that says what an alert is, and when nobody wants to be told.

Quiet hours are a text of spans of local time that come every day, `22:00-07:00` or `12:00-13:00, 22:00-07:00`; one that
ends before it begins goes over midnight. Each severity has its own, so that a critical alert can pass at night.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from components.shared.wire.alert_notice import Severity
from components.shared.wire.recording_config import MINUTES_OF_DAY, minute_of_day

QUIET_SPANS_MAX = 4
RULES_MAX = 16
"""Rules of one site: each is three leaves of a shadow."""

DAY_S = 86_400

CLEAR_AFTER_S_MIN = 30
"""Whoever watches looks every few seconds: a shorter calm is none."""

_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class QuietSpan:
    """Quiet from one minute of the day to another, `[begin, end)`; over midnight where the end is not the later one."""

    begin_minute: int
    end_minute: int

    def holds_at(self, minute: int) -> bool:
        """Whether a clock that shows this minute of the day is within the span."""
        if self.begin_minute < self.end_minute:
            return self.begin_minute <= minute < self.end_minute
        return minute >= self.begin_minute or minute < self.end_minute


def parse_quiet(text: str) -> tuple[QuietSpan, ...]:
    """The spans of a text; ValueError says what is wrong with it."""
    spans = []
    for part in (part.strip() for part in text.split(",")) if text.strip() else ():
        found = _SPAN.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not 'HH:MM-HH:MM'")
        begin, end = minute_of_day(found[1], found[2]), minute_of_day(found[3], found[4])
        if begin in {end, MINUTES_OF_DAY}:
            raise ValueError(f"{part!r} is no span: it begins where it ends; a whole day is '00:00-24:00'")
        spans.append(QuietSpan(begin, end))
    if len(spans) > QUIET_SPANS_MAX:
        raise ValueError(f"there are at most {QUIET_SPANS_MAX} spans of quiet hours, not {len(spans)}")
    return tuple(spans)


def _check_quiet(text: str) -> str:
    parse_quiet(text)
    return text


QuietText = Annotated[str, Field(max_length=64), AfterValidator(_check_quiet)]
AlertKind = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class QuietSection(_Section):
    """When alerts of a severity are held back, in the site's time zone; none is unless it is said here."""

    warning: QuietText = ""
    critical: QuietText = ""


class AlertRuleSection(_Section):
    """What is different for a kind of alert; what is not given is as the table in docs/alerts.md has it."""

    severity: Severity | None = None
    raise_after_s: int | None = Field(default=None, ge=0, le=DAY_S)
    clear_after_s: int | None = Field(default=None, ge=CLEAR_AFTER_S_MIN, le=DAY_S)


class AlertsSection(_Section):
    """Limits of alerts, quiet hours, and how many cameras a site has at least whose failures are told as one."""

    reconnects_per_hour: int = Field(default=5, ge=1, le=1000)
    disk_used_percent: int = Field(default=90, ge=50, le=99)
    disk_clear_percent: int = Field(default=85, ge=1, le=98)
    temperature_c: int = Field(default=85, ge=30, le=120)
    group_cameras: int = Field(default=4, ge=2, le=1000)
    quiet: QuietSection = QuietSection()
    rules: dict[AlertKind, AlertRuleSection] = Field(default_factory=dict, max_length=RULES_MAX)

    @model_validator(mode="after")
    def _check(self) -> AlertsSection:
        if self.disk_clear_percent >= self.disk_used_percent:
            raise ValueError("disk_clear_percent is below disk_used_percent: in between nothing changes")
        return self
