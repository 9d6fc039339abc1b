"""What a cap came to: the bytes that came out of a socket, tick by tick, beside what was allowed meanwhile.

A window is judged by all caps that held in it, each for its time; one in which a cap below 1 Mbit/s held is slow. When
exactly a cap changed cannot be said at the other end: a byte is noted a little later than it was let through, and a
change is told a little later than it is followed. So near it (CHANGE_TICKS) either of the two is as good.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.shared.wire.units import NS_PER_S
from lab.metered_wire import TICK_NS

WINDOW_S = 10
SLOW_BYTES_PER_S = 125_000
"""1 Mbit/s: below it a block is a larger part of ten seconds, and 5 % more are allowed instead of 2 %."""


CHANGE_TICKS = 20


@dataclass(frozen=True, slots=True)
class Stage:
    """From a tick on this cap holds."""

    begin_tick: int
    bytes_per_s: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The fullest windows, as parts of what was allowed in them, and the emptiest; None where there was no window."""

    over_max: float | None
    over_max_slow: float | None
    used_min: float | None


def account(ticks: Mapping[int, int], stages: Sequence[Stage], end_tick: int) -> Kept:
    """Every window of WINDOW_S from the first stage's beginning to `end_tick`, begun at each tick."""
    begin_tick = stages[0].begin_tick
    near = [caps_near(stages, tick) for tick in range(begin_tick, end_tick)]
    sent = [0, *itertools.accumulate(ticks.get(tick, 0) for tick in range(begin_tick, end_tick))]
    most = [0.0, *itertools.accumulate(max(caps) * TICK_NS / NS_PER_S for caps in near)]
    least = [0.0, *itertools.accumulate(min(caps) * TICK_NS / NS_PER_S for caps in near)]
    slow = [0, *itertools.accumulate(min(caps) < SLOW_BYTES_PER_S for caps in near)]
    length = WINDOW_S * NS_PER_S // TICK_NS
    fast_windows: list[float] = []
    slow_windows: list[float] = []
    used: list[float] = []
    for first in range(len(near) - length + 1):
        last = first + length
        left = sent[last] - sent[first]
        used.append(left / (least[last] - least[first]))
        (slow_windows if slow[last] > slow[first] else fast_windows).append(left / (most[last] - most[first]))
    return Kept(
        max(fast_windows, default=None),
        max(slow_windows, default=None),
        min(used, default=None),
    )


def caps_near(stages: Sequence[Stage], tick: int) -> set[int]:
    """The caps that may be followed at a tick."""
    return {cap_at(stages, near) for near in (tick - CHANGE_TICKS, tick, tick + CHANGE_TICKS)}


def cap_at(stages: Sequence[Stage], tick: int) -> int:
    """The cap that held at a tick."""
    return next((stage.bytes_per_s for stage in reversed(stages) if stage.begin_tick <= tick), stages[0].bytes_per_s)
