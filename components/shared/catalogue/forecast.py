"""How long a volume's room lasts: a forecast from what was recorded on it lately, for people and for health.

Pure but for `read_usage`, which counts. What is deleted meanwhile is in it as far as the ages say so: footage that
becomes older than the longest age makes room for new. It cannot know of cameras that will be added.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.retention import kept_bytes
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.units import NS_PER_S

DAY_NS = 86_400 * NS_PER_S

LATELY_NS = DAY_NS
"""A whole day, so that nights and days are both in it."""

RECORD_NS_MIN = 60 * NS_PER_S
"""From less than a minute of record nothing can be told."""

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class VolumeUsage:
    """What the catalogue knows of a volume; `recorded_bytes` were recorded within `recorded_ns` and are kept yet."""

    volume: str
    footage_bytes: int
    recorded_bytes: int
    recorded_ns: int
    oldest_ns: int | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long a volume's room lasts, with what it follows from. None where nothing can be told.

    `days_held`: how many days of footage fit. `days_until_full`: until less than `free_percent_min` is free and footage
    goes early; None when it goes for its age before that. `oldest_days` is how old the oldest footage is.
    """

    volume: str
    total_bytes: int
    free_bytes: int
    footage_bytes: int
    bytes_per_day: int
    oldest_days: float | None
    days_max: int
    days_held: float | None
    days_until_full: float | None


def forecast(
    usage: VolumeUsage, total_bytes: int, free_bytes: int, retention: RetentionSection, now_ns: int
) -> Forecast:
    """What becomes of a volume if things go on as lately."""
    room_bytes = max(0, free_bytes - total_bytes * retention.free_percent_min // _PERCENT)
    bytes_per_day = 0
    if usage.recorded_ns >= RECORD_NS_MIN:
        bytes_per_day = usage.recorded_bytes * DAY_NS // usage.recorded_ns
    days_held = days_until_full = None
    if bytes_per_day:
        days_held = round((usage.footage_bytes + room_bytes) / bytes_per_day, 2)
        if days_held < retention.days:
            days_until_full = round(room_bytes / bytes_per_day, 2)
    oldest_days = None if usage.oldest_ns is None else round(max(0, now_ns - usage.oldest_ns) / DAY_NS, 2)
    sizes = (total_bytes, free_bytes, usage.footage_bytes, bytes_per_day)
    return Forecast(usage.volume, *sizes, oldest_days, retention.days, days_held, days_until_full)


def read_usage(reader: CaptureReader, now_ns: int) -> list[VolumeUsage]:
    """What is on each volume, and what of it was recorded lately."""
    footage_bytes: dict[str, int] = {}
    for (name, _), size_bytes in kept_bytes(reader).items():
        footage_bytes[name] = footage_bytes.get(name, 0) + size_bytes
    return [_usage(reader, row.volume, footage_bytes.get(row.volume, 0), now_ns) for row in reader.volumes()]


def _usage(reader: CaptureReader, volume: str, footage_bytes: int, now_ns: int) -> VolumeUsage:
    if not footage_bytes:
        return VolumeUsage(volume, 0, 0, 0, None)
    oldest = "SELECT start_ns FROM segment WHERE volume = ? AND state = 'closed' ORDER BY start_ns LIMIT 1"
    oldest_ns = reader.database.read(oldest, volume)[0][0]
    # A record that has begun before the day tells a whole day, with its gaps; a younger one what it has.
    since_ns = max(oldest_ns, now_ns - LATELY_NS)
    lately = "SELECT coalesce(sum(size_bytes), 0) FROM segment WHERE start_ns >= ? AND volume = ? AND state = 'closed'"
    recorded_bytes = reader.database.read(lately, since_ns, volume)[0][0]
    return VolumeUsage(volume, footage_bytes, recorded_bytes, max(0, now_ns - since_ns), oldest_ns)
