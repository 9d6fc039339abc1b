"""What HealthMonitor knows at one moment: everybody's status, the streams, the uploads, the box.

Plain values, gathered by `gathering` and judged by `rules`. Ages are monotonic, so that a step of the wall clock never
makes a component look dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.shared.wire.units import MonotonicNs, WallNs


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest status of a component, and when it came."""

    received_ns: MonotonicNs
    version: str
    started_wall_ns: int
    last_progress_wall_ns: int
    backlog: int
    last_error: str | None
    last_error_wall_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A camera's stream as the capture catalogue has it."""

    camera: str
    stream: str
    state: str
    cause: str
    since_ns: WallNs
    failures: int


@dataclass(frozen=True, slots=True, order=True)
class CameraFault:
    """What is wrong with a camera's picture or clock, as VideoProcessor and `camera_faults` have decided."""

    kind: str
    camera: str
    reason: str


@dataclass(frozen=True, slots=True)
class Uploads:
    """What waits for the cloud, and what never gets there."""

    waiting: int
    waiting_bytes: int
    refused: int


@dataclass(frozen=True, slots=True)
class Box:
    """The machine. `temperature_c` is None where the box has no sensor that can be read."""

    disk_free_bytes: int
    disk_total_bytes: int
    inodes_free_percent: float
    cpu_percent: float
    memory_percent: float
    temperature_c: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything at one moment. `streams` and `uploads` are None while the catalogue is not there yet."""

    wall_ns: WallNs
    monotonic_ns: MonotonicNs
    watching_since_ns: MonotonicNs
    heard: Mapping[str, Heard]
    streams: tuple[Stream, ...] | None
    uploads: Uploads | None
    box: Box
    camera_faults: tuple[CameraFault, ...] = ()
