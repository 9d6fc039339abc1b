"""The wall clock as far as it is believed: a Clock, made of the box's clock and of what speaks for it.

As long as the box's clock goes on evenly, this is it. When it steps, this one goes on as before by monotonic time, and
follows when the step is believed (`core/placement`): so a clock that is wrong for a while dates nothing, and a gap that
begins before a step and ends after it is as long as it was.

Every process of Capture has one; any thread may ask. What is said of the clock changes rarely; each change is logged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from components.capture.core.clock_trust import LEAP_NS, STEP_NS, ClockTrust, ClockVerdict
from components.capture.core.placement import is_followed
from components.shared.runtime.clock import Clock
from components.shared.runtime.log import Log
from components.shared.wire.units import NS_PER_S, MonotonicNs, WallNs

IsSynchronised = Callable[[], bool | None]

ASK_NS = 10 * NS_PER_S
"""How old the kernel's word may be: a time server puts a clock right once, and speaks for it for hours."""

EVEN_NS = 100_000
"""The two clocks are not read at one moment: so much apart they are still the same, and there is nothing to judge."""


class ClockWatch:
    """See the module. `ahead_ns` is how much an other process of the same box was ahead of its clock by now."""

    def __init__(self, clock: Clock, is_synchronised: IsSynchronised, log: Log, ahead_ns: int = 0) -> None:
        self._clock = clock
        self._is_synchronised = is_synchronised
        self._log = log
        self._lock = threading.Lock()
        self._trust = ClockTrust()
        self._word: bool | None = None
        self._asked_ns: int | None = None
        self._was_trusted: bool | None = None
        self._apart_ns = clock.wall_ns() - clock.monotonic_ns() + ahead_ns
        if abs(ahead_ns) >= STEP_NS:
            self._trust.doubt("it was doubted before")
        self.look()

    @property
    def ahead_ns(self) -> int:
        """How much this clock is ahead of the box's now."""
        return self.wall_ns() - self._clock.wall_ns()

    def wall_ns(self) -> WallNs:
        """The wall time that is believed."""
        with self._lock:
            wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
            apart_ns = wall_ns - monotonic_ns
            is_late = self._asked_ns is None or monotonic_ns - self._asked_ns >= ASK_NS
            if abs(apart_ns - self._apart_ns) >= EVEN_NS or is_late:
                verdict = self._judge(wall_ns, monotonic_ns, None)
                if abs(apart_ns - self._apart_ns) < STEP_NS or is_followed(verdict):
                    self._apart_ns = apart_ns
            return WallNs(monotonic_ns + self._apart_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """Nanoseconds since the box booted."""
        return self._clock.monotonic_ns()

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """Wait until the event is set, at most `duration_ns`; whether it was set."""
        return self._clock.wait(event, duration_ns)

    def look(self, record_end_ns: WallNs | None = None) -> ClockVerdict:
        """The verdict on the box's clock now, for who decides about a record that ends there."""
        with self._lock:
            return self._judge(self._clock.wall_ns(), self._clock.monotonic_ns(), record_end_ns)

    def begin_after(self, record_end_ns: WallNs) -> None:
        """The newest record of the process before ends there: a clock that is behind it has to be spoken for.

        Until it is, time goes on from there: the best guess of a box that woke up without a clock. One that is more
        than a day later has leapt, or the box was off for so long: both are the same to it.
        """
        verdict = self.look(record_end_ns)
        if verdict.is_believed:
            if record_end_ns and self._clock.wall_ns() - record_end_ns > LEAP_NS:
                self._trust.leapt(self._clock.monotonic_ns())
            return
        with self._lock:
            self._trust.doubt(verdict.reason)
            self._apart_ns = max(self._apart_ns, record_end_ns - self._clock.monotonic_ns())

    def _judge(self, wall_ns: WallNs, monotonic_ns: MonotonicNs, record_end_ns: WallNs | None) -> ClockVerdict:
        if self._asked_ns is None or monotonic_ns - self._asked_ns >= ASK_NS:
            self._asked_ns, self._word = monotonic_ns, self._is_synchronised()
        verdict = self._trust.look(wall_ns, monotonic_ns, record_end_ns, self._word)
        if record_end_ns is None and verdict.is_trusted != self._was_trusted:
            self._was_trusted = verdict.is_trusted
            tell = self._log.info if verdict.is_trusted else self._log.warning
            tell("clock_trusted" if verdict.is_trusted else "clock_not_trusted", reason=verdict.reason)
        return verdict
