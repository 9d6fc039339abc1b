"""Whatever clocks do: the record of a stream is in order, never twice over one time, near the truth, in few segments.

Cameras' ticks and both clocks of the box are made up; timeline, segmenter, placement, ledger and catalogue are the
product's. No files: a segment is its row.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.capture.clock_watch import ClockWatch
from components.capture.core.packet_times import LAG_NS_MAX, LEAD_NS_MAX
from components.capture.core.packets import EncodedPacket, StreamParameters, TimedPacket
from components.capture.core.placement import SETTLED_NS
from components.capture.core.segmenter import Segmenter, Step
from components.capture.core.timeline import RunTimeline
from components.capture.hints import Hints
from components.capture.run_place import RunPlace
from components.capture.stream_ledger import StreamLedger
from components.shared.catalogue.capture import CaptureWriter, RunRow, Volume, open_row
from components.shared.wire.coverage import cover
from components.shared.wire.object_keys import segment_id
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.topics import CAPTURE
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, Span, parse_stamp
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.fakes.log import RecordingLog
from tests.fakes.packets import VIDEO, VIDEO_BASE

pytestmark = pytest.mark.slow

TRUE_NS = parse_stamp("20261127T120000.000Z")
PICTURE_NS = 2 * NS_PER_S
TARGET_NS = 60 * NS_PER_S
CUT_NS = TARGET_NS + PICTURE_NS
NEAR_NS = 3 * NS_PER_S
"""What a run may be away from a clock that is right, once it has been followed."""

FOLLOWED_NS = SETTLED_NS + 3 * CUT_NS + 40 * NS_PER_S
"""A step is noticed at a cut, followed at one that comes when it has settled, by a run or by being led for a while."""


@dataclass(frozen=True)
class Happening:
    """Something at a moment: `what` with a size."""

    what: str
    size: int = 0


@dataclass
class World:
    """A camera, a box and its record."""

    folder: Path
    is_synchronised: bool | None = True
    clock: FakeClock = field(default_factory=lambda: FakeClock(TRUE_NS, 1_000 * NS_PER_S))
    ticks: int = 0
    ppm: int = 0
    wrong_ns: int = 0
    placed: list[list[TimedPacket]] = field(default_factory=list)
    runs: int = 0
    segments: int = 0
    away: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.catalogue = CaptureWriter.open(self.folder)
        self.catalogue.register_volume(Volume("main", self.folder / "media"))
        self.log = RecordingLog()
        self.begin_process()

    def begin_process(self) -> None:
        hints = Hints(FakeBus(CAPTURE, clock=self.clock), self.clock, self.log)
        self.watch = ClockWatch(self.clock, lambda: self.is_synchronised, self.log)
        self.watch.begin_after(self.catalogue.newest_end_ns())
        self.ledger = StreamLedger("cam-1", "main", self.catalogue, hints, self.watch, self.log)
        self.ledger.begin(None, "starting")
        self.connect()

    def connect(self) -> None:
        self.timeline = RunTimeline(StreamParameters(VIDEO, None))
        self.segmenter = Segmenter(VIDEO, TARGET_NS, lambda *_asked: True)
        self.segmenter._sequence = (b"sps",)  # pictures here have no parameters to be found
        self.place = RunPlace(self.timeline, self.ledger, self.watch, self.log)
        self.start: int | None = None
        self.run = ""
        self.last: TimedPacket | None = None
        self.placed.append([])

    def disconnect(self) -> None:
        for timed in self.timeline.finish():
            self.record(timed)
        if self.start is not None and self.last is not None:
            end_ns = self.timeline.wall_ns(self.last.end)
            self.close(self.last.end)
            self.ledger.lost(end_ns, "unreachable", "")

    def picture(self, dts: int | None) -> None:
        now_ns = self.clock.monotonic_ns()
        packet = EncodedPacket("video", b"", dts, None, 0, True, MonotonicNs(now_ns))
        for timed in self.timeline.feed(packet, self.watch.wall_ns(), self.clock.monotonic_ns()):
            self.record(timed)

    def record(self, timed: TimedPacket) -> None:
        """As an attempt does it."""
        step = self.segmenter.step(timed)
        if step is Step.CUT:
            self.close(timed.dts)
            if self.place.follow(timed.dts):
                step = Step.RENEW
        if step is Step.BEGIN:
            self.place.begin(timed.dts)
            self.ledger.found(self.timeline.wall_ns(timed.dts))
        start_ns = self.timeline.wall_ns(timed.dts)
        if step in (Step.BEGIN, Step.RENEW):
            self.run, self.runs = segment_id("cam-1", "main", start_ns), self.runs + 1
            self.catalogue.begin_run(RunRow(self.run, "cam-1", "main", start_ns, None, "h264", 320, 240, VIDEO_BASE))
        if step is not Step.CONTINUE:
            self.start = timed.dts
            self.catalogue.open_segment(open_row("cam-1", "main", start_ns, self.run, "main"))
        self.last = timed
        self.placed[-1].append(timed)
        arrived_ns = TRUE_NS + timed.packet.arrived_ns - 1_000 * NS_PER_S
        self.away.append((arrived_ns, start_ns - arrived_ns))

    def close(self, end: int) -> None:
        assert self.start is not None
        start_ns, end_ns = self.timeline.wall_ns(self.start), self.timeline.wall_ns(end)
        facts = SegmentFacts(
            *(start_ns, end_ns, self.run, "h264", 320, 240, 1, 100, "ab" * 32, VIDEO_BASE, self.start, 10),
            gops=(Gop(10, 90, end - self.start),),
        )
        self.catalogue.close_segment(segment_id("cam-1", "main", start_ns), facts, ("cd" * 32,))
        self.segments += 1
        self.start = None

    def live(self, duration_ns: int) -> None:
        """So much true time, with a picture every two seconds."""
        for _ in range(duration_ns // PICTURE_NS):
            self.clock.advance(PICTURE_NS)
            self.ticks += int(VIDEO_BASE.from_ns(PICTURE_NS)) * (1_000_000 + self.ppm) // 1_000_000
            self.picture(self.ticks % 2**32)

    def happen(self, happening: Happening) -> None:
        what, size = happening.what, happening.size
        if what == "step":
            self.clock.step_wall(size * NS_PER_S)
            self.wrong_ns += size * NS_PER_S
        elif what == "put right":
            self.clock.step_wall(-self.wrong_ns)
            self.wrong_ns = 0
        elif what == "drift":
            self.ppm = size
        elif what == "jump":
            self.ticks += size * 90_000
        elif what == "no time":
            for _ in range(size):
                self.clock.advance(PICTURE_NS)
                self.ticks += int(VIDEO_BASE.from_ns(PICTURE_NS))
                self.picture(None)
        elif what == "repeat":
            self.picture(self.ticks % 2**32)
        elif what == "outage":
            self.disconnect()
            self.clock.advance(size * NS_PER_S)
            self.connect()
        elif what == "restart":
            self.disconnect()
            self.ledger.paused()
            self.clock.advance(size * NS_PER_S)
            self.begin_process()


HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
STEPS = [-YEAR, -DAY, -HOUR, -90, -5, -1, 1, 5, 90, HOUR, DAY, YEAR]
drifts = st.builds(Happening, st.just("drift"), st.integers(-500, 500))
untimed = st.builds(Happening, st.just("no time"), st.integers(1, 40))
repeated = st.just(Happening("repeat"))
others = st.one_of(
    st.just(Happening("put right")),
    drifts,
    untimed,
    repeated,
    st.builds(Happening, st.just("jump"), st.sampled_from([-YEAR, -HOUR, -2, 2, HOUR, 2**31 // 90_000])),
    st.builds(Happening, st.just("outage"), st.integers(1, 600)),
    st.builds(Happening, st.just("restart"), st.integers(1, 600)),
)


def lives_with(steps: list[int]) -> st.SearchStrategy[list[tuple[int, Happening]]]:
    step = st.builds(Happening, st.just("step"), st.sampled_from(steps))
    return st.lists(st.tuples(st.integers(1, 900), step | others), min_size=1, max_size=8)


lives = lives_with(STEPS)


def live_through(
    life: list[tuple[int, Happening]], is_synchronised: bool | None, calm_s: int
) -> tuple[World, list[Span], list[tuple[Span, str]]]:
    """A life, then calm with the clock put right; the world, its segments and gaps."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        world = World(Path(folder), is_synchronised)
        try:
            for pause_s, happening in life:
                world.live(pause_s * NS_PER_S)
                world.happen(happening)
            world.happen(Happening("put right"))
            world.live(calm_s * NS_PER_S)
            world.disconnect()
            world.ledger.removed()
            segments = [Span(row.start_ns, row.end_ns) for row in world.catalogue.segments("cam-1") if row.end_ns]
            gaps = [(Span(row.start_ns, row.end_ns), row.cause) for row in world.catalogue.gaps("cam-1") if row.end_ns]
            return world, segments, gaps
        finally:
            world.catalogue.close()


