"""The real clock and the fake one keep the same promises."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from components.shared.runtime.clock import Clock, SystemClock
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import eventually

CLOCKS: list[Callable[[], Clock]] = [SystemClock, FakeClock]


@pytest.fixture(params=CLOCKS, ids=["system", "fake"])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_monotonic_time_never_goes_back(clock: Clock) -> None:
    """Two readings of the monotonic clock are in order."""
    readings = [clock.monotonic_ns() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_wall_time_is_in_nanoseconds_since_1970(clock: Clock) -> None:
    """A wall time of these years has 19 digits: nanoseconds, not seconds."""
    assert len(str(clock.wall_ns())) == 19


def test_waiting_for_a_set_event_returns_at_once(clock: Clock) -> None:
    """A wait for an event that is set returns True without waiting, whatever the limit."""
    event = threading.Event()
    event.set()
    assert clock.wait(event, 3_600 * NS_PER_S) is True
    assert clock.wait(event, 0) is True


@pytest.mark.parametrize("duration_ns", [0, -1, -NS_PER_S])
def test_a_wait_without_time_returns_at_once(clock: Clock, duration_ns: int) -> None:
    """A wait of nothing or less returns False when the event is not set."""
    assert clock.wait(threading.Event(), duration_ns) is False


def test_a_wait_ends_when_another_thread_sets_the_event(clock: Clock) -> None:
    """Whoever waits returns True when the event is set meanwhile, long before the limit."""
    event, results = threading.Event(), list[bool]()
    waiter = threading.Thread(target=lambda: results.append(clock.wait(event, 600 * NS_PER_S)))
    waiter.start()
    event.set()
    waiter.join(5)
    assert results == [True]


def test_the_system_clock_waits_as_long_as_it_was_told() -> None:
    """A wait of 30 ms for an event that nobody sets takes 30 ms or a little more, and returns False."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    assert clock.wait(threading.Event(), 30 * NS_PER_MS) is False
    assert clock.monotonic_ns() - began_ns >= 30 * NS_PER_MS


def test_the_fake_clock_waits_until_it_is_moved_far_enough() -> None:
    """A waiter on the fake clock sleeps through a move that is too short and ends with the one that is enough."""
    clock, results = FakeClock(), list[bool]()
    waiter = threading.Thread(target=lambda: results.append(clock.wait(threading.Event(), 10)))
    waiter.start()
    eventually(lambda: clock.waiting == 1)
    clock.advance(9)
    assert results == []
    clock.advance(1)
    waiter.join(5)
    assert results == [False]


def test_a_step_of_the_wall_clock_moves_nothing_else() -> None:
    """When the wall clock jumps back, monotonic time stands where it was."""
    clock = FakeClock(wall_ns=50, monotonic_ns=7)
    clock.step_wall(-40)
    assert (clock.wall_ns(), clock.monotonic_ns()) == (10, 7)
