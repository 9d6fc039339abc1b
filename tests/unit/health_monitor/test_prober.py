"""A probe that hangs holds nobody up, is told, and never becomes two."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from components.health_monitor.prober import STALE_PERIODS, Probe, Prober
from components.shared.errors import Fatal, Transient
from components.shared.wire.units import NS_PER_S
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

PERIOD_NS, LIMIT_NS = 60 * NS_PER_S, 10 * NS_PER_S


class Bench:
    """A prober whose probes are begun by it and finished by the test."""

    def __init__(self) -> None:
        self.clock, self.log = FakeClock(), RecordingLog()
        self.begun: list[Callable[[], None]] = []
        self.prober = Prober(self.clock, self.log, lambda _name, run: self.begun.append(run))
        self.answer: Callable[[], int | None] = lambda: 7
        self.probe: Probe[int] = Probe("room", self._read, PERIOD_NS, LIMIT_NS)

    def _read(self) -> int | None:
        return self.answer()

    def look(self, finish: bool = True) -> int | None:
        """A look, whose probes answer at once if `finish`; the reading after it."""
        self.prober.look([self.probe])
        if finish:
            self.finish()
        return self.prober.reading(self.probe)

    def finish(self) -> None:
        """What was begun answers now."""
        while self.begun:
            self.begun.pop(0)()


def test_asked_at_its_pace() -> None:
    """Once at the first look, and again after its period."""
    bench = Bench()
    assert bench.look() == 7
    bench.clock.advance(PERIOD_NS - 1)
    bench.prober.look([bench.probe])
    assert bench.begun == []
    bench.clock.advance(1)
    bench.answer = lambda: 8
    assert bench.look() == 8


def test_probe_that_hangs_is_silent_after_its_limit_and_asked_once() -> None:
    """Its last reading counts no more, it is told once, and only one asks it however long it takes."""
    bench = Bench()
    bench.look()
    bench.clock.advance(PERIOD_NS)
    bench.look(finish=False)
    bench.clock.advance(LIMIT_NS)
    assert (bench.look(finish=False), bench.prober.silent()) == (7, [])
    bench.clock.advance(1)
    assert (bench.look(finish=False), bench.prober.silent()) == (None, ["room"])
    for _ in range(10):
        bench.clock.advance(PERIOD_NS)
        bench.look(finish=False)
    assert len(bench.begun) == 1
    assert len(bench.log.named("probe_without_reading")) == 1
    assert (bench.look(), bench.prober.silent()) == (7, [])


def test_probe_that_fails_has_no_reading() -> None:
    """Ours to mend or not: its reason is told when it changes, the others go on."""
    bench = Bench()
    for failure in (Transient("no permission"), Transient("no permission"), Fatal("not a disk")):

        def fail(failure: Exception = failure) -> int:
            raise failure

        bench.answer = fail
        assert bench.look() is None
        bench.clock.advance(PERIOD_NS)
    bench.look()
    told = [record.fields["reason"] for record in bench.log.named("probe_without_reading")]
    assert told == ["no permission", "not a disk"]


def test_fault_of_the_program_is_raised() -> None:
    """It ends the worker, as everywhere, and is not lost in a thread."""
    bench = Bench()

    def break_down() -> int:
        raise ZeroDivisionError

    bench.answer = break_down
    bench.look()
    with pytest.raises(ZeroDivisionError):
        bench.look()


def test_old_reading_counts_no_more() -> None:
    """Of a probe that is not wanted any more, or was not looked at for long, nothing is known."""
    bench = Bench()
    bench.look()
    bench.clock.advance(STALE_PERIODS * PERIOD_NS + LIMIT_NS)
    assert bench.prober.reading(bench.probe) == 7
    bench.clock.advance(1)
    assert bench.prober.reading(bench.probe) is None
    bench.prober.look([])
    assert bench.prober.reading(bench.probe) is None


def test_real_threads_hold_up_nobody() -> None:
    """The look returns while a probe hangs, and its answer is there once it comes."""
    let_go = threading.Event()

    def hang() -> int:
        let_go.wait(60)
        return 9

    prober = Prober(FakeClock(), RecordingLog())
    probe: Probe[int] = Probe("disk", hang, PERIOD_NS)
    prober.look([probe])
    prober.look([probe])
    assert prober.reading(probe) is None
    let_go.set()
    eventually(lambda: prober.reading(probe) == 9, 60)
