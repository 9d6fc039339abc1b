"""Looks further than one picture: probes that may hang, work that does not get on, footage that went, forecasts.

Wires the decisions of `core` to what they need; `look` is called in every round and never waits for a device. What it
reads of the catalogues beyond the picture, it reads every minute, losses also at a hint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.health_monitor.core.box_watch import BoxWatch, Readings
from components.health_monitor.core.endpoint import Endpoint
from components.health_monitor.core.findings import Findings, Outlook, outlook_figures, reading_figures
from components.health_monitor.core.losses import judge_losses
from components.health_monitor.core.picture import Picture
from components.health_monitor.core.progress import Growth, ProgressWatch
from components.health_monitor.core.readings import (
    ClockReading,
    DiskReading,
    LinkReading,
    ThrottleReading,
    VolumeReading,
    WriteReading,
)
from components.health_monitor.probe_box import read_clock, read_throttle
from components.health_monitor.probe_disks import disk_of, read_disk, read_volume, time_write
from components.health_monitor.probe_link import time_connection
from components.health_monitor.prober import Probe, Prober, Start, start_thread
from components.health_monitor.probes import hottest
from components.health_monitor.works import Recent, read_growths, read_recent, read_works
from components.shared.catalogue.capture_rows import Volume
from components.shared.catalogue.site_forecast import SiteForecast, read_site_forecast
from components.shared.errors import Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import Snapshot
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import stream_stem
from components.shared.wire.recording_config import RetentionSection
from components.shared.wire.site_config import FOLDER_SCHEME
from components.shared.wire.units import NS_PER_S, MonotonicNs

RECENT_NS = 60 * NS_PER_S
"""How often volumes and losses are read without a hint: none of them changes by itself within a minute."""

LOST_SINCE_NS = 86_400 * NS_PER_S

QUICK_NS, SLOW_NS, RARE_NS = 10 * NS_PER_S, 60 * NS_PER_S, 3_600 * NS_PER_S
"""Paces of probes: what costs nothing, what costs a write or a packet, what wakes a disk."""

FORECAST_NS = 600 * NS_PER_S
"""Forecasts read every row of an archive: seconds for a year of 32 cameras."""

LONG_NS = 120 * NS_PER_S
"""How long a forecast of such an archive may take, or a disk to wake and tell of its health."""


class Inspection:
    """See the module; used by one thread."""

    def __init__(
        self,
        data: Path,
        lost_hints: Inbox,
        endpoint: Endpoint | None,
        clock: Clock,
        log: Log,
        start: Start = start_thread,
    ) -> None:
        """`endpoint` is where the cloud is, None for a site without one; `start` is how a probe is run."""
        self._data = data
        self._lost_hints = lost_hints
        self._clock = clock
        self._prober = Prober(clock, log, start)
        self._progress = ProgressWatch()
        self._box = BoxWatch()
        self._recent = Recent()
        self._recent_due_ns: MonotonicNs | None = None
        self._folder_cameras: frozenset[str] = frozenset()
        self._retention = RetentionSection()
        self._temperature: Probe[float] = Probe("temperature", hottest, QUICK_NS // 2)
        self._growths: Probe[list[Growth]] = Probe("footage", self._read_growths, QUICK_NS // 2)
        self._clock_state: Probe[ClockReading] = Probe("clock", read_clock, SLOW_NS)
        self._throttle: Probe[ThrottleReading] = Probe("processor", read_throttle, QUICK_NS)
        self._link = None if endpoint is None else _link_probe(endpoint, clock)
        self._forecast: Probe[SiteForecast] = Probe("forecasts", self._read_forecast, FORECAST_NS, LONG_NS)
        self._volumes: dict[Volume, _VolumeProbes] = {}

    def follow(self, snapshot: Snapshot | None) -> None:
        """These documents are in force now."""
        if snapshot is not None:
            self._retention = snapshot.site.document.retention
            self._folder_cameras = frozenset(
                camera
                for camera, loaded in snapshot.cameras.items()
                if loaded.document.source.url.startswith(FOLDER_SCHEME)
            )

    def temperature(self) -> float | None:
        """The hottest sensor that has answered lately."""
        return self._prober.reading(self._temperature)

    def look(self, picture: Picture) -> Findings:
        """What is found now, by what has been read by now."""
        self._read_recent()
        self._prober.look(self._probes())
        readings = self._readings()
        works = read_works(self._data)
        growths = self._prober.reading(self._growths)
        is_away = readings.link is not None and readings.link.round_trip_ns is None
        conditions = (
            *self._progress.look(picture.monotonic_ns, picture.heard, works, growths, is_cloud_away=is_away),
            *self._box.look(picture.monotonic_ns, picture.box, readings),
            *judge_losses(self._recent.losses, picture.wall_ns),
        )
        outlook = _outlook(self._prober.reading(self._forecast))
        return Findings(
            conditions,
            outlook_figures(outlook, conditions),
            reading_figures(readings, self._recent.camera_offsets_ns),
        )

    def _read_recent(self) -> None:
        now_ns = self._clock.monotonic_ns()
        is_hinted = bool(self._lost_hints.drain())
        if not is_hinted and self._recent_due_ns is not None and now_ns < self._recent_due_ns:
            return
        try:
            self._recent = read_recent(self._data, self._clock.wall_ns() - LOST_SINCE_NS)
        except Transient:
            return  # Capture has not made its catalogue yet; what was known stays known
        self._recent_due_ns = MonotonicNs(now_ns + RECENT_NS)
        self._volumes = {
            volume: self._volumes.get(volume) or _VolumeProbes(volume, self._data, self._clock)
            for volume in self._recent.volumes
        }

    def _probes(self) -> Iterator[Probe[object]]:
        yield from (self._temperature, self._growths, self._clock_state, self._throttle, self._forecast)
        if self._link is not None:
            yield self._link
        for volume in self._volumes.values():
            yield from (volume.room, volume.write, volume.health)

    def _readings(self) -> Readings:
        read = self._prober.reading
        rooms = [read(volume.room) for volume in self._volumes.values()]
        writes = [read(volume.write) for volume in self._volumes.values()]
        health = [read(volume.health) for volume in self._volumes.values()]
        return Readings(
            volumes=[room for room in rooms if room is not None],
            writes=[write for write in writes if write is not None],
            # Volumes on one disk tell of the same one.
            disks=list({disk.disk: disk for disk in health if disk is not None}.values()),
            clock=read(self._clock_state),
            link=None if self._link is None else read(self._link),
            throttle=read(self._throttle),
            silent=self._prober.silent(),
        )

    def _read_growths(self) -> list[Growth] | None:
        return read_growths(self._data, self._folder_cameras)

    def _read_forecast(self) -> SiteForecast:
        return read_site_forecast(self._data, self._retention, self._clock.wall_ns())


class _VolumeProbes:
    """The probes of one volume: each by itself, since each may hang in its own way."""

    def __init__(self, volume: Volume, data: Path, clock: Clock) -> None:
        name = volume.volume
        self._root = volume.root
        self._disk: str | None = None
        self.room: Probe[VolumeReading] = Probe(f"room of volume {name}", lambda: read_volume(volume, data), QUICK_NS)
        self.write: Probe[WriteReading] = Probe(
            f"write to volume {name}", lambda: time_write(volume, clock), SLOW_NS, SLOW_NS
        )
        self.health: Probe[DiskReading] = Probe(f"health of volume {name}", self._read_health, RARE_NS, LONG_NS)

    def _read_health(self) -> DiskReading | None:
        disk = disk_of(self._root)
        return None if disk is None else read_disk(disk)


def _link_probe(endpoint: Endpoint, clock: Clock) -> Probe[LinkReading]:
    return Probe("link to the cloud", lambda: time_connection(endpoint, clock), SLOW_NS, SLOW_NS)


def _outlook(forecast: SiteForecast | None) -> Outlook:
    if forecast is None:
        return Outlook()
    days = [volume.days_until_full for volume in forecast.volumes if volume.days_until_full is not None]
    uploads = forecast.uploads
    return Outlook(
        disk_full_days=min(days, default=None),
        uploads_done_hours=None if uploads is None else uploads.hours_until_done,
        is_never_uploaded=uploads is not None and uploads.hours_until_done is None,
        cameras_at_risk=tuple(stream_stem(one.camera, one.stream) for one in forecast.cameras if one.risk == "high"),
    )
