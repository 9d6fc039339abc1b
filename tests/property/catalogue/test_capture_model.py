"""capture.db under any order of calls behaves as a simple model of spans: nothing overlaps, nothing is lost.

The model counts in steps of 2.5 h, so that spans cross hours and days, and some are longer than a day.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from components.shared.catalogue.capture import CaptureWriter, GapRow, RunRow, Volume, open_row
from components.shared.catalogue.roll_ups import DAY_NS, HOUR_NS
from components.shared.errors import Fatal, Transient
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import TimeBase, WallNs
from tests.fakes import archive
from tests.fakes.archive import START_NS

STEP_S = 9_000
STEPS = st.integers(0, 12)
CAUSES = st.sampled_from(["disk", "frozen"])
BASE = TimeBase(1, 90_000)
RUN = RunRow("run-1", "cam-1", "main", START_NS, None, "h264", 64, 48, BASE)
FOREVER = 10**9

Interval = tuple[int, int]


def at(step: int) -> WallNs:
    """The wall time of a step of the model."""
    return archive.at(step * STEP_S)


def rolled_up(spans: list[tuple[int, int, str, int]]) -> dict[tuple[int, int, str], tuple[int, int, int]]:
    """What roll-ups must be, counted hour by hour: duration, spans and bytes by unit, start and cause."""
    found: dict[tuple[int, int, str], tuple[int, int, int]] = {}
    for start_ns, end_ns, cause, size_bytes in spans:
        if end_ns - start_ns >= DAY_NS:
            found[0, start_ns, cause] = (end_ns - start_ns, 1, size_bytes)
            continue
        for unit_ns in (HOUR_NS, DAY_NS):
            for begin_ns in range(start_ns // unit_ns * unit_ns, end_ns, unit_ns):
                part_ns = min(end_ns, begin_ns + unit_ns) - max(start_ns, begin_ns)
                is_first = begin_ns <= start_ns
                known = found.get((unit_ns, begin_ns, cause), (0, 0, 0))
                added = (part_ns, int(is_first), size_bytes if is_first else 0)
                found[unit_ns, begin_ns, cause] = (known[0] + added[0], known[1] + added[1], known[2] + added[2])
    return found


def overlap(one: Interval, other: Interval) -> bool:
    return one[0] < other[1] and other[0] < one[1]


class Refused(Exception):  # noqa: N818 - it is no error
    """The model's word for Fatal."""


