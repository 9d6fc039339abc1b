"""Which reading of a foreign name is meant, where its first picture is put, and what time is free."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.import_plan import (
    DELIVERY_NS_MAX,
    EARLY_NS_MAX,
    NAME_SHIFT_NS_MAX,
    FreeTime,
    choose_reading,
    place_start,
)
from components.shared.wire.units import NS_PER_S, Span, WallNs

HOUR = 3_600


def span(start_s: float, end_s: float) -> Span:
    """A span in seconds."""
    return Span(WallNs(int(start_s * NS_PER_S)), WallNs(int(end_s * NS_PER_S)))


FIRST, SECOND = span(0, 300), span(HOUR, HOUR + 300)
LONG = span(0, HOUR + 300)
LATER = 30 * 24 * HOUR


@pytest.mark.parametrize(
    ("readings", "length_s", "delivered_s", "taken", "chosen", "doubtful"),
    [
        ([FIRST], None, 0, [], FIRST, False),
        ([FIRST, LONG], 301, LATER, [], FIRST, False),
        ([FIRST, LONG], HOUR + 290, LATER, [], LONG, False),
        ([FIRST, LONG, SECOND], 300, LATER, [], FIRST, True),
        ([FIRST, SECOND], 300, HOUR + 310, [], SECOND, False),
        ([FIRST, SECOND], 300, 310, [FIRST], FIRST, False),
        ([FIRST, SECOND], 300, LATER, [span(-10, 200)], SECOND, False),
        ([FIRST, SECOND], 300, LATER, [span(-10, 4)], FIRST, True),
        ([FIRST, SECOND], 300, LATER, [span(0, 2 * HOUR)], FIRST, True),
    ],
)
def test_which_reading_is_meant(
    readings: list[Span], length_s: int | None, delivered_s: int, taken: list[Span], chosen: Span, doubtful: bool
) -> None:
    """By length, then by delivery, then by what is recorded already, then the first."""
    length_ns = None if length_s is None else length_s * NS_PER_S
    reading = choose_reading(readings, length_ns, delivered_s * NS_PER_S, FreeTime(taken))
    assert (reading.span, reading.is_doubtful) == (chosen, doubtful)


@pytest.mark.parametrize(
    ("after_end_ns", "chosen"),
    [
        (-EARLY_NS_MAX - 1, FIRST),
        (-EARLY_NS_MAX, SECOND),
        (DELIVERY_NS_MAX, SECOND),
        (DELIVERY_NS_MAX + 1, FIRST),
    ],
)
def test_how_late_a_delivery_may_be(after_end_ns: int, chosen: Span) -> None:
    """Within a quarter of an hour after its end it speaks for a reading."""
    delivered_ns = SECOND.end_ns + after_end_ns
    assert choose_reading([FIRST, SECOND], None, delivered_ns, None).span == chosen


@pytest.mark.parametrize(
    ("length_s", "before_end_s", "start_s"),
    [
        (None, None, 100),
        (299.5, None, 100.5),  # its end fits its name's
        (299.0, None, 100),  # a second or more is not what a name leaves open
        (301.0, None, 100),
        (299.5, 100.7, 100.7),
        (299.5, 100.2, 100.5),
        (None, 99, 100),
        (None, 100 + NAME_SHIFT_NS_MAX / NS_PER_S, 102),
        (None, 102.1, 100),
    ],
)
def test_where_the_first_picture_is_put(length_s: float | None, before_end_s: float | None, start_s: float) -> None:
    """Within what the name leaves open: where the end fits, and after the file before it."""
    length_ns = None if length_s is None else int(length_s * NS_PER_S)
    before_ns = None if before_end_s is None else int(before_end_s * NS_PER_S)
    assert place_start(span(100, 400), length_ns, before_ns) == int(start_s * NS_PER_S)


def test_free_time_at_its_borders() -> None:
    """Spans are half open."""
    free = FreeTime([span(20, 30), span(10, 15)])
    asked = [9, 10, 14, 15, 20, 29, 30]
    assert [free.is_taken(moment * NS_PER_S) for moment in asked] == [False, True, True, False, True, True, False]
    assert [free.until(moment * NS_PER_S) for moment in (9, 10, 15, 20)] == [
        10 * NS_PER_S,
        20 * NS_PER_S,
        20 * NS_PER_S,
        None,
    ]
    assert [free.end_of_before(moment * NS_PER_S) for moment in (10, 11, 20, 21)] == [
        None,
        15 * NS_PER_S,
        15 * NS_PER_S,
        30 * NS_PER_S,
    ]


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 20)), max_size=20),
    st.integers(0, 520),
)
def test_free_time_is_what_no_span_holds(pieces: list[tuple[int, int]], moment: int) -> None:
    """A moment is taken if and only if some span holds it, and what follows begins after it."""
    taken: list[Span] = []
    for start, length in sorted(pieces):
        if not taken or taken[-1].end_ns <= start:
            taken.append(Span(WallNs(start), WallNs(start + length)))
    free = FreeTime(taken)
    assert free.is_taken(moment) == any(one.start_ns <= moment < one.end_ns for one in taken)
    after = [one.start_ns for one in taken if one.start_ns > moment]
    assert free.until(moment) == (min(after) if after else None)
