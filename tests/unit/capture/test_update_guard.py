"""What Capture answers a core that is going to update components."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.capture.core.update_plan import CUT_NS, PUT_OFF_NS_MAX, put_off_ns
from components.capture.update_guard import UpdateGuard
from components.shared.catalogue.capture import SegmentRow, open_row
from components.shared.errors import Transient
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_S, WallNs
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.waiting import eventually

TARGET_NS = 180 * NS_PER_S


@pytest.mark.parametrize(
    ("ages_s", "target_s", "wait_s"),
    [
        ([], 180, 0),
        ([0], 180, 0),
        ([121], 180, 0),  # its cut is due in 61 s, with the keyframe
        ([122], 180, 60),
        ([170], 180, 12),
        ([30, 140, 170], 180, 42),  # the last of those that are near
        ([181.5], 180, 0.5),  # its keyframe is due
        ([500], 180, 0),  # a camera without keyframes: nobody knows when
        ([-5], 180, 0),  # the clock was put back
        ([8], 10, 4),
        ([1], 10, 0),
    ],
)
def test_how_long_an_update_is_put_off(ages_s: list[float], target_s: int, wait_s: float) -> None:
    """Until the last cut that is due within a minute, and within a segment."""
    ages_ns = [int(age_s * NS_PER_S) for age_s in ages_s]
    assert put_off_ns(ages_ns, target_s * NS_PER_S) == wait_s * NS_PER_S


@given(st.lists(st.integers(-(10**12), 10**12), max_size=40), st.integers(NS_PER_S, 600 * NS_PER_S))
def test_it_is_bounded(ages_ns: list[int], target_ns: int) -> None:
    """Whatever the segments are."""
    assert 0 <= put_off_ns(ages_ns, target_ns) <= min(PUT_OFF_NS_MAX, target_ns)


class GuardedBus:
    """A guard at work, and the core that asks it."""

    def __init__(self, open_segments: Callable[[], Sequence[SegmentRow]]) -> None:
        self.clock = FakeClock()
        self.bus = FakeBus(CAPTURE, clock=self.clock)
        self.broker = self.bus.broker
        self.log = RecordingLog()
        self.guard = UpdateGuard(self.bus, open_segments, lambda: TARGET_NS, self.clock, self.log)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The guard's task."""
        stop = threading.Event()
        task = threading.Thread(target=self.guard.run, args=(stop,))
        task.start()
        try:
            yield
        finally:
            stop.set()
            while task.is_alive():
                self.clock.advance(NS_PER_S)
                task.join(0.01)

    def ask(self, deployment: str) -> int:
        """For how long the deployment is put off."""
        eventually(lambda: self.bus.listens_for_updates)
        before = len(self.broker.put_off)
        self.broker.announce(deployment)
        eventually(lambda: len(self.broker.put_off) > before)
        return self.broker.put_off[before][1]


def segment(age_ns: int) -> SegmentRow:
    """A segment that has lasted so long, by the fake clock."""
    return open_row("cam-1", "main", WallNs(FakeClock().wall_ns() - age_ns), "run", "main")


def test_a_deployment_is_put_off_once() -> None:
    """Asked again it goes on, whatever has begun meanwhile; another deployment is another question."""
    box = GuardedBus(lambda: [segment(TARGET_NS - 10 * NS_PER_S)])
    with box.running():
        assert box.ask("first") == 10 * NS_PER_S + CUT_NS
        assert box.ask("first") == 0
        assert box.ask("second") > 0


def test_a_catalogue_that_cannot_be_read_holds_nobody_up() -> None:
    """Then the update goes on at once."""

    def unreadable() -> list[SegmentRow]:
        raise Transient("the disk does not answer")

    box = GuardedBus(unreadable)
    with box.running():
        assert box.ask("first") == 0


def test_an_answer_that_comes_too_late() -> None:
    """It is told, and the guard goes on."""
    box = GuardedBus(list)
    with box.running():
        eventually(lambda: box.bus.listens_for_updates)
        box.broker.connected = False
        box.broker.announce_anyway("late")
        eventually(lambda: box.log.named("update_not_answered"))
        box.broker.connected = True
        assert box.ask("next") == 0
