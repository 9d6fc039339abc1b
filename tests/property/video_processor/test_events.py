"""Properties of events: however footage is cut into segments, the same events come out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from components.shared.wire.units import WallNs
from components.video_processor.core.events import EndedEvent, Habits, OpenEvent, follow
from components.video_processor.core.motion import MotionSpan

HABITS = Habits(margin_ns=5, quiet_ns=10)
END = WallNs(1_000)


def spans_from(gaps_and_lengths: list[tuple[int, int]]) -> list[MotionSpan]:
    """Spans in order, each after a gap."""
    spans, at = [], 50
    for gap, length in gaps_and_lengths:
        start = at + gap
        at = start + length
        spans.append(MotionSpan(WallNs(start), WallNs(at), float(length)))
    return spans


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=12).map(spans_from)


def events_of(spans: list[MotionSpan], cuts: list[int]) -> list[EndedEvent]:
    """The events when the footage is cut at these times; a span over a cut is one in each segment."""
    event: OpenEvent | None = None
    found: list[EndedEvent] = []
    borders = [0, *sorted(cuts), int(END)]
    for start, end in itertools.pairwise(borders):
        parts = [
            MotionSpan(WallNs(max(span.start_ns, start)), WallNs(min(span.end_ns, end)), span.peak_percent)
            for span in spans
            if span.start_ns < end and span.end_ns > start
        ]
        ended, event = follow(event, parts, WallNs(end), HABITS)
        found += ended
    assert event is None, "a thousand nanoseconds are long enough for every event to end"
    return found


@given(SPANS, st.lists(st.integers(1, 999), unique=True, max_size=8))
def test_cuts_do_not_matter(spans: list[MotionSpan], cuts: list[int]) -> None:
    """An event that crosses segments is one event, the same as without the cut."""
    assert events_of(spans, cuts) == events_of(spans, [])


@given(SPANS)
def test_every_movement_is_in_exactly_one_event(spans: list[MotionSpan]) -> None:
    """Each span lies in one event, events do not overlap, and quiet longer than the limit separates them."""
    events = events_of(spans, [])
    for span in spans:
        holding = [event for event in events if event.start_ns <= span.start_ns and span.end_ns <= event.end_ns]
        assert len(holding) == 1
    for before, after in itertools.pairwise(events):
        assert before.end_ns <= after.start_ns


def test_quiet_time_at_its_limit() -> None:
    """Quiet for exactly the limit is one event, a nanosecond more is two."""
    first = MotionSpan(WallNs(100), WallNs(110), 1.0)
    for gap, count in ((HABITS.quiet_ns, 1), (HABITS.quiet_ns + 1, 2)):
        second = MotionSpan(WallNs(110 + gap), WallNs(130 + gap), 2.0)
        assert len(events_of([first, second], [])) == count


def test_margins_and_peak() -> None:
    """An event has its margins and the largest of its peaks."""
    spans = [MotionSpan(WallNs(100), WallNs(110), 1.0), MotionSpan(WallNs(115), WallNs(120), 7.0)]
    assert events_of(spans, []) == [EndedEvent(WallNs(95), WallNs(125), 7.0)]
