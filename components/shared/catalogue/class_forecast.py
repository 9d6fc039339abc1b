"""How long a volume's room lasts, by the classes of its footage: each grows at its own rate until it is as old as it is
kept.

A class grows by what was recorded of it lately and is kept yet, until its oldest footage is as old as it may become;
from then on as much goes as comes. The volume is full when all classes together have used up the room. It cannot know
of cameras that will be added, nor of events in continuous footage, which keep some of it for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.catalogue.forecast import DAY_NS, LATELY_NS, RECORD_NS_MIN
from components.shared.wire.recording_config import RetentionSection

FootageClass = Literal["continuous", "motion"]

_BEFORE_ALL = -(2**63)
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class ClassUsage:
    """Footage of one class on a volume. `lately_bytes` of it were recorded within `lately_ns`."""

    volume: str
    footage_class: FootageClass
    footage_bytes: int
    lately_bytes: int
    lately_ns: int
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class ClassForecast:
    """How a class goes on: so many bytes a day, for so many days yet (0: as much goes as comes)."""

    footage_class: FootageClass
    footage_bytes: int
    bytes_per_day: int
    oldest_days: float
    days_kept: int
    grows_days: float


@dataclass(frozen=True, slots=True)
class VolumeForecast:
    """When a volume is full, with what that follows from. `room_bytes` may be filled before footage goes early.

    `days_until_full` is None when it never is, as far as can be told.
    """

    volume: str
    total_bytes: int
    free_bytes: int
    room_bytes: int
    days_until_full: float | None
    classes: tuple[ClassForecast, ...]


def forecast_volume(
    volume: str,
    usages: Sequence[ClassUsage],
    total_bytes: int,
    free_bytes: int,
    retention: RetentionSection,
    now_ns: int,
) -> VolumeForecast:
    """What becomes of a volume if things go on as lately."""
    room_bytes = max(0, free_bytes - total_bytes * retention.free_percent_min // _PERCENT)
    classes = tuple(_forecast(usage, retention, now_ns) for usage in usages if usage.volume == volume)
    full = days_until_full(room_bytes, [(one.bytes_per_day, one.grows_days) for one in classes])
    return VolumeForecast(volume, total_bytes, free_bytes, room_bytes, full, classes)


def days_until_full(room_bytes: int, growths: Sequence[tuple[int, float]]) -> float | None:
    """When the room is used up by things that each grow so many bytes a day for so many days; None when never."""
    left, day = float(room_bytes), 0.0
    for until in sorted({days for rate, days in growths if rate > 0 and days > 0}):
        rate = sum(rate for rate, days in growths if days >= until)
        if left <= rate * (until - day):
            return round(day + left / rate, 2)
        left -= rate * (until - day)
        day = until
    return None


def read_class_usage(reader: CaptureReader, now_ns: int) -> list[ClassUsage]:
    """What is on each volume of each class, and what of it was recorded lately; in short reads."""
    found: dict[tuple[str, int], list[int]] = {}
    sql = (
        "SELECT volume, motion_segment.segment IS NOT NULL, sum(size_bytes), "
        "sum(CASE WHEN start_ns >= ?4 THEN size_bytes ELSE 0 END), min(start_ns), max(start_ns), count(*) FROM "
        "(SELECT segment, volume, size_bytes, start_ns FROM segment WHERE camera = ?1 AND stream = ?2 "
        "AND state = 'closed' AND start_ns > ?3 ORDER BY start_ns LIMIT ?5) AS page "
        "LEFT JOIN motion_segment ON motion_segment.segment = page.segment GROUP BY 1, 2"
    )
    for camera, stream in reader.recorded_streams():
        after_ns, count = _BEFORE_ALL, READ_ROWS_MAX
        while count == READ_ROWS_MAX:
            page = reader.database.read(sql, camera, stream, after_ns, now_ns - LATELY_NS, READ_ROWS_MAX)
            for volume, is_motion, size_bytes, lately_bytes, oldest_ns, *_ in page:
                sums = found.setdefault((volume, is_motion), [0, 0, oldest_ns])
                sums[0] += size_bytes
                sums[1] += lately_bytes
                sums[2] = min(sums[2], oldest_ns)
            count = sum(row[6] for row in page)
            after_ns = max((row[5] for row in page), default=after_ns)
    return [
        ClassUsage(
            *(volume, "motion" if is_motion else "continuous", size_bytes, lately_bytes),
            # A record that has begun before the day tells a whole day, with its gaps; a younger one what it has.
            *(max(0, min(LATELY_NS, now_ns - oldest_ns)), oldest_ns),
        )
        for (volume, is_motion), (size_bytes, lately_bytes, oldest_ns) in sorted(found.items())
    ]


def _forecast(usage: ClassUsage, retention: RetentionSection, now_ns: int) -> ClassForecast:
    # What the mode `motion` leaves is footage with events, after minutes.
    days_kept = retention.event_days if usage.footage_class == "motion" else retention.days
    oldest_days = max(0, now_ns - usage.oldest_ns) / DAY_NS
    per_day = usage.lately_bytes * DAY_NS // usage.lately_ns if usage.lately_ns >= RECORD_NS_MIN else 0
    grows_days = round(max(0.0, days_kept - oldest_days), 2)
    return ClassForecast(
        usage.footage_class, usage.footage_bytes, per_day, round(oldest_days, 2), days_kept, grows_days
    )
