"""What was found beyond one picture: conditions, members of the flat summary, and figures of the table of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.health_monitor.core.box_watch import Readings
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.rules import Condition, names
from components.shared.wire import metrics
from components.shared.wire.metrics import Metric
from components.shared.wire.units import NS_PER_S

Figure = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Findings:
    """`summary` changes rarely; `figures` all the time, and are the site's as a whole."""

    conditions: tuple[Condition, ...] = ()
    summary: Mapping[str, Figure] = field(default_factory=dict)
    figures: Mapping[Metric, float] = field(default_factory=dict)


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


def reading_figures(readings: Readings, camera_offsets_ns: Iterable[int]) -> dict[Metric, float]:
    """The readings as figures of the site, of several the worst; what is not known is not in it."""
    link, throttle, clock = readings.link, readings.throttle, readings.clock
    found = {
        metrics.DISK_WRITE: _seconds(max((write.took_ns for write in readings.writes), default=None)),
        metrics.DISK_WORN: max(
            (disk.worn_percent for disk in readings.disks if disk.worn_percent is not None), default=None
        ),
        metrics.PROCESSOR_THROTTLED: None if throttle is None else bool(throttle.reasons),
        metrics.PROCESSOR_FREQUENCY: None if throttle is None else throttle.frequency_percent_max,
        metrics.CLOCK_SYNCHRONISED: None if clock is None else clock.is_synchronised,
        metrics.CLOCK_ERROR: None if clock is None else _seconds(clock.error_ns_max),
        metrics.CAMERA_CLOCK_APART: _seconds(max((abs(offset) for offset in camera_offsets_ns), default=None)),
        metrics.CLOUD_ROUND_TRIP: None if link is None else _seconds(link.round_trip_ns),
    }
    return {metric: float(value) for metric, value in found.items() if value is not None}


def alert_figures(raised: int, notices_waiting: int) -> dict[Metric, float]:
    """How many alerts are raised, and how many notices of alerts wait for the cloud."""
    return {metrics.ALERTS_RAISED: float(raised), metrics.NOTICES_WAITING: float(notices_waiting)}


def coarse(amount: float) -> float:
    """An amount in steps that people would say: tenths below 1, wholes below 10, then tens."""
    if amount < 1:
        return round(amount, 1)
    return float(round(amount)) if amount < 10 else float(round(amount, -1))


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / NS_PER_S
