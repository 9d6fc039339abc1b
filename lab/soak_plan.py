"""What happens in the simulated days: drawn from a seed, so that a run can be repeated, by every process the same.

Moments are nanoseconds of true time since the simulation began. Nothing here is done, only said.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from components.shared.wire.units import NS_PER_S, WallNs, parse_stamp

SEED = 20_261_101
BEGINS_WALL_NS = parse_stamp("20261101T000000.000Z")
HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
YEAR_NS = 365 * DAY_NS

FaultKind = Literal["away", "frozen", "refused", "stalled"]
FAULTS: dict[FaultKind, tuple[float, float, float]] = {
    "away": (4.0, 10, 900),
    "frozen": (8.0, 20, 300),
    "refused": (12.0, 60, 1_200),
    "stalled": (6.0, 5, 25),
}
"""Of each kind: every how many hours, from how many to how many seconds. A stall ends before it counts as frozen."""

CLOCK_EVERY_H, CLOCK_S = 5.0, (300, 1_800)
CLOCK_STEPS_S = (-3, 3, 40, -365 * 86_400, 365 * 86_400, -26 * 365 * 86_400)
"""What a bad time server, a hand or an empty battery do: seconds, a year either way, the year 2000."""

DISK_EVERY_H, DISK_S = 9.0, (30, 600)
LIFE_H, LONG_LIFE_H, DOWN_S = 3.0, 12.0, (2, 90)
"""Every fourth life, the second one first, is a long one unless there is haste: leaks are seen over hours."""

DRIFT_PPM_MAX = 500
CLOCK_OFF_S = (None, None, -0.2, 0.05, 3.2, -3_600.0, 86_400.0)
"""How far cameras' own clocks are off; None tells no time."""

CALM = 0.15
"""The last part, in which the box's clock stays right, so that what came of its steps can be judged."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a camera for a while."""

    kind: FaultKind
    begins_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """A camera, its clock and its faults."""

    name: str
    first_ticks: int
    drift_ppm: int
    clock_off_ns: int | None
    faults: tuple[Fault, ...]
    begins_wall_ns: WallNs = BEGINS_WALL_NS


@dataclass(frozen=True, slots=True)
class ClockStep:
    """From then on the box's clock is off by so much; `is_synchronised` is what the kernel says of it."""

    at_ns: int
    off_ns: int
    is_synchronised: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One process of Capture. `boots_ns` is when the box was booted that it runs on."""

    begins_ns: int
    ends_ns: int
    is_killed: bool
    boots_ns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it."""

    span_ns: int
    cameras: tuple[CameraPlan, ...]
    clock: tuple[ClockStep, ...]
    disk_full: tuple[tuple[int, int], ...]
    lives: tuple[Life, ...]

    def clock_at(self, moment_ns: int) -> ClockStep:
        """How the box's clock is then."""
        return [step for step in self.clock if step.at_ns <= moment_ns][-1]


def make_plan(cameras: int, span_ns: int, haste: float = 1.0, seed: int = SEED) -> Plan:
    """The plan of a simulation; with `haste` everything happens so many times as often."""
    draw = random.Random(seed)
    return Plan(
        span_ns,
        tuple(_camera(draw, number, span_ns, haste) for number in range(cameras)),
        _clock(draw, span_ns, haste),
        tuple(_spans(draw, span_ns, DISK_EVERY_H / haste, *DISK_S)),
        tuple(_lives(draw, span_ns, haste)),
    )


def _camera(draw: random.Random, number: int, span_ns: int, haste: float) -> CameraPlan:
    faults = [
        Fault(kind, *span)
        for kind, (every_h, least_s, most_s) in FAULTS.items()
        for span in _spans(draw, span_ns, every_h / haste, least_s, most_s)
    ]
    off_s = CLOCK_OFF_S[number % len(CLOCK_OFF_S)]
    return CameraPlan(
        f"cam-{number + 1}",
        draw.randrange(2**32),
        draw.randint(-DRIFT_PPM_MAX, DRIFT_PPM_MAX),
        None if off_s is None else int(off_s * NS_PER_S),
        tuple(sorted(faults, key=lambda fault: fault.begins_ns)),
    )


def _clock(draw: random.Random, span_ns: int, haste: float) -> tuple[ClockStep, ...]:
    steps = [ClockStep(0, 0, True)]
    for begins_ns, ends_ns in _spans(draw, int(span_ns * (1 - CALM)), CLOCK_EVERY_H / haste, *CLOCK_S):
        steps.append(ClockStep(begins_ns, draw.choice(CLOCK_STEPS_S) * NS_PER_S, draw.random() < 0.5))
        steps.append(ClockStep(ends_ns, 0, True))
    return tuple(steps)


def _lives(draw: random.Random, span_ns: int, haste: float) -> list[Life]:
    """Every second one is killed; every third one begins with a boot."""
    lives: list[Life] = []
    begins_ns, boots_ns = 0, -1_000 * NS_PER_S
    while begins_ns < span_ns:
        is_long = haste <= 1 and len(lives) % 4 == 1
        hours = LONG_LIFE_H if is_long else draw.uniform(0.5, 1.5) * LIFE_H
        ends_ns = begins_ns + int(hours / haste * HOUR_NS)
        is_last = ends_ns > span_ns - HOUR_NS // 2
        ends_ns = (span_ns if is_last else ends_ns) // NS_PER_S * NS_PER_S
        lives.append(Life(begins_ns, ends_ns, len(lives) % 2 == 0 and not is_last, boots_ns))
        begins_ns = ends_ns + draw.randint(*DOWN_S) * NS_PER_S
        if is_last:
            break
        if len(lives) % 3 == 0:
            begins_ns += 60 * NS_PER_S
            boots_ns = begins_ns - 20 * NS_PER_S
    return lives


def _spans(draw: random.Random, span_ns: int, every_h: float, least_s: float, most_s: float) -> list[tuple[int, int]]:
    """Spans in whole seconds that do not overlap, so far apart on average."""
    found = []
    at_s = draw.expovariate(1 / (every_h * 3_600))
    while (lasts_s := draw.uniform(least_s, most_s)) + at_s < span_ns / NS_PER_S:
        found.append((int(at_s) * NS_PER_S, int(at_s + lasts_s) * NS_PER_S))
        at_s += lasts_s + draw.expovariate(1 / (every_h * 3_600))
    return found
