"""The one gate that everything passes on its way out: whoever sends asks here, block by block, and waits for its turn.

Without a cap it costs a look at a clock. Under a cap the most urgent of those that wait goes first
(`core/bandwidth.py`). When nothing may leave at all, who is in the middle of a request gives it up: a connection on
which nothing comes is closed by the other side anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo

from components.cloud_sync.core.bandwidth import (
    CLOSED,
    UNUSED,
    Limit,
    Waiting,
    block_bytes,
    limit_at,
    next_minute_ns,
    whose_turn,
)
from components.cloud_sync.object_store import Held, Stopped
from components.shared.runtime.clock import Clock
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs

LIMIT_LOOK_NS = NS_PER_S
"""How often the limit is looked up besides at each full minute: a wall clock may be set at any time."""

WAIT_NS_MAX = 250 * NS_PER_MS
"""How often somebody who waits looks whether it should stop, or has waited for too long."""

LAST_PRIORITY = 1_000
"""Of who says nothing of its own."""


@dataclass(eq=False, slots=True)
class _Waiter:
    place: Waiting
    turn: threading.Event = field(default_factory=threading.Event)


class Pacer:
    """The gate. Any thread may call; closed until `follow` was called once."""

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._settings: tuple[SyncSection, tzinfo] | None = None
        self._limit = CLOSED
        self._look_ns = MonotonicNs(0)
        self._bucket = UNUSED
        self._waiters: list[_Waiter] = []
        self._number = 0
        self._progress_blocks = 0

    def follow(self, sync: SyncSection, zone: tzinfo) -> None:
        """These settings are in force from now on, also for what is under way."""
        with self._lock:
            self._settings = (sync, zone)
            self._look_ns = MonotonicNs(0)
            for waiter in self._waiters:
                waiter.turn.set()

    @property
    def limit(self) -> Limit:
        """What is in force now."""
        with self._lock:
            return self._limit_at(self._clock.monotonic_ns())

    @contextmanager
    def sending(self, priority: int, is_progress: bool = False) -> Iterator[None]:
        """What this thread sends within has that priority; the smaller goes first.

        `is_progress`: each of its blocks counts as work done, until an attempt has failed.
        """
        self._mine.priority = priority
        self._mine.is_progress = is_progress
        try:
            yield
        finally:
            self._mine.priority = LAST_PRIORITY
            self._mine.is_progress = False

    @property
    def progress_blocks(self) -> int:
        """How many blocks that are progress had to ask: under a small cap the only sign of work for many minutes."""
        with self._lock:
            return self._progress_blocks

    def passes_freely(self) -> bool:
        """Whether anything may leave at once, without asking `take`: the quick way while there is no cap."""
        return (
            self._limit.bytes_per_s is None and self._clock.monotonic_ns() < self._look_ns and not self._stop.is_set()
        )

    def block_bytes(self) -> int | None:
        """How much may be handed to `take` at once; None is any number, as long as there is no cap."""
        bytes_per_s = self.limit.bytes_per_s
        return block_bytes(bytes_per_s) if bytes_per_s else None

    def take(self, size_bytes: int) -> None:
        """Returns when that many bytes may leave. Raises Held when nothing may, Stopped when the component stops."""
        with self._lock:
            if not self._waiters and self._may_pass(size_bytes):
                return
            self._number += 1
            priority = getattr(self._mine, "priority", LAST_PRIORITY)
            waiter = _Waiter(Waiting(priority, self._clock.monotonic_ns(), self._number))
            self._waiters.append(waiter)
        try:
            self._wait(waiter, size_bytes)
        finally:
            with self._lock:
                self._waiters.remove(waiter)
                self._call_next()

    def _wait(self, waiter: _Waiter, size_bytes: int) -> None:
        while True:
            with self._lock:
                now_ns = self._clock.monotonic_ns()
                is_first = whose_turn([other.place for other in self._waiters], now_ns) is waiter.place
                if is_first and self._may_pass(size_bytes):
                    return
                self._check_open(now_ns)
                waiter.turn.clear()
                pause_ns = min(self._bucket.due_in_ns(now_ns), WAIT_NS_MAX) if is_first else WAIT_NS_MAX
            self._clock.wait(waiter.turn, pause_ns)

    def _may_pass(self, size_bytes: int) -> bool:
        """Whether that may leave at once, which then has left."""
        now_ns = self._clock.monotonic_ns()
        bytes_per_s = self._check_open(now_ns).bytes_per_s
        if bytes_per_s is None:
            return True
        if self._bucket.due_in_ns(now_ns) > 0:
            return False
        self._bucket = self._bucket.after(size_bytes, bytes_per_s, now_ns)
        self._progress_blocks += getattr(self._mine, "is_progress", False)
        return True

    def _check_open(self, now_ns: MonotonicNs) -> Limit:
        if self._stop.is_set():
            raise Stopped("stopped while it was sent")
        limit = self._limit_at(now_ns)
        if limit.is_closed:
            raise Held(f"uploads are held back ({limit.source})")
        return limit

    def _limit_at(self, now_ns: MonotonicNs) -> Limit:
        if now_ns >= self._look_ns and self._settings is not None:
            wall_ns = self._clock.wall_ns()
            self._limit = limit_at(*self._settings, wall_ns)
            self._look_ns = MonotonicNs(now_ns + min(LIMIT_LOOK_NS, next_minute_ns(wall_ns)))
        return self._limit

    def _call_next(self) -> None:
        first = whose_turn([other.place for other in self._waiters], self._clock.monotonic_ns())
        for waiter in self._waiters:
            if waiter.place is first:
                waiter.turn.set()
