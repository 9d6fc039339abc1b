"""From spans of motion to video events, over the borders of segments.

Spans with at most `quiet_ns` between them belong to one event; an event has a margin before and after. An event that
crosses segments is one event: it stays open until its quiet time is over. Footage may be missing between segments;
quiet time passes there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.shared.wire.units import WallNs
from components.video_processor.core.motion import MotionSpan


@dataclass(frozen=True, slots=True)
class Habits:
    """How movement becomes events."""

    margin_ns: int
    quiet_ns: int


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that may still grow. `start_ns` has its margin already; `moved_until_ns` has none."""

    start_ns: WallNs
    moved_until_ns: WallNs
    peak_percent: float


@dataclass(frozen=True, slots=True)
class EndedEvent:
    """A complete event, margins included."""

    start_ns: WallNs
    end_ns: WallNs
    peak_percent: float


def follow(
    event: OpenEvent | None, spans: Sequence[MotionSpan], seen_until_ns: WallNs, habits: Habits
) -> tuple[tuple[EndedEvent, ...], OpenEvent | None]:
    """Take one segment's spans: the events that ended, and the one that is open afterwards.

    `seen_until_ns` is how far the footage has been looked at: an event whose quiet time ended before that is over.
    Ended events never overlap each other or the open one.
    """
    ended: list[EndedEvent] = []
    for span in spans:
        if event is not None and span.start_ns - event.moved_until_ns > habits.quiet_ns:
            ended.append(end(event, habits, span.start_ns))
            event = None
        if event is None:
            floor_ns = ended[-1].end_ns if ended else WallNs(0)
            event = OpenEvent(WallNs(max(floor_ns, span.start_ns - habits.margin_ns)), span.end_ns, span.peak_percent)
        else:
            event = replace(
                event,
                moved_until_ns=max(event.moved_until_ns, span.end_ns),
                peak_percent=max(event.peak_percent, span.peak_percent),
            )
    if event is not None and seen_until_ns - event.moved_until_ns > habits.quiet_ns:
        ended.append(end(event, habits, seen_until_ns))
        event = None
    return tuple(ended), event


def end(event: OpenEvent, habits: Habits, before_ns: WallNs) -> EndedEvent:
    """The event with its margin behind, which never reaches `before_ns`, where something else begins."""
    end_ns = WallNs(max(event.moved_until_ns, min(event.moved_until_ns + habits.margin_ns, before_ns)))
    return EndedEvent(event.start_ns, end_ns, event.peak_percent)
