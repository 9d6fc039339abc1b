"""A clock that the lab moves: days pass in minutes, for real threads that wait by it.

Nothing passes while a thread works. `advance` moves the time and returns when every thread waits again: those whose
time had come, or whose event was set, have done what there was to do. Waiting threads cost nothing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from components.shared.wire.units import MonotonicNs, WallNs

LOOK_S = 0.002
"""A thread that ends, or has just begun, says nothing: so often it is looked whether one has."""

STUCK_S_MAX = 60.0
"""Real time that a step may take; a thread that waits for anything but this clock would stop the lab for ever."""


class StuckError(RuntimeError):
    """A thread neither waits by the clock nor ends; the message names it."""


@dataclass(slots=True, eq=False)
class _Waiter:
    event: threading.Event
    due_ns: int
    gate: threading.Lock = field(default_factory=threading.Lock)


class MovedClock:
    """The protocol `Clock`; made by the thread that moves it, whose own threads of before do not count.

    Neither do those named in `apart`: they wait for something else than time.
    """

    def __init__(
        self,
        wall_ns: int,
        monotonic_ns: int,
        stuck_s_max: float = STUCK_S_MAX,
        apart: frozenset[str] = frozenset(),
    ) -> None:
        self._stuck_s_max = stuck_s_max
        self._apart = apart
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._waiting: dict[int, _Waiter] = {}
        self._has_changed = threading.Event()
        self._bystanders = {thread.ident for thread in threading.enumerate()}

    def wall_ns(self) -> WallNs:
        """The wall time now."""
        return WallNs(self._wall_ns)

    def monotonic_ns(self) -> MonotonicNs:
        """The monotonic time now."""
        return MonotonicNs(self._monotonic_ns)

    def wait(self, event: threading.Event, duration_ns: int) -> bool:
        """Return when the event is set or the time was moved far enough; whether the event was set."""
        if duration_ns <= 0 or event.is_set():
            return event.is_set()
        waiter = _Waiter(event, self._monotonic_ns + duration_ns)
        waiter.gate.acquire()
        with self._lock:
            self._waiting[threading.get_ident()] = waiter
        self._has_changed.set()
        waiter.gate.acquire()
        return event.is_set()

    def step_wall(self, duration_ns: int) -> None:
        """Let the wall clock jump."""
        self._wall_ns += duration_ns

    def advance(self, duration_ns: int) -> None:
        """Let time pass, and everybody do what there is to do by then."""
        self._wall_ns += duration_ns
        self._monotonic_ns += duration_ns
        self.settle()

    def let_pass(self, duration_ns: int) -> None:
        """Let time pass without waiting for anybody: for threads that wait for each other while they end."""
        self._wall_ns += duration_ns
        self._monotonic_ns += duration_ns
        self._wake_all()
        time.sleep(LOOK_S)

    def settle(self) -> None:
        """Let everybody work until all wait; StuckError when that does not come about."""
        end_s = time.monotonic() + self._stuck_s_max
        while True:
            self._has_changed.clear()
            awake = self._wake_all()
            if not awake and not self._busy():
                return
            self._has_changed.wait(LOOK_S)
            if time.monotonic() > end_s:
                raise StuckError(f"not waiting by the clock: {', '.join(self._busy())}")

    def _wake_all(self) -> int:
        """Wake everybody whose time has come or whose event is set; how many that were."""
        with self._lock:
            ready = [
                (ident, waiter)
                for ident, waiter in self._waiting.items()
                if waiter.due_ns <= self._monotonic_ns or waiter.event.is_set()
            ]
            for ident, _ in ready:
                del self._waiting[ident]
        for _, waiter in ready:
            waiter.gate.release()
        return len(ready)

    def _busy(self) -> list[str]:
        """The threads that work."""
        alive = {thread.ident: thread.name for thread in threading.enumerate() if thread.name not in self._apart}
        with self._lock:
            return [
                name for ident, name in alive.items() if ident not in self._waiting and ident not in self._bystanders
            ]
