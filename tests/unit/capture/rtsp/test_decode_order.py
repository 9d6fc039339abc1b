"""Decode times from presentation times: without B-frames, with them, known and unknown, over wraps."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.rtsp.decode_order import BACK_TICKS_MAX, DecodeOrder

STEP = 3_600


def test_without_b_frames_both_times_are_the_same() -> None:
    """Whether that is known or not."""
    for depth in (0, None):
        order = DecodeOrder(depth)
        assert [order.feed(number * STEP) for number in range(5)] == [(number * STEP,) * 2 for number in range(5)]


def test_b_frames() -> None:
    """I0 P2 B1 P4 B3: decoded one picture before it is shown, in even steps."""
    order = DecodeOrder(1)
    times = [order.feed(shown * STEP) for shown in (0, 2, 1, 4, 3, 6, 5)]
    assert [pts for _dts, pts in times] == [shown * STEP for shown in (0, 2, 1, 4, 3, 6, 5)]
    assert [dts for dts, _pts in times] == [place * STEP for place in range(-1, 6)]


def test_an_unknown_depth_is_learned() -> None:
    """After the first picture that comes back, decode times are as with the depth known."""
    known, unknown = DecodeOrder(1), DecodeOrder(None)
    shown = [0, *itertools.chain.from_iterable((place + 1, place) for place in range(1, 20, 2))]
    pairs = [(known.feed(place * STEP), unknown.feed(place * STEP)) for place in shown]
    assert all(ours == theirs for ours, theirs in pairs[4:])


def test_timestamps_wrap() -> None:
    """They go on beyond 32 bits, B-frames around the wrap included."""
    order = DecodeOrder(1)
    start = (1 << 32) - 2 * STEP
    times = [order.feed((start + shown * STEP) % (1 << 32))[1] - start for shown in (0, 2, 1, 4, 3)]
    assert times == [shown * STEP for shown in (0, 2, 1, 4, 3)]


def test_another_beginning_is_left_to_the_timeline() -> None:
    """A time far back is given as it was sent."""
    order = DecodeOrder(1)
    for shown in (50, 52, 51):
        order.feed(shown * STEP + BACK_TICKS_MAX * 2)
    assert order.feed(7)[1] == 7
    assert order.feed(STEP + 7)[1] == STEP + 7


def test_a_depth_that_no_codec_has() -> None:
    """It is cut to what a codec can have, and breaks nothing."""
    order = DecodeOrder(99)
    for number in range(40):
        dts, pts = order.feed(number * STEP)
        assert dts <= pts


@given(st.lists(st.integers(0, 1 << 32), max_size=60), st.one_of(st.none(), st.integers(0, 16)))
def test_nothing_is_shown_before_it_is_decoded(timestamps: list[int], depth: int | None) -> None:
    """Whatever the sender says."""
    order = DecodeOrder(depth)
    for timestamp in timestamps:
        dts, pts = order.feed(timestamp)
        assert dts <= pts


@given(st.integers(1, 4), st.integers(2, 40))
def test_decode_times_grow_for_any_pyramid(depth: int, groups: int) -> None:
    """Pictures shown in groups of depth + 1, the last of each decoded first: decode times grow by even steps."""
    order = DecodeOrder(depth)
    size = depth + 1
    shown = [0, *(base + place for base in range(0, groups * size, size) for place in (size, *range(1, size)))]
    times = [order.feed(place * STEP)[0] for place in shown]
    assert [after - before for before, after in itertools.pairwise(times)] == [STEP] * (len(times) - 1)
