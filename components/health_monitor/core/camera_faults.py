"""What is wrong with a camera that records: its clock, and whether its footage arrives on the disk.

What is wrong with its picture VideoProcessor has decided; it is only passed on. A camera's clock is compared with the
box's, so nothing is said of it while the box's is not believed: a time server speaks for it, or most cameras agree with
it. Each watch remembers what it has raised, so that an offset at the limit does not come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.health_monitor.core.picture import CameraFault, Stream
from components.shared.wire.units import NS_PER_S, MonotonicNs

CLOCK_WRONG = "camera_clock_wrong"
NOT_GROWING = "footage_not_growing"

CLOCK_OFF_NS_MAX = 5 * NS_PER_S
CLOCK_RIGHT_NS_MAX = 4 * NS_PER_S
"""Raised above the first, cleared below the second. A camera that asks a time server is right to a tenth of a second,
one that asks none drifts seconds in a week; Capture's measure is right to half a second."""

AGREEING_MIN = 2
"""Cameras, and more than half of those that tell the time, speak for the box's clock where no time server does."""

EPOCH_OFFSET_NS = -25_567 * 86_400 * NS_PER_S
"""1900 seen from 1970. Reports that count from there tell how long the camera has run (RFC 3550, 6.4.1), not the
time."""

UPTIME_NS_MAX = 3_650 * 86_400 * NS_PER_S

STILL_NS_MAX = 15 * NS_PER_S
"""A fragment is written every 0.4 s, or every GOP, and GOPs of more than 10 s are rare."""


@dataclass(frozen=True, slots=True)
class CameraClock:
    """By how much a camera's clock is ahead of the box's, and what it says then (ns since 1970)."""

    camera: str
    offset_ns: int
    wall_ns: int


class ClockFaults:
    """Which cameras have a wrong clock; asked in every look."""

    def __init__(self) -> None:
        self._wrong: set[str] = set()

    def judge(self, clocks: Sequence[CameraClock], is_synchronised: bool | None) -> list[CameraFault]:
        """The faults that hold. `is_synchronised` is the kernel's word on the box's clock, None when it cannot say."""
        telling = [clock for clock in clocks if not _counts_from_start(clock)]
        agreeing = sum(abs(clock.offset_ns) <= CLOCK_OFF_NS_MAX for clock in telling)
        is_believed = bool(is_synchronised) or (agreeing >= AGREEING_MIN and 2 * agreeing > len(telling))
        wrong: dict[str, int] = {}
        for clock in telling if is_believed else ():
            limit_ns = CLOCK_RIGHT_NS_MAX if clock.camera in self._wrong else CLOCK_OFF_NS_MAX
            if abs(clock.offset_ns) > limit_ns:
                wrong[clock.camera] = clock.offset_ns
        self._wrong = set(wrong)
        return [CameraFault(CLOCK_WRONG, camera, _apart(offset_ns)) for camera, offset_ns in sorted(wrong.items())]


class GrowthFaults:
    """Which streams say that they record while their footage on the disk does not grow; asked in every look."""

    def __init__(self) -> None:
        self._grew: dict[str, tuple[tuple[str, int] | None, MonotonicNs]] = {}

    def judge(
        self, streams: Sequence[Stream], files: Mapping[str, tuple[str, int]], now_ns: MonotonicNs
    ) -> list[CameraFault]:
        """The faults that hold. `files` has path and bytes of each recording stream's open file, by its subject."""
        recording = {stream.subject for stream in streams if stream.state == "recording"}
        found = []
        for subject in sorted(recording):
            file = files.get(subject)
            before, grew_ns = self._grew.get(subject, (None, now_ns))
            if subject not in self._grew or (file is not None and file != before):
                grew_ns = now_ns
            self._grew[subject] = (file, grew_ns)
            if now_ns - grew_ns > STILL_NS_MAX:
                reason = f"it is said to record, and nothing was written for more than {STILL_NS_MAX // NS_PER_S} s"
                found.append(CameraFault(NOT_GROWING, subject, reason))
        self._grew = {subject: seen for subject, seen in self._grew.items() if subject in recording}
        return found


def _counts_from_start(clock: CameraClock) -> bool:
    return EPOCH_OFFSET_NS <= clock.wall_ns < EPOCH_OFFSET_NS + UPTIME_NS_MAX


def _apart(offset_ns: int) -> str:
    """An offset for people; coarse, so that a reason does not change in every look."""
    seconds = abs(offset_ns) // NS_PER_S
    amount = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3600} h"
    return f"its clock is {amount} {'ahead of' if offset_ns > 0 else 'behind'} the box's"
