"""What the probes read, as values. None is "not known": a box without the sensor, or one that may not be asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VolumeReading:
    """A volume's room. `absent` says why its disk is not there; then nothing else is known.

    `is_own_disk` tells that it is another file system than the data root's. A file system without a fixed number of
    inodes has none to tell.
    """

    volume: str
    absent: str | None
    is_own_disk: bool = False
    free_bytes: int | None = None
    total_bytes: int | None = None
    inodes_free_percent: float | None = None


@dataclass(frozen=True, slots=True)
class WriteReading:
    """How long a small write took until the volume's disk had it."""

    volume: str
    took_ns: int


@dataclass(frozen=True, slots=True)
class DiskReading:
    """What a disk says of its own health. `passed` is its own judgement."""

    disk: str
    passed: bool | None = None
    bad_sectors: int | None = None
    worn_percent: int | None = None
    celsius: int | None = None


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the kernel says of the box's clock, whoever keeps it: the greatest error that it reckons with."""

    is_synchronised: bool
    error_ns_max: int


@dataclass(frozen=True, slots=True)
class LinkReading:
    """How long a connection to the cloud took to stand; None while it could not be made."""

    endpoint: str
    round_trip_ns: int | None


@dataclass(frozen=True, slots=True)
class ThrottleReading:
    """Why the processor runs slower than it could, now; empty when it does not. The limit is of its own frequency."""

    reasons: tuple[str, ...]
    frequency_percent_max: int | None
