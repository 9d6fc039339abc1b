"""Reads the box: disk, inodes, CPU, memory, temperature. The one door to psutil here; it judges nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from components.health_monitor.core.picture import Box
from components.shared.errors import Transient


class BoxProbe:
    """Reads the box that this process runs on; `media` is any path on the disk with the footage."""

    def __init__(self, media: Path, read_temperature: Callable[[], float | None] | None = None) -> None:
        """`read_temperature` asks for the hottest sensor some other way than here and now, since one may not answer."""
        self._media = media
        self._read_temperature = read_temperature or hottest
        # The first reading has no span to be about; it sets the start of the next one's.
        psutil.cpu_percent()

    def read(self) -> Box:
        """The box now. CPU is the mean since the last reading. Transient when the disk cannot be asked."""
        try:
            disk = os.statvfs(self._media)
        except OSError as error:
            raise Transient(f"disk of {self._media} cannot be asked: {error.strerror}") from error
        inodes_free_percent = 100.0 * disk.f_favail / disk.f_files if disk.f_files else 100.0
        return Box(
            disk_free_bytes=disk.f_bavail * disk.f_frsize,
            # What is kept for root does not count: it is neither used nor free for us.
            disk_total_bytes=(disk.f_blocks - disk.f_bfree + disk.f_bavail) * disk.f_frsize,
            inodes_free_percent=inodes_free_percent,
            cpu_percent=psutil.cpu_percent(),
            memory_percent=psutil.virtual_memory().percent,
            temperature_c=self._read_temperature(),
        )


def hottest() -> float | None:
    """The hottest sensor in degrees Celsius; virtual machines and some boards have none. Transient when one fails."""
    try:
        groups = psutil.sensors_temperatures()
    except OSError as error:
        raise Transient(f"temperature sensors cannot be read: {error}") from error
    readings = [reading.current for group in groups.values() for reading in group]
    return max(readings, default=None)
