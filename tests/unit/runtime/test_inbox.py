"""The inbox: bounded, newest kept, a consumer waits with a limit and for `stop`."""

from __future__ import annotations

import threading

import pytest

from components.shared.errors import Rejected
from components.shared.runtime.bus import STOP_LOOK_NS, CloudInbox, CloudMessage, matches
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import eventually


def _message(number: int) -> CloudMessage:
    return CloudMessage("t", b"%d" % number)


def _numbers(messages: list[CloudMessage]) -> list[int]:
    return [int(message.payload) for message in messages]


@pytest.mark.parametrize(("count", "dropped"), [(2, 0), (3, 0), (4, 1), (10, 7)])
def test_a_full_inbox_drops_the_oldest_and_counts(count: int, dropped: int) -> None:
    """Below and at its capacity nothing is lost; above, the newest are kept."""
    inbox = CloudInbox(3)
    for number in range(count):
        inbox.put(_message(number))
    assert inbox.dropped == dropped
    assert _numbers(inbox.drain()) == list(range(dropped, count))
    assert inbox.drain() == []


def test_messages_are_taken_in_order() -> None:
    """Taking gives the oldest first, and None when there is nothing and no time."""
    inbox, clock, stop = CloudInbox(3), FakeClock(), threading.Event()
    inbox.put(_message(1))
    inbox.put(_message(2))
    taken = [inbox.take(clock, stop, 0) for _ in range(3)]
    assert taken == [_message(1), _message(2), None]


def test_a_taker_waits_until_its_limit() -> None:
    """Without a message the take returns None once its time is over, however long it is."""
    clock = FakeClock(auto=True)
    began_ns = clock.monotonic_ns()
    assert CloudInbox(1).take(clock, threading.Event(), 10 * NS_PER_S) is None
    assert clock.monotonic_ns() - began_ns == 10 * NS_PER_S


def test_a_message_ends_the_wait_at_once() -> None:
    """A taker that waits for minutes has the message as soon as it is put."""
    inbox, clock, stop = CloudInbox(1), FakeClock(), threading.Event()
    taken: list[CloudMessage | None] = []
    taker = threading.Thread(target=lambda: taken.append(inbox.take(clock, stop, 600 * NS_PER_S)))
    taker.start()
    eventually(lambda: clock.waiting == 1)
    inbox.put(_message(1))
    taker.join(5)
    assert taken == [_message(1)]


@pytest.mark.slow
def test_stop_ends_the_wait_soon() -> None:
    """On the real clock a taker notices `stop` within half a second, although nobody wakes it."""
    inbox, clock, stop = CloudInbox(1), SystemClock(), threading.Event()
    taker = threading.Thread(target=lambda: inbox.take(clock, stop, 600 * NS_PER_S))
    taker.start()
    stop.set()
    taker.join(2 * STOP_LOOK_NS / NS_PER_S)
    assert not taker.is_alive()


def test_wake_ends_the_wait_of_a_taker_that_should_stop() -> None:
    """With `stop` set, a wake ends the wait even where time stands still."""
    inbox, clock, stop = CloudInbox(1), FakeClock(), threading.Event()
    taker = threading.Thread(target=lambda: inbox.take(clock, stop, 600 * NS_PER_S))
    taker.start()
    eventually(lambda: clock.waiting == 1)
    stop.set()
    inbox.wake()
    taker.join(5)
    assert not taker.is_alive()


def test_nothing_is_lost_between_putting_and_taking_in_threads() -> None:
    """Two thousand messages of four threads all arrive at one taker that never waits longer than it must."""
    inbox, clock, stop = CloudInbox(4_000), SystemClock(), threading.Event()

    def put(first: int) -> None:
        for number in range(first, first + 500):
            inbox.put(_message(number))

    putters = [threading.Thread(target=put, args=(first,)) for first in range(0, 2_000, 500)]
    for putter in putters:
        putter.start()
    taken = [inbox.take(clock, stop, 5 * NS_PER_S) for _ in range(2_000)]
    for putter in putters:
        putter.join(5)
    assert sorted(_numbers([message for message in taken if message])) == list(range(2_000))
    assert inbox.take(clock, stop, 0) is None


def test_an_inbox_without_room_is_rejected() -> None:
    """A capacity of nothing is a fault of the caller."""
    with pytest.raises(Rejected, match="at least 1"):
        CloudInbox(0)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "b", False),
        ("nvr/v1/+/#", "nvr/v1/site-1/telemetry/reported", True),
        ("nvr/v1/+/#", "nvr/v2/site-1/x", False),
        ("$aws/things/+/shadow/name/#", "$aws/things/site-1/shadow/name/+/update/delta", True),
        ("$aws/things/+/shadow/name/#", "$aws/things/site-1/shadow/update/delta", False),
    ],
)
def test_filters_match_as_in_mqtt(topic_filter: str, topic: str, expected: bool) -> None:
    """`+` is one level, `#` is the rest."""
    assert matches(topic_filter, topic) is expected
