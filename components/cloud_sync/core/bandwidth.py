"""How many bytes may leave now: the cap in force by the site's settings, the bucket it is kept with, whose turn it is.

One bucket for everything that CloudSync sends. It counts in time instead of bytes ("generic cell rate algorithm",
ITU-T I.371): what was sent is paid with the time that it takes at the cap, and the bucket holds nothing but the moment
up to which that is paid. So a cap may change at any time, and neither credit nor debt of the old one is carried into
the new.

Invariants: in any span of T, what leaves is at most PACE of the cap times (T + BURST_NS), and one block; a sender that
comes back within BURST_NS of its due time loses nothing. Whoever waits gets a block within STARVED_NS and one turn of
each other, whatever their priorities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Literal

from components.shared.wire.recording_config import DAYS
from components.shared.wire.sync_config import CapSpan, SyncSection, parse_cap_day
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, WallNs

PACE_PERMILLE = 985
"""Of the cap: with burst and block the fullest 10 s come to 101 % of it, which leaves a little for who reads late."""

BURST_NS = 200 * NS_PER_MS
"""What a thread that wakes late may make good; two cores that also record video wake one late by that at times."""

BLOCK_NS = 50 * NS_PER_MS
BLOCK_BYTES_MIN = 1_024
BLOCK_BYTES_MAX = 16 * 1_024
"""What is sent at once: 50 ms of the cap, so that who is more urgent never waits longer; at most a TLS record."""

STARVED_NS = 5 * NS_PER_S
"""S3 gives up a request that brings nothing for about 20 s: that long, nobody is passed over."""

Source = Literal["unknown", "none", "cap", "schedule", "paused"]

_MINUTE_NS = 60 * NS_PER_S
_BITS = 8


@dataclass(frozen=True, slots=True)
class Limit:
    """What may leave in a second; None is any number of bytes, 0 is none at all. `source` says which setting it is."""

    bytes_per_s: int | None
    source: Source = "none"

    @property
    def is_closed(self) -> bool:
        """Whether nothing may leave."""
        return self.bytes_per_s == 0


CLOSED = Limit(0, "unknown")
"""Before the settings were read."""


def limit_at(sync: SyncSection, zone: tzinfo, wall_ns: WallNs) -> Limit:
    """The limit at a moment. What the zone's clocks show counts: an hour that they show twice has its cap twice."""
    if sync.paused:
        return Limit(0, "paused")
    local = datetime.fromtimestamp(wall_ns // NS_PER_S, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    for span in _spans(getattr(sync.schedule, DAYS[local.weekday()])):
        if span.begin_minute <= minute < span.end_minute:
            return Limit(_bytes_per_s(span.cap_kbit_s), "schedule")
    return Limit(_bytes_per_s(sync.cap_kbit_s), "none" if sync.cap_kbit_s is None else "cap")


def next_minute_ns(wall_ns: WallNs) -> int:
    """How long until the next full minute, when a limit may change by itself."""
    return _MINUTE_NS - wall_ns % _MINUTE_NS


@lru_cache(maxsize=16)
def _spans(text: str) -> tuple[CapSpan, ...]:
    return parse_cap_day(text)


def _bytes_per_s(cap_kbit_s: int | None) -> int | None:
    return None if cap_kbit_s is None else cap_kbit_s * 1_000 // _BITS


def block_bytes(bytes_per_s: int) -> int:
    """How much may be sent at once under that cap."""
    return min(max(bytes_per_s * BLOCK_NS // NS_PER_S, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Up to which moment what was sent is paid."""

    paid_ns: MonotonicNs

    def due_in_ns(self, now_ns: MonotonicNs) -> int:
        """How long until something may leave; 0 is now."""
        return max(0, self.paid_ns - now_ns)

    def after(self, size_bytes: int, bytes_per_s: int, now_ns: MonotonicNs) -> Bucket:
        """The bucket once `size_bytes` have left now."""
        takes_ns = -(-size_bytes * NS_PER_S * 1_000 // (bytes_per_s * PACE_PERMILLE))
        return Bucket(MonotonicNs(max(self.paid_ns, now_ns - BURST_NS) + takes_ns))


UNUSED = Bucket(MonotonicNs(0))
"""Nothing has left yet."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who has something to send: its priority (the smaller goes first), since when it waits, its number."""

    priority: int
    since_ns: MonotonicNs
    number: int


def whose_turn(waiting: Sequence[Waiting], now_ns: MonotonicNs) -> Waiting | None:
    """Who sends next: who has waited for too long, else by priority, then in the order they came."""
    starved = [one for one in waiting if now_ns - one.since_ns >= STARVED_NS]
    if starved:
        return min(starved, key=lambda one: (one.since_ns, one.number))
    return min(waiting, key=lambda one: (one.priority, one.number), default=None)