patient = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(lives, st.sampled_from([True, None, False]))
def test_order_and_no_overlap(life: list[tuple[int, Happening]], is_synchronised: bool | None) -> None:
    """Decode times grow within a connection; segments and gaps never overlap; every picture is in a segment."""
    world, segments, gaps = live_through(life, is_synchronised, 600)
    for placed in world.placed:
        assert all(first.end == second.dts for first, second in itertools.pairwise(placed))
    window = Span(
        min(span.start_ns for span in segments), max(span.end_ns for span in [*segments, *(gap for gap, _ in gaps)])
    )
    assert cover(window, segments, gaps).doubled == ()
    assert len(segments) == world.segments
    recorded_ns = sum(span.duration_ns for span in segments)
    media_ns = sum(VIDEO_BASE.to_ns(placed[-1].end - placed[0].dts) for placed in world.placed if placed)
    assert abs(recorded_ns - media_ns) <= len(segments) * 1_000


@patient
@given(lives, st.sampled_from([True, None, False]))
def test_no_explosion(life: list[tuple[int, Happening]], is_synchronised: bool | None) -> None:
    """There is a segment per target length and connection, whatever the clock does; no step cuts one of its own."""
    world, segments, _ = live_through(life, is_synchronised, 600)
    recorded_ns = sum(span.duration_ns for span in segments)
    assert len(segments) <= recorded_ns // TARGET_NS + len(world.placed)
    steps = sum(1 for _, happening in life if happening.what in ("step", "put right")) + 1
    assert world.runs <= len(world.placed) + 2 * steps


