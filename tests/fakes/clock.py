"""A clock that a test moves. Proven by the same suite as the real one (tests/contract/clock)."""

from __future__ import annotations

import threading
import time

from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

LOOK_S = 0.002
"""An event may be set without the clock being told: so often a waiter looks."""

REAL_S_MAX = 30.0
"""A wait that nobody ends is a fault of the test; it fails instead of hanging."""


class FakeClock:
    """Time stands still until `advance`. With `auto`, waiting itself moves the time: for loops in one thread."""

    def __init__(
        self, wall_ns: int = 1_763_000_000 * NS_PER_S, monotonic_ns: int = 1_000 * NS_PER_S, auto: bool = False
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._auto = auto
        self._moved = threading.Condition()
        self._waiting = 0
        self.waits_ns: list[int] = []
        """The length of every wait so far."""

    @property
    def waiting(self) -> int:
        """How many threads wait now."""
        return self._waiting

    def wall_ns(self) -> WallNs:
        """The wall time that the test set."""
        return WallNs(self._wall_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """The monotonic time that the test set."""
        return MonotonicNs(self._monotonic_ns)

    def advance(self, duration_ns: int) -> None:
        """Let time pass, wall and monotonic."""
        with self._moved:
            self._monotonic_ns += duration_ns
            self._wall_ns += duration_ns
            self._moved.notify_all()

    def step_wall(self, duration_ns: int) -> None:
        """Let the wall clock jump, forward or back, as a time server does."""
        with self._moved:
            self._wall_ns += duration_ns

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """Return when the event is set or the time was moved far enough; whether the event was set."""
        self.waits_ns.append(duration_ns)
        if self._auto:
            if not event.is_set() and duration_ns > 0:
                self.advance(duration_ns)
            return event.is_set()
        end_ns = self._monotonic_ns + duration_ns
        end_s = time.monotonic() + REAL_S_MAX
        with self._moved:
            self._waiting += 1
            try:
                while not event.is_set() and self._monotonic_ns < end_ns:
                    assert time.monotonic() < end_s, f"nobody ended a wait of {duration_ns} ns on the fake clock"
                    self._moved.wait(LOOK_S)
            finally:
                self._waiting -= 1
        return event.is_set()