class Model:
    """Whole steps of one stream."""

    def __init__(self) -> None:
        self.closed: dict[int, int] = {}
        self.opened: int | None = None
        self.gaps: dict[int, tuple[int | None, str]] = {}
        self.garbage: set[int] = set()

    def copy(self) -> Model:
        twin = Model()
        twin.closed, twin.opened = dict(self.closed), self.opened
        twin.gaps, twin.garbage = dict(self.gaps), set(self.garbage)
        return twin

    def free_of_segments(self, span: Interval, open_end: bool) -> None:
        spans = list(self.closed.items())
        if self.opened is not None:
            spans.append((self.opened, FOREVER if open_end else self.opened + 1))
        if any(overlap(span, other) for other in spans):
            raise Refused

    def free_of_gaps(self, span: Interval) -> None:
        for start, (end, _) in self.gaps.items():
            if overlap(span, (start, FOREVER if end is None else end)):
                raise Refused

    def record_end(self) -> int:
        opened = [] if self.opened is None else [self.opened]
        gaps = [start if end is None else end for start, (end, _) in self.gaps.items()]
        return max([0, *self.closed.values(), *opened, *gaps])

    def open_segment(self, start: int) -> None:
        if self.opened is not None or start < self.record_end():
            raise Refused
        self.opened = start

    def close_segment(self, end: int) -> None:
        if self.opened is None or end <= self.opened:
            raise Refused
        span, self.opened = (self.opened, end), None
        self.free_of_segments(span, True)
        self.free_of_gaps(span)
        self.closed[span[0]] = end

    def adopt(self, start: int, end: int) -> None:
        if end <= start or start in self.closed:
            raise Refused
        if self.opened == start:
            self.opened = None
        self.free_of_segments((start, end), True)
        gaps, self.gaps = self.gaps, {}
        for gap_start, (gap_end, cause) in gaps.items():
            if gap_start < start:
                self.gaps[gap_start] = (start if gap_end is None else min(gap_end, start), cause)
            if gap_end is None or gap_end > end:
                self.gaps[max(gap_start, end)] = (gap_end, cause)
        self.closed[start] = end

    def discard(self) -> None:
        self.opened = None

    def open_gap(self) -> int | None:
        return next((start for start, (end, _) in self.gaps.items() if end is None), None)

    def end_gap(self, end: int) -> None:
        start = self.open_gap()
        if start is None:
            return
        _, cause = self.gaps.pop(start)
        if end != start:
            self.add_gap(start, end, cause)

    def begin_gap(self, start: int, cause: str) -> None:
        known = self.open_gap()
        if known is not None and self.gaps[known][1] == cause:
            return
        start = max(start, self.record_end())
        self.end_gap(start)
        self.gaps[start] = (None, cause)

    def add_gap(self, start: int, end: int, cause: str) -> None:
        if self.gaps.get(start) == (end, cause):
            return
        if end <= start:
            raise Refused
        self.free_of_segments((start, end), False)
        self.free_of_gaps((start, end))
        self.gaps[start] = (end, cause)

    def mark_garbage(self, start: int) -> None:
        if start in self.garbage:
            return
        if start not in self.closed:
            raise Refused
        end = self.closed.pop(start)
        self.garbage.add(start)
        for known, (known_end, cause) in list(self.gaps.items()):
            if cause == "policy" and known_end is not None and (known_end == start or known == end):
                del self.gaps[known]
                start, end = min(start, known), max(end, known_end)
        self.gaps[start] = (end, "policy")

    def covered(self) -> set[int]:
        spans = [*self.closed.items(), *((start, end or 20) for start, (end, _) in self.gaps.items())]
        return {step for start, end in spans for step in range(start, end)}


