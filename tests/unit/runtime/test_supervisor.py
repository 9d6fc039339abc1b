"""Trying again: one place, three kinds of failure, pauses that grow and are forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from components.shared.errors import Fatal, NvrError, Rejected, Transient
from components.shared.runtime.supervisor import Backoff, retry, supervise
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog

BACKOFF = Backoff(schedule_s=(5, 10, 30, 60), steady_s=60)


class _Script:
    """An attempt that does what the script says, one entry per call, and sets `stop` at its end."""

    def __init__(self, clock: FakeClock, *entries: NvrError | int) -> None:
        self.clock = clock
        self.stop = threading.Event()
        self.calls = 0
        self._entries = list(entries)

    def __call__(self) -> str:
        self.calls += 1
        entry = self._entries.pop(0)
        if not self._entries:
            self.stop.set()
        if isinstance(entry, int):
            self.clock.advance(entry * NS_PER_S)
            return "done"
        raise entry


def _pauses_s(*entries: NvrError | int, log: RecordingLog | None = None) -> list[float]:
    clock = FakeClock(auto=True)
    script = _Script(clock, *entries, 0)
    supervise("camera cam-1", script, BACKOFF, clock, script.stop, log or RecordingLog())
    return [wait / NS_PER_S for wait in clock.waits_ns[:-1]]


def test_pauses_follow_the_schedule_and_stay_at_the_last() -> None:
    """Failure after failure waits 5, 10, 30, 60, 60 seconds."""
    assert _pauses_s(*[Transient("x")] * 6) == [5, 10, 30, 60, 60, 60]


def test_a_rejected_attempt_waits_the_longest() -> None:
    """What only somebody else's change can mend is tried at the slowest rate, from the first time on."""
    assert _pauses_s(Rejected("x"), Transient("x")) == [60, 10]


def test_a_steady_success_starts_the_schedule_again() -> None:
    """An attempt that went well for 60 s before it failed is followed by the first pause; for 59 s it is not."""

    def failing_after(duration_s: int) -> list[float]:
        clock = FakeClock(auto=True)
        stop = threading.Event()
        calls = iter([0, 0, duration_s, 0])

        def attempt() -> None:
            clock.advance(next(calls) * NS_PER_S)
            if len(clock.waits_ns) == 3:
                stop.set()
            raise Transient("x")

        supervise("a", attempt, BACKOFF, clock, stop, RecordingLog())
        return [wait / NS_PER_S for wait in clock.waits_ns[:3]]

    assert failing_after(60) == [5, 10, 5]
    assert failing_after(59) == [5, 10, 30]


def test_many_short_successes_are_steady_together() -> None:
    """Attempts that return count towards being steady: 60 of a second each are enough."""
    assert _pauses_s(Transient("x"), Transient("x"), *[1] * 60, Transient("x"))[-1] == 5
    assert _pauses_s(Transient("x"), Transient("x"), *[1] * 20, Transient("x"))[-1] == 30


def test_an_attempt_that_returns_is_made_at_most_once_a_second() -> None:
    """One that returns at once waits out the second; one that took longer is made again at once."""
    assert _pauses_s(0, 0) == [1, 1]
    clock = FakeClock(auto=True)
    script = _Script(clock, 3, 0)
    began_ns = clock.monotonic_ns()
    supervise("a", script, BACKOFF, clock, script.stop, RecordingLog())
    assert clock.monotonic_ns() - began_ns == 3 * NS_PER_S


@pytest.mark.parametrize("error", [Fatal("broken"), ValueError("a fault in the program"), KeyboardInterrupt()])
def test_fatal_and_foreign_exceptions_are_raised(error: BaseException) -> None:
    """A broken promise or a fault in the program is not tried again here: the worker ends."""
    calls = []

    def attempt() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        supervise("a", attempt, BACKOFF, FakeClock(auto=True), threading.Event(), RecordingLog())
    assert calls == [1]


def test_a_set_stop_makes_no_attempt() -> None:
    """Whoever should stop does not begin."""
    stop = threading.Event()
    stop.set()
    script = _Script(FakeClock(), 0)
    supervise("a", script, BACKOFF, FakeClock(), stop, RecordingLog())
    assert retry("a", script, BACKOFF, FakeClock(), stop, RecordingLog()) is None
    assert script.calls == 0


def test_stop_ends_a_pause() -> None:
    """A pause of a minute ends when `stop` is set."""
    clock, stop = FakeClock(), threading.Event()

    def attempt() -> None:
        raise Rejected("x")

    thread = threading.Thread(target=supervise, args=("a", attempt, BACKOFF, clock, stop, RecordingLog()))
    thread.start()
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_each_reason_is_told_once() -> None:
    """The first failure and every new reason is a warning; the same one again is only a debug record."""
    log = RecordingLog()
    _pauses_s(Transient("dark"), Transient("dark"), Transient("gone"), Transient("gone"), log=log)
    told = [(record.level, record.fields["error"], record.fields["failures"]) for record in log.records]
    assert told == [("WARNING", "dark", 1), ("DEBUG", "dark", 2), ("WARNING", "gone", 3), ("DEBUG", "gone", 4)]
    assert log.records[0].fields["task"] == "camera cam-1"
    assert log.records[0].fields["retry_s"] == 5


def test_on_failure_hears_every_failure_before_the_pause() -> None:
    """Whoever keeps the state hears of each failure, before the wait for it begins."""
    clock = FakeClock(auto=True)
    script = _Script(clock, Transient("a"), Rejected("b"), 0)
    heard: list[tuple[str, int]] = []
    note: Callable[[Transient | Rejected], None] = lambda error: heard.append((str(error), len(clock.waits_ns)))  # noqa: E731
    supervise("a", script, BACKOFF, clock, script.stop, RecordingLog(), on_failure=note)
    assert heard == [("a", 0), ("b", 1)]


def test_retry_gives_the_first_result() -> None:
    """Transient failures are waited out until there is a result; Rejected is raised."""
    clock = FakeClock(auto=True)
    script = _Script(clock, Transient("a"), Transient("b"), 0, 0)
    assert retry("a", script, BACKOFF, clock, script.stop, RecordingLog()) == "done"
    assert clock.waits_ns == [5 * NS_PER_S, 10 * NS_PER_S]
    with pytest.raises(Rejected, match="bad"):
        retry("a", _Script(clock, Rejected("bad")), BACKOFF, clock, threading.Event(), RecordingLog())


@pytest.mark.parametrize("schedule_s", [(), (0,), (5, -1)])
def test_a_schedule_without_pauses_is_rejected(schedule_s: tuple[float, ...]) -> None:
    """A retry loop without a pause is not possible."""
    with pytest.raises(Rejected, match="pauses above zero"):
        Backoff(schedule_s=schedule_s)
