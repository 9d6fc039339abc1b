"""What was found beyond one picture: conditions, members of the flat summary, and figures for the telemetry alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.health_monitor.core.box_watch import Readings
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import Condition, names
from components.shared.wire.units import NS_PER_MS

Figure = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Findings:
    """`summary` changes rarely; `figures` all the time."""

    conditions: tuple[Condition, ...] = ()
    summary: Mapping[str, Figure] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)


def nothing_found(_picture: Picture) -> Findings:
    """Of whoever does not look further."""
    return Findings()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the forecasts say in all; None is "not known", and for days and hours also "never"."""

    disk_full_days: float | None = None
    uploads_done_hours: float | None = None
    is_never_uploaded: bool = False
    cameras_at_risk: tuple[str, ...] = ()


def outlook_figures(outlook: Outlook, conditions: Iterable[Condition]) -> dict[str, Figure]:
    """The outlook for the summary: coarse, so that a quiet site does not change its document all the time."""
    days, hours = outlook.disk_full_days, outlook.uploads_done_hours
    return {
        "footage_lost": names(sorted({one.subject for one in conditions if one.kind == "footage_lost"})),
        "disk_full_days": None if days is None else coarse(days),
        "uploads_done_hours": None if hours is None else coarse(hours),
        "uploads_fall_behind": outlook.is_never_uploaded,
        "cameras_at_risk": names(outlook.cameras_at_risk),
    }


def reading_figures(readings: Readings, camera_offsets_ns: Iterable[int]) -> dict[str, Figure]:
    """The readings for the telemetry; what is not known is not in it."""
    offset_ns = max((abs(offset) for offset in camera_offsets_ns), default=None)
    link, throttle, clock = readings.link, readings.throttle, readings.clock
    found: dict[str, Figure] = {
        "disk_write_ms_max": max((write.took_ns // NS_PER_MS for write in readings.writes), default=None),
        "camera_clock_offset_ms_max": None if offset_ns is None else offset_ns // NS_PER_MS,
        "clock_synchronised": None if clock is None else clock.is_synchronised,
        "clock_error_ms_max": None if clock is None else clock.error_ns_max // NS_PER_MS,
        "cloud_round_trip_ms": None
        if link is None or link.round_trip_ns is None
        else round(link.round_trip_ns / NS_PER_MS, 1),
        "processor_throttled": None if throttle is None else bool(throttle.reasons),
        "processor_frequency_percent_max": None if throttle is None else throttle.frequency_percent_max,
        "disk_worn_percent_max": max(
            (disk.worn_percent for disk in readings.disks if disk.worn_percent is not None), default=None
        ),
    }
    return {name: value for name, value in found.items() if value is not None}


def coarse(amount: float) -> float:
    """An amount in steps that people would say: tenths below 1, wholes below 10, then tens."""
    if amount < 1:
        return round(amount, 1)
    return float(round(amount)) if amount < 10 else float(round(amount, -1))
