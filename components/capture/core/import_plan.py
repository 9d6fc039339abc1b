"""When the footage of a foreign file was, and which of it is imported.

A name tells whole seconds of local time. What it leaves open is decided by what else is known, in this order, each
rule choosing among what the ones before have left:

1. How long the footage lasts: a file from 02:58 to 03:03 that lasts five minutes began in the second pass of an hour
   that came twice.
2. When it was delivered: recorders deliver a file soon after its end, seldom later than `DELIVERY_NS_MAX`.
3. The order of files: time that the record has footage of already cannot be meant again.
4. The earliest.

Within its second (or two: recorders begin a file with some pictures of before) the start is put where the end of the
name fits the length of the footage, and after the file before it, so that files that follow each other touch.

Time that a stream's record has footage of is taken: a picture that begins in it is left out, with all that follow up to
the next keyframe in time that is free. So footage is never twice in a record, whatever was delivered how often.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from components.shared.wire.units import NS_PER_S, Span, WallNs

NAME_SHIFT_NS_MAX = 2 * NS_PER_S
"""How much later than its name says a file may begin: a second is what the name leaves open, another one is theirs."""

LENGTH_NS_MAX = 60 * NS_PER_S
"""Lengths that differ by less do not tell readings apart that are half an hour or an hour from each other."""

EARLY_NS_MAX = 60 * NS_PER_S
DELIVERY_NS_MAX = 900 * NS_PER_S
"""A quarter of an hour for the upload of an hour's file; a minute for a clock that is ahead."""

OLDEST_NS = 1_262_304_000 * NS_PER_S
"""2010: a clock that was never set begins at 1970 or 2000, and no record of a century of nothing is wanted."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the times of a name were taken to mean; `is_doubtful` when another reading fitted as well."""

    span: Span
    is_doubtful: bool


def choose_reading(
    readings: Sequence[Span], length_ns: int | None, delivered_ns: int, taken: FreeTime | None
) -> Reading:
    """Which of all readings of a name is meant; `length_ns` is that of the footage, if known."""
    left = list(readings)
    if length_ns is not None:
        errors = [abs(span.duration_ns - length_ns) for span in left]
        left = [span for span, error in zip(left, errors, strict=True) if error <= min(errors) + LENGTH_NS_MAX]
    delivered = [span for span in left if -EARLY_NS_MAX <= delivered_ns - span.end_ns <= DELIVERY_NS_MAX]
    if delivered:
        return Reading(delivered[0], len(delivered) > 1)
    free = [span for span in left if taken is None or not taken.holds_much_of(span)]
    left = free or left
    return Reading(left[0], len(left) > 1)


def place_start(span: Span, length_ns: int | None, before_end_ns: int | None) -> WallNs:
    """When the first picture of a file was: see the module. `before_end_ns` is where footage ends that came before."""
    start_ns: int = span.start_ns
    if length_ns is not None:
        ahead_ns = span.end_ns - length_ns - start_ns
        if 0 < ahead_ns < NS_PER_S:
            start_ns += ahead_ns
    if before_end_ns is not None and start_ns < before_end_ns <= span.start_ns + NAME_SHIFT_NS_MAX:
        start_ns = before_end_ns
    return WallNs(start_ns)


class FreeTime:
    """What of a span of time a stream's record has no footage of yet."""

    def __init__(self, taken: Sequence[Span]) -> None:
        """`taken` are the spans of the stream's segments; they do not overlap."""
        self._taken = sorted(taken)
        self._starts = [span.start_ns for span in self._taken]

    def is_taken(self, wall_ns: int) -> bool:
        """Whether there is footage of that moment."""
        place = bisect_right(self._starts, wall_ns)
        return place > 0 and wall_ns < self._taken[place - 1].end_ns

    def end_of_before(self, wall_ns: int) -> int | None:
        """Where the last footage ends that begins before that moment; None without any."""
        place = bisect_left(self._starts, wall_ns)
        return self._taken[place - 1].end_ns if place else None

    def until(self, wall_ns: int) -> int | None:
        """Where the next footage begins after that moment; None: nowhere."""
        place = bisect_right(self._starts, wall_ns)
        return self._starts[place] if place < len(self._starts) else None

    def holds_much_of(self, span: Span) -> bool:
        """Whether more of a span is taken than what a name leaves open at its two ends, or half of it."""
        held = (
            min(one.end_ns, span.end_ns) - max(one.start_ns, span.start_ns) for one in self._taken if one.overlaps(span)
        )
        return sum(held) > min(2 * NAME_SHIFT_NS_MAX, span.duration_ns // 2)