class CaptureMachine(RuleBasedStateMachine):
    """Does the same to the catalogue and to the model."""

    def __init__(self) -> None:
        super().__init__()
        # In memory: this is about order, not about durability, and every call is a sync.
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm")
        self.writer = CaptureWriter.open(Path(self.folder.name))
        self.writer.register_volume(Volume("main", Path(self.folder.name) / "media"))
        self.writer.begin_run(RUN)
        self.model = Model()
        self.sequences: list[int] = []

    def teardown(self) -> None:
        self.writer.close()
        self.folder.cleanup()

    def same(self, real: object, model: object) -> None:
        """Both do it, or both refuse it and nothing changes."""
        before = self.model.copy()
        refused = False
        try:
            model()  # type: ignore[operator]
        except Refused:
            self.model, refused = before, True
        if refused:
            with pytest.raises((Fatal, Transient)):
                real()  # type: ignore[operator]
        else:
            real()  # type: ignore[operator]

    def segment(self, start: int) -> str:
        return open_row("cam-1", "main", at(start), "run-1", "main").segment

    def facts(self, start: int, end: int) -> SegmentFacts:
        counts = (10, 1000, "ab" * 32, BASE, 0, 100, (Gop(100, 900, 9),))
        return SegmentFacts(at(start), at(end), "run-1", "h264", 64, 48, *counts)

    @rule(start=STEPS)
    def open_segment(self, start: int) -> None:
        row = open_row("cam-1", "main", at(start), "run-1", "main")
        self.same(lambda: self.writer.open_segment(row), lambda: self.model.open_segment(start))

    @rule(end=STEPS)
    def close_segment(self, end: int) -> None:
        start = self.model.opened if self.model.opened is not None else 5

        def real() -> None:
            self.sequences.append(self.writer.close_segment(self.segment(start), self.facts(start, end), ("cd" * 32,)))

        self.same(real, lambda: self.model.close_segment(end))

    @rule(start=STEPS, end=STEPS)
    def adopt_segment(self, start: int, end: int) -> None:
        row = open_row("cam-1", "main", at(start), "run-1", "main")
        covered = self.model.covered()

        def real() -> None:
            self.sequences.append(self.writer.adopt_segment(row, RUN, self.facts(start, end), ("cd" * 32,)))

        self.same(real, lambda: self.model.adopt(start, end))
        assert covered <= self.model.covered()

    @rule()
    def discard_segment(self) -> None:
        if self.model.opened is not None:
            self.writer.discard_segment(self.segment(self.model.opened))
        self.model.discard()

    @rule(start=STEPS, cause=CAUSES)
    def begin_gap(self, start: int, cause: str) -> None:
        self.same(
            lambda: self.writer.begin_gap("cam-1", "main", at(start), cause), lambda: self.model.begin_gap(start, cause)
        )

    @rule(end=STEPS)
    def end_gap(self, end: int) -> None:
        self.same(lambda: self.writer.end_gap("cam-1", "main", at(end)), lambda: self.model.end_gap(end))

    @rule(start=STEPS, end=STEPS, cause=CAUSES)
    def add_gap(self, start: int, end: int, cause: str) -> None:
        row = GapRow("cam-1", "main", at(start), at(end), cause)
        self.same(lambda: self.writer.add_gap(row), lambda: self.model.add_gap(start, end, cause))

    @rule(start=STEPS)
    def mark_garbage(self, start: int) -> None:
        covered = self.model.covered()
        self.same(
            lambda: self.writer.mark_garbage(self.segment(start), "retention"), lambda: self.model.mark_garbage(start)
        )
        assert covered == self.model.covered(), "what is deleted stays told"

    @rule(start=STEPS)
    def drop_garbage(self, start: int) -> None:
        self.writer.drop_garbage(self.segment(start))
        self.model.garbage.discard(start)

    @rule()
    def recount(self) -> None:
        self.writer.recount_roll_ups()

    @invariant()
    def roll_ups_equal_a_recount(self) -> None:
        spans = [(row.start_ns, row.end_ns, "", row.size_bytes) for row in self.writer.segments(state="closed")]
        spans += [(gap.start_ns, gap.end_ns, gap.cause, 0) for gap in self.writer.gaps()]
        counted = rolled_up([(start, end, cause, size) for start, end, cause, size in spans if end is not None])
        rows = self.writer.database.read(
            "SELECT unit_ns, start_ns, cause, duration_ns, spans, size_bytes FROM roll_up LIMIT 1000"
        )
        assert {row[:3]: row[3:] for row in rows} == counted

    @invariant()
    def catalogue_is_the_model(self) -> None:
        def step(wall_ns: WallNs | None) -> int | None:
            return None if wall_ns is None else (wall_ns - START_NS) // (STEP_S * 10**9)

        rows = self.writer.segments()
        assert {step(row.start_ns): step(row.end_ns) for row in rows if row.state == "closed"} == self.model.closed
        assert [step(row.start_ns) for row in rows if row.state == "open"] == (
            [] if self.model.opened is None else [self.model.opened]
        )
        gaps = {step(gap.start_ns): (step(gap.end_ns), gap.cause) for gap in self.writer.gaps()}
        assert gaps == self.model.gaps
        assert {row.segment for row in self.writer.garbage()} == {self.segment(start) for start in self.model.garbage}
        assert self.sequences == list(range(1, len(self.sequences) + 1))

    @invariant()
    def nothing_overlaps(self) -> None:
        closed = self.writer.segments(state="closed")
        spans = [(int(row.start_ns), int(row.end_ns or 0)) for row in closed]
        spans += [(gap.start_ns, gap.end_ns or FOREVER**3) for gap in self.writer.gaps()]
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


TestCaptureModel = pytest.mark.slow(CaptureMachine.TestCase)
CaptureMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
