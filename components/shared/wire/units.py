"""Time and spans as values.

Three times that are never mixed: wall (UTC, when it happened), monotonic (how long it took), media (what the camera's
stream says). They are three types, so that a type checker refuses to add one to another; this module and the
recorder's timeline are the only places that convert.

Invariants: integers only; spans are half open `[start, end)`; text is UTC with a `Z`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NewType

from components.shared.errors import Rejected

WallNs = NewType("WallNs", int)
"""Nanoseconds since 1970-01-01T00:00:00Z by the box's clock: may jump."""

MonotonicNs = NewType("MonotonicNs", int)
"""Nanoseconds since the box booted: never jumps, means nothing after a reboot."""

MediaTicks = NewType("MediaTicks", int)
"""A decode or presentation time of a stream, in ticks of its `TimeBase`."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})\.(\d{3})Z")


@dataclass(frozen=True, slots=True)
class TimeBase:
    """Seconds per tick as a fraction: 1/90000 for most video."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if self.numerator <= 0 or self.denominator <= 0:
            raise Rejected(f"time base {self.numerator}/{self.denominator}: both parts must be positive")

    def to_ns(self, ticks: int) -> int:
        """Nanoseconds in `ticks`, rounded down."""
        return ticks * self.numerator * NS_PER_S // self.denominator

    def from_ns(self, duration_ns: int) -> MediaTicks:
        """Whole ticks in `duration_ns`, rounded down."""
        return MediaTicks(duration_ns * self.denominator // (self.numerator * NS_PER_S))

    @property
    def fraction(self) -> Fraction:
        """The time base as PyAV wants it."""
        return Fraction(self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval `[start_ns, end_ns)` of wall time; empty spans are allowed, backward ones are not."""

    start_ns: WallNs
    end_ns: WallNs

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise Rejected(f"span ends before it starts: {self.start_ns} to {self.end_ns}")

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return self.end_ns - self.start_ns

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one nanosecond."""
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns


def to_datetime(wall_ns: int) -> datetime:
    """The UTC datetime of a wall time, rounded down to microseconds."""
    return _EPOCH + timedelta(microseconds=wall_ns // 1000)


def from_datetime(moment: datetime) -> WallNs:
    """The wall time of an aware datetime. A naive one is refused: nobody knows which zone it meant."""
    if moment.tzinfo is None:
        raise Rejected(f"time {moment.isoformat()} has no time zone")
    delta = moment - _EPOCH
    return WallNs((delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000)


def format_stamp(wall_ns: int) -> str:
    """`YYYYMMDDTHHMMSS.mmmZ`, rounded down to milliseconds: unique per segment, sortable as text."""
    moment = to_datetime(wall_ns)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z"


def parse_stamp(text: str) -> WallNs:
    """The wall time of a stamp made by `format_stamp`; anything else is Rejected, naming the text."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise Rejected(f"time stamp {text!r} is not of the form YYYYMMDDTHHMMSS.mmmZ")
    year, month, day, hour, minute, second, millisecond = (int(part) for part in found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC)
    except ValueError as error:
        raise Rejected(f"time stamp {text!r} names no real moment: {error}") from error
    return from_datetime(moment)


def format_iso(wall_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds, for people: `2026-11-21T04:05:06.789Z`."""
    moment = to_datetime(wall_ns)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
