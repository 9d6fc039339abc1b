"""What is wrong with the box, decided from what the probes read: disks, processor, memory, clock, link.

Some limits need more than one reading, because one alone is no news: a write that is slow once, a busy minute, a clock
that nobody has put right yet after a start. How long is stated with each limit. Unknown is never wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from components.health_monitor.core.picture import Box
from components.health_monitor.core.readings import (
    ClockReading,
    DiskReading,
    LinkReading,
    ThrottleReading,
    VolumeReading,
    WriteReading,
)
from components.health_monitor.core.rules import DISK_USED_PERCENT_MAX, INODES_FREE_PERCENT_MIN, Condition
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs

WRITE_NS_MAX = 2 * NS_PER_S
"""Capture syncs all cameras of a disk once a second: one that takes longer for a small write falls behind."""

SLOW_WRITES = 2
"""So many in a row: one alone may have met a burst of somebody's."""

CPU_PERCENT_MAX = 95.0
CPU_SPAN_NS = 300 * NS_PER_S
"""The mean of five minutes: an export or a start may use all of it for a while."""

MEMORY_PERCENT_MAX = 95.0
"""From here on the kernel ends processes, Capture among them."""

UNSYNCHRONISED_NS = 1_800 * NS_PER_S
"""A time server is found within minutes of a start, if there is one."""

LINK_FAILURES = 3
"""Connections in a row that could not be made, a minute apart: the alerts of the cloud itself take longer."""

WORN_PERCENT_MAX = 90
"""What flash has used of its life by its own count: time to order another."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What all probes read by now; None, or not in it, is unknown. `silent` are probes that do not answer."""

    volumes: Sequence[VolumeReading] = ()
    writes: Sequence[WriteReading] = ()
    disks: Sequence[DiskReading] = ()
    clock: ClockReading | None = None
    link: LinkReading | None = None
    throttle: ThrottleReading | None = None
    silent: Sequence[str] = ()


@dataclass(slots=True)
class BoxWatch:
    """Remembers what needs remembering; `look` is called in every round."""

    _cpu: deque[tuple[int, float]] = field(default_factory=deque)
    _slow: dict[str, int] = field(default_factory=dict)
    _writes: dict[str, WriteReading] = field(default_factory=dict)
    _unsynchronised_since_ns: MonotonicNs | None = None
    _link: LinkReading | None = None
    _link_failures: int = 0

    def look(self, now_ns: MonotonicNs, box: Box, readings: Readings) -> list[Condition]:
        """What is wrong now."""
        return [
            *(condition for volume in readings.volumes for condition in _volume(volume)),
            *self._slow_writes(readings.writes),
            *(condition for disk in readings.disks for condition in _disk(disk)),
            *self._box(now_ns, box),
            *self._clock(now_ns, readings.clock),
            *self._cloud(readings.link),
            *_throttle(readings.throttle),
            *(
                Condition("probe_silent", name, "it does not answer: its disk or device hangs")
                for name in readings.silent
            ),
        ]

    def _slow_writes(self, writes: Sequence[WriteReading]) -> list[Condition]:
        found = []
        for write in writes:
            if self._writes.get(write.volume) is not write:  # a reading that was counted already says nothing new
                self._writes[write.volume] = write
                self._slow[write.volume] = self._slow.get(write.volume, 0) + 1 if write.took_ns > WRITE_NS_MAX else 0
            if self._slow[write.volume] >= SLOW_WRITES:
                reason = f"a small write takes more than {WRITE_NS_MAX // NS_PER_MS} ms until the disk has it"
                found.append(Condition("disk_slow", write.volume, reason))
        return found

    def _box(self, now_ns: MonotonicNs, box: Box) -> list[Condition]:
        found = []
        self._cpu.append((now_ns, box.cpu_percent))
        while self._cpu[0][0] < now_ns - CPU_SPAN_NS:
            self._cpu.popleft()
        # Only a whole span tells: the first reading must be about as old as that.
        is_whole = now_ns - self._cpu[0][0] > CPU_SPAN_NS * 9 // 10
        if is_whole and sum(percent for _, percent in self._cpu) / len(self._cpu) > CPU_PERCENT_MAX:
            reason = f"more than {CPU_PERCENT_MAX:.0f} % of the processor are in use, over five minutes"
            found.append(Condition("cpu_overloaded", "box", reason))
        if box.memory_percent > MEMORY_PERCENT_MAX:
            reason = f"more than {MEMORY_PERCENT_MAX:.0f} % of the memory are in use"
            found.append(Condition("memory_nearly_used_up", "box", reason))
        return found

    def _clock(self, now_ns: MonotonicNs, clock: ClockReading | None) -> list[Condition]:
        if clock is None or clock.is_synchronised:
            self._unsynchronised_since_ns = None
            return []
        if self._unsynchronised_since_ns is None:
            self._unsynchronised_since_ns = now_ns
        if now_ns - self._unsynchronised_since_ns <= UNSYNCHRONISED_NS:
            return []
        reason = f"no time server has kept the clock right for more than {UNSYNCHRONISED_NS // NS_PER_S // 60} min"
        return [Condition("clock_not_synchronised", "box", reason)]

    def _cloud(self, link: LinkReading | None) -> list[Condition]:
        if link is not self._link:
            self._link = link
            self._link_failures = self._link_failures + 1 if link and link.round_trip_ns is None else 0
        if link is None or self._link_failures < LINK_FAILURES:
            return []
        reason = f"{link.endpoint} cannot be reached; recording does not need it"
        return [Condition("cloud_unreachable", "box", reason)]


def _volume(volume: VolumeReading) -> list[Condition]:
    if volume.absent is not None:
        return [Condition("volume_absent", volume.volume, volume.absent)]
    found = []
    # What is on the data root's file system is judged there, once.
    if volume.is_own_disk and volume.total_bytes and volume.free_bytes is not None:
        used_percent = 100 - 100 * volume.free_bytes / volume.total_bytes
        if used_percent > DISK_USED_PERCENT_MAX:
            reason = f"more than {DISK_USED_PERCENT_MAX:.0f} % are used"
            found.append(Condition("volume_nearly_full", volume.volume, reason))
    inodes = volume.inodes_free_percent
    if volume.is_own_disk and inodes is not None and inodes < INODES_FREE_PERCENT_MIN:
        reason = f"less than {INODES_FREE_PERCENT_MIN:.0f} % are free"
        found.append(Condition("inodes_nearly_used_up", volume.volume, reason))
    return found


def _disk(disk: DiskReading) -> list[Condition]:
    found = []
    if disk.passed is False:
        found.append(Condition("disk_failing", disk.disk, "it says itself that it is about to fail"))
    elif disk.bad_sectors:
        found.append(Condition("disk_failing", disk.disk, f"it tells of {disk.bad_sectors} bad sectors"))
    if disk.worn_percent is not None and disk.worn_percent >= WORN_PERCENT_MAX:
        found.append(Condition("disk_worn_out", disk.disk, f"it has used {disk.worn_percent} % of its life"))
    return found


def _throttle(throttle: ThrottleReading | None) -> list[Condition]:
    if throttle is None or not throttle.reasons:
        return []
    return [Condition("processor_throttled", "box", "; ".join(throttle.reasons))]
