"""What is wrong with a camera's clock.

What is wrong with its picture VideoProcessor has decided; it is only passed on. A camera's clock is compared with the
box's, so nothing is said of it while the box's is not believed: a time server speaks for it, or most cameras agree with
it. The watch remembers what it has raised, so that an offset at the limit does not come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.health_monitor.core.picture import CameraFault
from components.shared.wire.units import NS_PER_S

CLOCK_WRONG = "camera_clock_wrong"

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


def _counts_from_start(clock: CameraClock) -> bool:
    return EPOCH_OFFSET_NS <= clock.wall_ns < EPOCH_OFFSET_NS + UPTIME_NS_MAX


def _apart(offset_ns: int) -> str:
    """An offset for people; coarse, so that a reason does not change in every look."""
    seconds = abs(offset_ns) // NS_PER_S
    amount = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3600} h"
    return f"its clock is {amount} {'ahead of' if offset_ns > 0 else 'behind'} the box's"
