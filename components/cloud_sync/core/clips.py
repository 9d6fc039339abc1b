"""Which parts of a segment's bytes show what is wanted of it: whole ranges of pictures from its GOP index.

A clip is the segment's header and a range of GOPs, byte for byte: nothing is decoded and nothing muxed anew. So it
begins on the keyframe before what is wanted and ends before the keyframe after it; decode times are those of the
segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import WallNs

WHOLE_PERCENT = 80
"""Clips that are more of a segment than this are not worth the requests: the segment goes as it is."""

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that makes footage wanted: `[start_ns, end_ns)`, None while it lasts, with what is wanted around it."""

    id: str
    start_ns: int
    end_ns: int | None
    before_ns: int = 0
    after_ns: int = 0
    is_bookmark: bool = False

    def touches(self, since_ns: int, until_ns: int) -> bool:
        """Whether any of `[since_ns, until_ns)` is wanted for it."""
        ends_before = self.end_ns is not None and self.end_ns + self.after_ns <= since_ns
        return not ends_before and self.start_ns - self.before_ns < until_ns

    def within(self, since_ns: int, until_ns: int) -> tuple[int, int]:
        """What of `[since_ns, until_ns)` is wanted for it, which touches it."""
        end_ns = until_ns if self.end_ns is None else min(self.end_ns + self.after_ns, until_ns)
        return max(self.start_ns - self.before_ns, since_ns), end_ns


@dataclass(frozen=True, slots=True)
class Cut:
    """A range of a segment file: its GOPs `[first, last]`, its bytes and its time."""

    first: int
    last: int
    offset_bytes: int
    size_bytes: int
    start_ns: WallNs
    end_ns: WallNs

    def ranges(self, init_bytes: int) -> tuple[tuple[int, int], ...]:
        """The bytes of the clip: the header, then the pictures."""
        return (0, init_bytes), (self.offset_bytes, self.size_bytes)


def cuts_of(facts: SegmentFacts, spans: Iterable[tuple[int, int]]) -> list[Cut]:
    """The ranges of GOPs that show these spans, each of the segment's GOPs in one range at most."""
    edges = _edges(facts)
    wanted: set[int] = set()
    for since_ns, until_ns in spans:
        wanted.update(
            number for number in range(len(facts.gops)) if edges[number] < until_ns and edges[number + 1] > since_ns
        )
    found: list[Cut] = []
    for number in sorted(wanted):
        if number - 1 not in wanted:
            last = number
            while last + 1 in wanted:
                last += 1
            found.append(_cut(facts, edges, number, last))
    return found


def is_nearly_whole(facts: SegmentFacts, cuts: Sequence[Cut]) -> bool:
    """Whether these ranges are so much of the segment that it may as well go as it is."""
    return sum(cut.size_bytes for cut in cuts) * _PERCENT > facts.size_bytes * WHOLE_PERCENT


def complete_part(facts: SegmentFacts) -> SegmentFacts | None:
    """The facts of a growing segment without its last GOP, which may still grow; None while there is no other."""
    if len(facts.gops) < 2:
        return None
    edges = _edges(facts)
    return replace(facts, end_ns=WallNs(edges[-2]), gops=facts.gops[:-1])


def _edges(facts: SegmentFacts) -> list[int]:
    """Where each GOP begins, and where the last one ends; wall time goes as media time does within a segment."""
    ticks, edges = 0, [int(facts.start_ns)]
    for gop in facts.gops:
        ticks += gop.duration_ticks
        edges.append(facts.start_ns + facts.time_base.to_ns(ticks))
    return edges


def _cut(facts: SegmentFacts, edges: Sequence[int], first: int, last: int) -> Cut:
    offset_bytes = facts.gops[first].offset_bytes
    end_bytes = facts.gops[last].offset_bytes + facts.gops[last].size_bytes
    return Cut(first, last, offset_bytes, end_bytes - offset_bytes, WallNs(edges[first]), WallNs(edges[last + 1]))
