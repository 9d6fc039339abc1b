"""When to try again: full jitter under a doubling limit, for ever.

Two things fail in two ways. The store as a whole (network, credentials, permission): then nothing is tried until a
pause is over, a shorter one where nothing answered at all; the object that met it waits too, so that another goes first
the next time and one poisoned object cannot hold up all others. One object (its part was damaged on the way, its disk
does not answer): then it alone waits.

Times here are monotonic: a clock that is set back by a year must not delay an upload by a year. They are not kept
across a restart; after one everything is due at once, which costs one attempt per object.

Invariants: a pause is never longer than its limit; no number of failures ends the trying; the objects that wait are
at most OBJECTS_WAITING_MAX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.shared.wire.units import NS_PER_S, MonotonicNs

OBJECT_PAUSE_FIRST_NS = 2 * NS_PER_S  # the limit after the first failure; it doubles with each further one
OBJECT_PAUSE_MAX_NS = 300 * NS_PER_S  # an object that fails for its own reasons: a disk, a proxy that mangles
STORE_PAUSE_FIRST_NS = 1 * NS_PER_S  # a connection that was just cut comes back at once
STORE_PAUSE_MAX_NS = 60 * NS_PER_S  # a store that refuses: a fleet asks it as often as boxes have minutes
NETWORK_PAUSE_MAX_NS = 8 * NS_PER_S  # a returning network is noticed within that; nothing reaches the store meanwhile
PASSED_OVER_NS = NS_PER_S // 10  # behind the store's own pause: long enough for another object to be taken first
OBJECTS_WAITING_MAX = 200  # more failing by themselves is a failure of the store: the oldest waiter is due at once

_AT_ONCE = MonotonicNs(0)
_DOUBLINGS_MAX = 40  # beyond it every limit is reached; keeps the number small after a million failures


def pause_ns(failures: int, first_ns: int, longest_ns: int, chance: float) -> int:
    """The pause after `failures` failures in a row (from 1): `chance`, in [0, 1), of a limit that doubles.

    Full jitter, as in AWS's "Exponential backoff and jitter": of a fleet that lost its network together, each box
    comes back at a moment of its own.
    """
    doublings = min(max(failures, 1) - 1, _DOUBLINGS_MAX)
    return int(chance * min(longest_ns, first_ns << doublings))


@dataclass(frozen=True, slots=True)
class RetryState:
    """Who waits until when, and whether the store does."""

    waiting: Mapping[str, MonotonicNs] = field(default_factory=dict)
    store_failures: int = 0
    store_due_ns: MonotonicNs = _AT_ONCE

    def store_is_due(self, now_ns: MonotonicNs) -> bool:
        """Whether the store may be asked again."""
        return now_ns >= self.store_due_ns

    def objects_waiting(self, now_ns: MonotonicNs) -> frozenset[str]:
        """The keys that are not due yet."""
        return frozenset(key for key, due_ns in self.waiting.items() if due_ns > now_ns)

    def next_due_ns(self, now_ns: MonotonicNs) -> MonotonicNs | None:
        """The moment at which something becomes due that is not; None when nothing waits."""
        times = [due_ns for due_ns in self.waiting.values() if due_ns > now_ns]
        if self.store_due_ns > now_ns:
            times.append(self.store_due_ns)
        return min(times, default=None)


def object_failed(state: RetryState, key: str, failures: int, now_ns: MonotonicNs, chance: float) -> RetryState:
    """The state after an object's `failures`th failure in a row, for its own reasons."""
    pause = pause_ns(failures, OBJECT_PAUSE_FIRST_NS, OBJECT_PAUSE_MAX_NS, chance)
    return _wait(state, key, MonotonicNs(now_ns + pause), now_ns)


def store_failed(
    state: RetryState,
    key: str,
    failures: int,
    now_ns: MonotonicNs,
    chances: tuple[float, float],
    is_reached: bool = True,
) -> RetryState:
    """The state after an attempt on `key`, its `failures`th failure in a row, found the store away.

    `is_reached`: it has answered. Where nothing does, the network is away, and asking costs nobody anything.

    Attempts that ran at the same time fail together: a failure within a pause does not make it longer.
    """
    longest_ns = STORE_PAUSE_MAX_NS if is_reached else NETWORK_PAUSE_MAX_NS
    if state.store_is_due(now_ns):
        store_failures = state.store_failures + 1
        pause = pause_ns(store_failures, STORE_PAUSE_FIRST_NS, longest_ns, chances[0])
        state = replace(state, store_failures=store_failures, store_due_ns=MonotonicNs(now_ns + pause))
    behind = PASSED_OVER_NS + pause_ns(failures, STORE_PAUSE_FIRST_NS, longest_ns, chances[1])
    return _wait(state, key, MonotonicNs(state.store_due_ns + behind), now_ns)


def _wait(state: RetryState, key: str, due_ns: MonotonicNs, now_ns: MonotonicNs) -> RetryState:
    waiting = {other: due for other, due in state.waiting.items() if due > now_ns and other != key}
    while len(waiting) >= OBJECTS_WAITING_MAX:
        del waiting[min(waiting, key=lambda other: waiting[other])]
    return replace(state, waiting={**waiting, key: due_ns})


def store_answered(state: RetryState, key: str) -> RetryState:
    """The state after an attempt on `key` ended with an answer of the store."""
    waiting = {other: due for other, due in state.waiting.items() if other != key}
    return RetryState(waiting)
