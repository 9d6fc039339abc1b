"""Time that the lab moves: it passes when nobody works, and everybody has done what was due when `advance` returns."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from components.shared.wire.units import NS_PER_S
from lab.moved_clock import MovedClock, StuckError


def start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="works", daemon=True)
    thread.start()
    return thread


def test_all_that_was_due_is_done() -> None:
    """Threads that wait for their time have worked when the time has been moved, as often as it came."""
    clock = MovedClock(0, 0)
    stop, done = threading.Event(), [0, 0, 0]

    def work(number: int) -> None:
        while not clock.wait(stop, (number + 1) * NS_PER_S):
            done[number] += 1

    threads = [start(lambda number=number: work(number)) for number in range(3)]  # type: ignore[misc]
    clock.settle()
    for _ in range(12):
        clock.advance(NS_PER_S)
    assert done == [12, 6, 4]
    stop.set()
    clock.settle()
    assert not any(thread.is_alive() for thread in threads)


def test_events_are_heard_without_time() -> None:
    """Who waits for an event goes on when another thread has set it, though no time passes; and so does the next."""
    clock = MovedClock(0, 0)
    first, second, begun = threading.Event(), threading.Event(), threading.Event()

    def relay() -> None:
        clock.wait(first, 3_600 * NS_PER_S)
        second.set()

    heard: list[bool] = []
    start(relay)
    start(lambda: heard.append(clock.wait(second, 3_600 * NS_PER_S)))
    clock.settle()
    first.set()
    clock.settle()
    assert heard == [True] and not begun.is_set() and clock.monotonic_ns() == 0


def test_wall_steps_alone() -> None:
    """A step of the wall clock is no passing of time."""
    clock = MovedClock(5, 7)
    clock.step_wall(100)
    assert (clock.wall_ns(), clock.monotonic_ns()) == (105, 7)
    clock.advance(1)
    assert (clock.wall_ns(), clock.monotonic_ns()) == (106, 8)


def test_thread_that_waits_for_something_else_is_named() -> None:
    """A thread that never waits by the clock stops the lab with its name, and not for ever."""
    clock = MovedClock(0, 0, stuck_s_max=0.05)
    end = threading.Event()
    thread = start(end.wait)  # type: ignore[arg-type]
    with pytest.raises(StuckError, match="works"):
        clock.advance(NS_PER_S)
    end.set()
    thread.join()


def test_threads_apart_are_not_waited_for() -> None:
    """A thread that waits for something else by its nature is named beforehand, and holds nobody up."""
    clock = MovedClock(0, 0, stuck_s_max=0.05, apart=frozenset({"works"}))
    end = threading.Event()
    thread = start(end.wait)  # type: ignore[arg-type]
    clock.advance(NS_PER_S)
    assert clock.monotonic_ns() == NS_PER_S
    end.set()
    thread.join()
