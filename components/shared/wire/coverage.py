"""Whether a stream's record is whole: recorded + gaps = wall time, nothing twice.

It takes the spans of segments and gaps and a window, and tells what is covered, by what, and what by nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from components.shared.wire.units import Span


@dataclass(frozen=True, slots=True)
class Coverage:
    """A window's time: in segments, in gaps by cause, in neither (`missing`), in more than one (`doubled`)."""

    recorded_ns: int
    gaps_ns: dict[str, int] = field(default_factory=dict)
    missing: tuple[Span, ...] = ()
    doubled: tuple[Span, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every moment is in exactly one segment or gap."""
        return not self.missing and not self.doubled


def cover(window: Span, segments: Iterable[Span], gaps: Iterable[tuple[Span, str]]) -> Coverage:
    """How segments and gaps (with their causes) cover the window; what lies outside it does not count."""
    pieces: list[tuple[Span, str]] = [(span, "") for span in segments]
    pieces += gaps
    recorded_ns = 0
    gaps_ns: dict[str, int] = {}
    missing = []
    doubled = []
    reached = window.start_ns
    for piece, cause in sorted(pieces, key=lambda entry: (entry[0].start_ns, entry[0].end_ns)):
        start_ns, end_ns = max(piece.start_ns, window.start_ns), min(piece.end_ns, window.end_ns)
        if end_ns <= start_ns:
            continue
        if start_ns > reached:
            missing.append(Span(reached, start_ns))
        elif start_ns < reached:
            doubled.append(Span(start_ns, min(end_ns, reached)))
        if cause:
            gaps_ns[cause] = gaps_ns.get(cause, 0) + end_ns - start_ns
        else:
            recorded_ns += end_ns - start_ns
        reached = max(reached, end_ns)
    if reached < window.end_ns:
        missing.append(Span(reached, window.end_ns))
    return Coverage(recorded_ns, gaps_ns, tuple(missing), tuple(doubled))