@patient
@given(lives_with([-YEAR, -DAY, -5, -1, 1, 5, DAY, YEAR]))
def test_near_the_truth(life: list[tuple[int, Happening]]) -> None:
    """With a clock that is right again and believed, footage is dated right a few cuts later, wherever the record was.

    What it was ahead by within the hour is led back, at a twentieth of the time; by more, it begins anew.
    """
    calm_s = HOUR
    world, _, _ = live_through(life, True, calm_s)
    led_ns = 20 * sum(abs(happening.size) for _, happening in life if abs(happening.size) <= 5) * NS_PER_S
    calm_ns = world.away[-1][0] - calm_s * NS_PER_S + FOLLOWED_NS + led_ns
    assert all(abs(away_ns) < NEAR_NS for moment, away_ns in world.away if moment > calm_ns)


@patient
@given(st.lists(st.tuples(st.integers(60, 900), drifts | untimed | repeated), min_size=1, max_size=8))
def test_never_far_from_a_good_clock(life: list[tuple[int, Happening]]) -> None:
    """While the box's clock is right, no picture is further from the truth than half a second and its own length."""
    world, _, _ = live_through(life, None, 600)
    assert max(abs(away) for _, away in world.away) < 500 * NS_PER_MS + PICTURE_NS


@patient
@given(lives)
def test_arrivals_bound_it_always(life: list[tuple[int, Happening]]) -> None:
    """Whatever the camera's times do, media time within a connection stays with the arrivals."""
    world, _, _ = live_through([(pause, h) for pause, h in life if h.what != "step"], None, 300)
    assert max(abs(away) for _, away in world.away) <= LAG_NS_MAX + LEAD_NS_MAX


def test_year_ahead_and_put_right() -> None:
    """A clock that was a year ahead and is put right: footage is dated right from the next cut on, for good."""
    life = [(600, Happening("step", YEAR)), (3_600, Happening("put right"))]
    world, segments, gaps = live_through(life, True, 2 * HOUR)
    assert [cause for span, cause in gaps if span.start_ns < TRUE_NS + DAY * NS_PER_S] == ["starting", "clock"]
    assert abs(world.away[-1][1]) < NEAR_NS
    assert segments[-1].start_ns > TRUE_NS + 300 * DAY * NS_PER_S
    assert world.runs == 3


def test_wrong_into_what_was_wrong_before() -> None:
    """A clock that goes wrong twice, the second time into what the first one dated: footage goes behind that."""
    life = [
        (600, Happening("step", YEAR)),
        (3_600, Happening("put right")),
        (600, Happening("step", YEAR - 2_400)),
        (600, Happening("put right")),
    ]
    world, segments, gaps = live_through(life, True, HOUR)
    assert cover(Span(segments[0].start_ns, segments[-1].end_ns), segments, gaps).doubled == ()
    assert abs(world.away[-1][1]) < NEAR_NS
