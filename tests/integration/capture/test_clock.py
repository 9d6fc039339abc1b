"""The box's clock is wrong and is put right, while Capture records real files and between two of its lives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from components.capture.core.placement import SETTLED_NS
from components.shared.catalogue.check import check
from components.shared.wire.units import NS_PER_MS, NS_PER_S
from tests.fakes.capture_box import CaptureBox
from tests.fakes.clock import FakeClock
from tests.fakes.packet_source import FakeCamera, open_fake
from tests.fakes.packets import due_ns
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

YEAR_NS = 365 * 86_400 * NS_PER_S
PATIENT_S = 60.0


class Site:
    """One camera and the box that records it, in time that the test moves."""

    def __init__(self, data: Path) -> None:
        self.clock = FakeClock()
        self.box = CaptureBox(data, self.clock, segment_s=2)
        self.box.is_synchronised = True
        self.camera = FakeCamera("cam-1", self.clock, read_s=PATIENT_S)
        self.box.set_camera("cam-1", "rtsp://camera/cam-1")
        self.open_source = open_fake(self.camera)
        self._played = 0

    def play_until(self, what: str, condition: Callable[[], object]) -> None:
        def look() -> object:
            for _ in range(15):
                if self.camera.watchers:
                    self.camera.play()
                self.clock.advance(due_ns(self._played + 1) - due_ns(self._played))
                self._played += 1
            return condition()

        eventually(look, 60.0, what)

    def newest_away_ns(self) -> int:
        """How far the newest segment's end is from the clock."""
        rows = sorted(self.box.rows.closed_after(0, 1_000), key=lambda row: row.sequence or 0)
        return abs(self.clock.wall_ns() - (rows[-1].end_ns or 0)) if rows else YEAR_NS

    def is_dated_right(self) -> bool:
        return self.newest_away_ns() < 30 * NS_PER_S


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "data")


def assert_whole(site: Site) -> None:
    rows = site.box.segments("cam-1")
    assert all(
        first.end_ns is not None and first.end_ns <= second.start_ns for first, second in itertools.pairwise(rows)
    )
    assert check(site.box.data, with_hash=True) == []


@pytest.mark.parametrize("step_ns", [YEAR_NS, -YEAR_NS // 4])
def test_put_right_while_recording(site: Site, step_ns: int) -> None:
    """A step, and the step back, are followed within a cut or two; files and rows agree, the record is in order."""
    with site.box.running(site.open_source):
        site.play_until("it records", lambda: site.box.segments("cam-1"))
        site.clock.step_wall(step_ns)
        site.play_until("it follows the clock", site.is_dated_right)
        site.clock.step_wall(-step_ns)
        site.play_until("it follows the clock again", site.is_dated_right)
    assert_whole(site)
    ends = [run.end_cause for run in site.box.rows.runs("cam-1")]
    assert ends.count("the clock was set") == 2
    assert "clock" in [gap.cause for gap in site.box.gaps("cam-1")]


def test_put_right_between_two_lives(site: Site) -> None:
    """A record that is a year ahead of a synchronised clock is no reason to record a year ahead any longer."""
    with site.box.running(site.open_source):
        site.clock.step_wall(YEAR_NS)
        site.play_until("it records", lambda: len(site.box.segments("cam-1")) >= 2)
        site.play_until("it follows the clock", site.is_dated_right)
    site.clock.step_wall(-YEAR_NS)
    site.clock.advance(60 * NS_PER_S)
    with site.box.running(site.open_source):
        known = len(site.box.segments("cam-1"))
        site.play_until("it records again", lambda: len(site.box.segments("cam-1")) >= known + 2)
        assert site.is_dated_right()
    assert_whole(site)
    assert site.box.rows.misdated_ns("cam-1", "main") is not None


def test_clock_that_nobody_speaks_for(site: Site) -> None:
    """A year's step of a clock that is not synchronised is not followed: the run goes on by its own time."""
    site.box.is_synchronised = None
    with site.box.running(site.open_source):
        site.play_until("it records", lambda: site.box.segments("cam-1"))
        site.clock.step_wall(YEAR_NS)
        begun_ns = site.clock.monotonic_ns()
        site.play_until("a minute passes", lambda: site.clock.monotonic_ns() - begun_ns > 2 * SETTLED_NS)
        assert site.newest_away_ns() > YEAR_NS // 2
    assert [run.end_cause for run in site.box.rows.runs("cam-1")] == ["stopped"]
    assert "clock_not_trusted" in site.box.log.events()
    assert_whole(site)


def test_run_tells_its_clock(site: Site) -> None:
    """A run's row says whose word its time is, how unsure it is, and how far the camera's clock is from the box's."""
    hour_ns = 3_600 * NS_PER_S
    with site.box.running(site.open_source):
        eventually(lambda: site.camera.watchers, 20.0, "it is open")
        for _ in range(60):
            site.camera.play(sender_wall_ns=site.clock.wall_ns() + hour_ns)
            site.clock.advance(NS_PER_S // 15)
        site.play_until("it records", lambda: site.box.segments("cam-1"))
    (run,) = site.box.rows.runs("cam-1")
    assert run.anchor_source == "arrival"
    assert run.clock_offset_ns == pytest.approx(hour_ns, abs=300 * NS_PER_MS)
    assert run.anchor_uncertainty_ns is not None and 0 < run.anchor_uncertainty_ns < NS_PER_S


def test_camera_clock_that_jumps_during_a_run_is_told_while_it_runs(site: Site) -> None:
    """Whoever watches the cameras' clocks need not wait for the end of a run that may last a month."""
    hour_ns = 3_600 * NS_PER_S

    def play(offset_ns: int, pictures: int) -> None:
        for _ in range(pictures):
            site.camera.play(sender_wall_ns=site.clock.wall_ns() + offset_ns)
            site.clock.advance(NS_PER_S // 15)

    def offset_is(offset_ns: int) -> bool:
        runs = site.box.rows.unended_runs()
        known = runs[0].clock_offset_ns if runs else None
        return known is not None and abs(known - offset_ns) < 300 * NS_PER_MS

    with site.box.running(site.open_source):
        eventually(lambda: site.camera.watchers, PATIENT_S, "it is open")
        play(0, 60)
        site.play_until("the right clock is told", lambda: offset_is(0))
        play(hour_ns, 120)
        site.play_until("the wrong clock is told", lambda: offset_is(hour_ns))
        assert len(site.box.rows.unended_runs()) == 1
