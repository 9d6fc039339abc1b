"""The thread that records all cameras and the one that reads them: nobody waits for another's failure."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from components.capture.core.packets import EncodedPacket
from components.capture.packet_queue import PacketQueue
from components.capture.packet_source import SourceFailed
from components.capture.pump import Pump
from components.capture.scribe import Scribe
from components.shared.runtime.clock import SystemClock
from components.shared.wire.units import MonotonicNs
from tests.fakes.packets import video_packet
from tests.fakes.waiting import eventually

LIMIT_S = 10.0


class Pipe:
    """A source whose connection is a socket pair; each byte on it is a picture, `x` a failure, the end its end."""

    is_pumped = True
    packets_missed = 0

    def __init__(self) -> None:
        self.camera, self._ours = socket.socketpair()
        self._ours.setblocking(False)
        self.is_closed = False

    def fileno(self) -> int:
        return self._ours.fileno()

    def collect(self, wait_ns: int) -> list[EncodedPacket] | None:
        try:
            data = self._ours.recv(64)
        except BlockingIOError:
            return []
        if b"x" in data:
            raise SourceFailed("unreachable", "broken")
        return [video_packet(number) for number in range(len(data))] if data else None

    def close(self) -> None:
        self.is_closed = True
        self._ours.close()


class CountingClock(SystemClock):
    """Counts how often it is asked for the monotonic time."""

    def __init__(self) -> None:
        self.asked = 0

    def monotonic_ns(self) -> MonotonicNs:
        self.asked += 1
        return super().monotonic_ns()


@contextmanager
def running(run: object, stop: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=run, args=(stop,), daemon=True)  # type: ignore[arg-type]
    thread.start()
    yield
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def taken(queue: PacketQueue) -> int:
    return len(queue.take(0).packets)


def test_the_pump_reads_all_into_their_queues() -> None:
    """Each source's packets come into its own queue, and who records is told after each round."""
    clock, stop, told = SystemClock(), threading.Event(), threading.Event()
    pump, pipes, queues = Pump(clock, told.set), [Pipe(), Pipe()], [PacketQueue(clock), PacketQueue(clock)]
    with running(pump.run, stop):
        for pipe, queue in zip(pipes, queues, strict=True):
            pump.add(pipe, queue)
        pipes[0].camera.send(b"ab")
        pipes[1].camera.send(b"c")
        eventually(lambda: [queue.waiting for queue in queues] == [2, 1], LIMIT_S, "all is read")
        assert told.wait(LIMIT_S)
        for queue in queues:
            queue.abandon()
    assert all(pipe.is_closed for pipe in pipes)


@pytest.mark.parametrize("is_failing", [True, False])
def test_one_that_ends_or_fails_disturbs_no_other(is_failing: bool) -> None:
    """It is closed and its queue says why; the others are read on."""
    clock, stop = SystemClock(), threading.Event()
    pump, bad, good = Pump(clock, lambda: None), Pipe(), Pipe()
    bad_queue, good_queue = PacketQueue(clock), PacketQueue(clock)
    with running(pump.run, stop):
        pump.add(bad, bad_queue)
        pump.add(good, good_queue)
        if is_failing:
            bad.camera.send(b"x")
        else:
            bad.camera.close()
        eventually(lambda: bad.is_closed, LIMIT_S, "the bad one is closed")
        good.camera.send(b"abc")
        eventually(lambda: good_queue.waiting == 3, LIMIT_S, "the good one is read")
        good_queue.abandon()
    batch = bad_queue.take(0)
    assert batch.ended
    assert (str(batch.error) == "broken") is is_failing


def test_a_connection_that_ended_is_not_waited_for() -> None:
    """What is closed would always be ready: waiting for it is asking it without a pause."""
    clock, stop = CountingClock(), threading.Event()
    asked: list[int] = []
    pump, bad, good = Pump(clock, lambda: asked.append(clock.asked)), Pipe(), Pipe()
    bad_queue, good_queue = PacketQueue(clock), PacketQueue(clock)
    with running(pump.run, stop):
        pump.add(bad, bad_queue)
        pump.add(good, good_queue)
        eventually(lambda: asked, LIMIT_S, "all were looked at")
        bad.camera.close()
        eventually(lambda: bad.is_closed, LIMIT_S, "the bad one is closed")
        rounds = len(asked)
        eventually(lambda: len(asked) >= rounds + 2, LIMIT_S, "the good one is looked at further on")
        good_queue.abandon()
    assert max(after - before for before, after in itertools.pairwise(asked)) < 100


def test_an_abandoned_queue_closes_its_source() -> None:
    """Nobody wants the packets any more."""
    clock, stop = SystemClock(), threading.Event()
    pump, pipe, queue = Pump(clock, lambda: None), Pipe(), PacketQueue(clock)
    with running(pump.run, stop):
        pump.add(pipe, queue)
        queue.abandon()
        eventually(lambda: pipe.is_closed, LIMIT_S, "it is closed")


def test_a_step_is_done_again_and_again_until_stopped() -> None:
    """Whoever attends comes back when its stop is set, and no step of it runs afterwards."""
    scribe, stop, own, steps = Scribe(SystemClock()), threading.Event(), threading.Event(), []

    def step() -> None:
        steps.append(threading.current_thread())
        scribe.wake()
        if len(steps) == 3:
            own.set()

    with running(scribe.run, stop):
        scribe.attend(step, own)
        assert len(steps) == 3
        assert threading.current_thread() not in steps


def test_what_a_step_raises_is_raised_where_it_is_attended() -> None:
    """And the steps of others go on."""
    scribe, stop, own, steps = Scribe(SystemClock()), threading.Event(), threading.Event(), []
    failing = threading.Event()

    def fail() -> None:
        failing.wait(LIMIT_S)
        raise SourceFailed("unreachable", "gone")

    def count() -> None:
        steps.append(1)
        scribe.wake()

    with running(scribe.run, stop):
        other = threading.Thread(target=scribe.attend, args=(count, own), daemon=True)
        other.start()
        failing.set()
        with pytest.raises(SourceFailed, match="gone"):
            scribe.attend(fail, own)
        before = len(steps)
        eventually(lambda: len(steps) > before, LIMIT_S, "the other goes on")
        own.set()
        other.join(LIMIT_S)
        assert not other.is_alive()
