"""What a reader of a live stream is sent when it is as fast as the stream, slower, or stuck."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.live_queue import Frame, ReaderQueue

HELLO: Frame = (b"[hello]", b"")


def frame(number: int, size: int = 10) -> Frame:
    return (f"<{number}>".encode(), b"." * size)


def take(queue: ReaderQueue, bytes_max: int = 1 << 30) -> bytes:
    """Take at most that much, as a socket does that has room for so much."""
    taken = b""
    while len(taken) < bytes_max and (buffers := queue.buffers()):
        part = b"".join(buffers)[: bytes_max - len(taken)]
        queue.sent(len(part))
        taken += part
    return taken


def said(*frames: Frame) -> bytes:
    return b"".join(part for one in frames for part in one)


def test_a_reader_begins_with_a_hello_and_a_keyframe() -> None:
    """What comes before the first keyframe is not for it."""
    queue = ReaderQueue()
    queue.put(frame(0), False, HELLO)
    queue.put(frame(1), True, HELLO)
    queue.put(frame(2), False, HELLO)
    assert take(queue) == said(HELLO, frame(1), frame(2))
    assert queue.waiting_bytes == 0
    assert queue.dropped == 0


def test_a_slow_reader_goes_on_with_the_next_keyframe() -> None:
    """At the limit everything waits; above it what is not begun is dropped, and a hello precedes the next keyframe."""
    size = len(said(frame(1)))
    queue = ReaderQueue(bytes_max=len(said(HELLO)) + 3 * size)
    for number in range(1, 4):
        queue.put(frame(number), number == 1, HELLO)
    assert queue.dropped == 0
    queue.put(frame(4), False, HELLO)
    assert queue.waiting_bytes == 0
    queue.put(frame(5), False, HELLO)
    queue.put(frame(6), True, HELLO)
    assert take(queue) == said(HELLO, frame(6))
    assert queue.dropped == 4  # hello, 1, 2, 3


def test_a_frame_that_is_begun_is_sent_to_its_end() -> None:
    """A reader never sees half a frame, whatever is dropped behind it."""
    queue = ReaderQueue(frames_max=4)
    queue.put(frame(1), True, HELLO)
    begun = take(queue, len(said(HELLO)) + 2)
    for number in range(2, 9):
        queue.put(frame(number), False, HELLO)
    queue.put(frame(9), True, HELLO)
    assert begun + take(queue) == said(HELLO, frame(1), HELLO, frame(9))


def test_a_keyframe_above_the_limit_is_sent_alone() -> None:
    """One picture that is longer than what may wait is still given; nothing else waits beside it."""
    queue = ReaderQueue(bytes_max=50)
    queue.put(frame(1), True, HELLO)
    queue.put(frame(2, size=500), True, HELLO)
    assert take(queue) == said(HELLO, frame(2, size=500))


def test_another_beginning_is_told_by_a_hello() -> None:
    """What waits is sent to its end; then the reader is told anew how to decode what follows."""
    queue = ReaderQueue()
    queue.put(frame(1), True, HELLO)
    queue.begin_anew()
    queue.put(frame(2), False, (b"[other]", b""))
    queue.put(frame(3), True, (b"[other]", b""))
    assert take(queue) == said(HELLO, frame(1), (b"[other]", b""), frame(3))


def test_beginnings_do_not_pile_up() -> None:
    """A camera that begins anew again and again fills nothing: the limits hold for what it begins with too."""
    for queue in (ReaderQueue(bytes_max=100), ReaderQueue(frames_max=5)):
        for number in range(50):
            queue.begin_anew()
            queue.put(frame(number), True, HELLO)
        assert queue.waiting_bytes <= 130
        assert take(queue).endswith(said(HELLO, frame(49)))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 90)), max_size=60),
    st.integers(40, 200),
    st.integers(2, 10),
)
def test_whatever_a_reader_does_it_sees_whole_gops(
    steps: list[tuple[bool, int, int]], bytes_max: int, frames_max: int
) -> None:
    """What is taken is whole frames, hello before keyframe, no hole between; what waits is bounded."""
    queue = ReaderQueue(bytes_max, frames_max)
    taken = b""
    put: list[tuple[Frame, bool]] = []
    for number, (is_keyframe, size, room) in enumerate(steps):
        put.append((frame(number, size), is_keyframe))
        queue.put(*put[-1], HELLO)
        largest = max(len(said(one)) for one, _ in put)
        assert queue.waiting_bytes <= bytes_max + 2 * largest + len(said(HELLO))
        taken += take(queue, room)
    taken += take(queue)
    _check(taken, put)


def _check(taken: bytes, put: list[tuple[Frame, bool]]) -> None:
    tokens = re.findall(rb"\[hello\]|<\d+>\.+", taken)
    assert b"".join(tokens) == taken, "there is half a frame in it"
    last: int | None = None
    begins = False
    for token in tokens:
        if token == said(HELLO):
            begins = True
            continue
        number = int(token[1 : token.index(b">")])
        assert token == said(put[number][0])
        if begins:
            assert put[number][1], "it does not begin with a keyframe"
            assert last is None or number > last
        else:
            assert last is not None
            assert number == last + 1, "there is a hole"
        last, begins = number, False
