"""The box's clocks behind one protocol, so that whoever needs time gets it as an argument.

Wall time says when something happened and may jump; monotonic time says how long it took and never jumps. Waiting is
part of the clock, because a test moves time instead of sleeping; it always has a limit.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

WAIT_NS_MAX = 3_600 * NS_PER_S
"""A longer wait is cut to an hour: no wait of ours is meant to be longer, and the system's limit is not reached."""


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def wall_ns(self) -> WallNs:
        """Nanoseconds since 1970 in UTC by the box's clock."""

    def monotonic_ns(self) -> MonotonicNs:
        """Nanoseconds since the box booted."""

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """Wait until the event is set, at most `duration_ns`; whether it was set."""


class SystemClock:
    """The clocks of this box."""

    def wall_ns(self) -> WallNs:
        """Nanoseconds since 1970 in UTC by the box's clock."""
        return WallNs(time.time_ns())

    def monotonic_ns(self) -> MonotonicNs:
        """Nanoseconds since the box booted, its sleep not counted."""
        return MonotonicNs(time.monotonic_ns())

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """Wait until the event is set, at most `duration_ns`; whether it was set."""
        return event.wait(min(max(duration_ns, 0), WAIT_NS_MAX) / NS_PER_S)
