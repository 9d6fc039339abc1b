"""From pictures that move to spans that move.

A keyframe stands for the time up to the next one: a GOP in whose keyframe something moved is a span of motion. Spans
that touch are one. Nothing is known here of how movement in a picture is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.shared.wire.units import WallNs


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: when it was taken, and which part of the pixels that count differed from the background.

    `percent` is None while the background is still being learnt: then nothing can be said.
    """

    wall_ns: WallNs
    percent: float | None


@dataclass(frozen=True, slots=True)
class MotionSpan:
    """A span of wall time in which something moved, and the most that moved in one picture."""

    start_ns: WallNs
    end_ns: WallNs
    peak_percent: float


def find_motion(samples: Sequence[Sample], end_ns: WallNs, threshold_percent: float) -> tuple[MotionSpan, ...]:
    """The spans of motion in one segment's samples, in order. `end_ns` is where the segment ends."""
    spans: list[MotionSpan] = []
    followers = [*(sample.wall_ns for sample in samples), end_ns][1:]
    for sample, next_ns in zip(samples, followers, strict=True):
        if sample.percent is None or sample.percent < threshold_percent or next_ns <= sample.wall_ns:
            continue
        if spans and spans[-1].end_ns == sample.wall_ns:
            before = spans.pop()
            spans.append(MotionSpan(before.start_ns, next_ns, max(before.peak_percent, sample.percent)))
        else:
            spans.append(MotionSpan(sample.wall_ns, next_ns, sample.percent))
    return tuple(spans)


def best_picture(samples: Sequence[Sample]) -> int:
    """The index of the sample that shows most: the one with the most movement, else the first."""
    return max(range(len(samples)), key=lambda index: (samples[index].percent or 0.0, -index), default=0)
