"""What became of every second and every picture of the simulated days, from what Capture left on the disk.

A second of a camera's record has to be in one segment or gap. A picture that a camera gave to an open connection has to
be in one file, by the number that is in the picture itself; one that is in none must have been given while a gap says
that nothing was recorded. What neither holds for is unexplained.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader, GapRow
from components.shared.wire.coverage import cover
from components.shared.wire.units import NS_PER_S, Span, WallNs, to_datetime
from lab.recorded_files import read_recorded
from lab.simulated_cameras import PERIOD_NS
from lab.soak_plan import BEGINS_WALL_NS, Plan

PERIOD_S = PERIOD_NS / NS_PER_S


@dataclass(frozen=True, slots=True, order=True)
class Recorded:
    """A segment: the numbers of its first and last picture, its wall time."""

    first: int
    last: int
    start_ns: WallNs
    end_ns: WallNs

    @property
    def away_s(self) -> float:
        """How much later than the truth it is dated."""
        return (self.start_ns - BEGINS_WALL_NS - self.first * PERIOD_NS) / NS_PER_S


@dataclass(slots=True)
class _Camera:
    given: bytearray
    recorded: bytearray
    segments: list[Recorded] = field(default_factory=list)

    def lost(self) -> Iterator[tuple[int, int]]:
        """First and last number of the pictures, in a row, that were given and are in no file."""
        numbers = [number for number, is_given in enumerate(self.given) if is_given]
        for is_lost, group in groupby(numbers, key=lambda number: not self.recorded[number]):
            if is_lost:
                found = list(group)
                yield found[0], found[-1]


class Account:
    """Of one simulation, life by life."""

    def __init__(self, plan: Plan) -> None:
        count = plan.span_ns // PERIOD_NS + 10
        self.cameras = {camera.name: _Camera(bytearray(count), bytearray(count)) for camera in plan.cameras}
        self.segments = 0

    def read_recorded(self, text: Path) -> None:
        """What was in the files that were closed in one life."""
        for file in read_recorded(text):
            camera = self.cameras[file.camera]
            for number in file.numbers:
                camera.recorded[number] = min(camera.recorded[number] + 1, 255)
            self.segments += 1
            if file.numbers:
                camera.segments.append(Recorded(min(file.numbers), max(file.numbers), file.start_ns, file.end_ns))

    def read_given(self, path: Path) -> None:
        """What the cameras gave in one life."""
        for line in path.read_text().splitlines():
            camera, *numbers = line.split()
            given = self.cameras[camera].given
            for number in numbers:
                given[int(number)] = 1


@dataclass(slots=True)
class Verdict:
    """The sums over all cameras; `unexplained_s` is by camera and day."""

    unexplained_s: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    overlap_s: float = 0.0
    gaps_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    pictures_given: int = 0
    pictures_recorded: int = 0
    pictures_doubled: int = 0
    pictures_lost: int = 0
    away_s_calm: float = 0.0


def judge(account: Account, reader: CaptureReader, is_calm: Callable[[int], bool]) -> Verdict:
    """Hold the rows against the pictures; where `is_calm` says so of a picture, dates have to be right."""
    verdict = Verdict()
    for name, camera in account.cameras.items():
        gaps = reader.gaps(name)
        _judge_record(verdict, name, reader, gaps)
        _judge_pictures(verdict, name, camera, gaps)
        calm = [abs(segment.away_s) for segment in camera.segments if is_calm(segment.first)]
        verdict.away_s_calm = max([verdict.away_s_calm, *calm])
    return verdict


def _judge_record(verdict: Verdict, name: str, reader: CaptureReader, gaps: list[GapRow]) -> None:
    """Every second once: of the record up to now, and, apart from it, of what is misdated."""
    segments = [Span(row.start_ns, row.end_ns) for row in reader.segments(name, state="closed") if row.end_ns]
    told = [(Span(gap.start_ns, gap.end_ns), gap.cause) for gap in gaps if gap.end_ns]
    misdated_ns = reader.misdated_ns(name, "main")
    enabled_ns = next(row.enabled_since_ns for row in reader.streams() if row.camera == name)
    ends = [span.end_ns for span in [*segments, *(span for span, _ in told)]]
    limit_ns = misdated_ns if misdated_ns is not None else max(ends)
    present_ns = max(end_ns for end_ns in ends if end_ns <= limit_ns)
    found = cover(Span(enabled_ns, WallNs(max(enabled_ns, present_ns))), segments, told)
    for span in found.missing:
        verdict.unexplained_s[name, _day(span.start_ns)] += span.duration_ns / NS_PER_S
    everything = cover(Span(WallNs(min(enabled_ns, present_ns)), WallNs(max(ends))), segments, told)
    verdict.overlap_s += sum(span.duration_ns for span in everything.doubled) / NS_PER_S
    for cause, duration_ns in found.gaps_ns.items():
        verdict.gaps_s[cause] += duration_ns / NS_PER_S


def _judge_pictures(verdict: Verdict, name: str, camera: _Camera, gaps: list[GapRow]) -> None:
    """Every picture once, or lost in a gap that is as long as what was lost."""
    segments = sorted(camera.segments)
    firsts = [segment.first for segment in segments]
    by_end = {gap.end_ns: gap for gap in gaps if gap.cause != "policy"}
    by_start = {gap.start_ns: gap for gap in gaps if gap.cause != "policy"}
    for first, last in camera.lost():
        place = bisect.bisect_right(firsts, first)
        before = segments[place - 1] if place else None
        after = segments[place] if place < len(segments) else None
        told_ns = 0
        if before is None or before.last < first:
            told_ns = max(
                _chain_ns(after.start_ns, by_end, backward=True) if after else 0,
                _chain_ns(before.end_ns, by_start, backward=False) if before else 0,
            )
        lost_s = sum(camera.given[first : last + 1]) * PERIOD_S
        verdict.pictures_lost += sum(camera.given[first : last + 1])
        day = _day(WallNs(BEGINS_WALL_NS + first * PERIOD_NS))
        verdict.unexplained_s[name, day] += max(0.0, lost_s - told_ns / NS_PER_S)
    verdict.pictures_given += sum(camera.given)
    verdict.pictures_recorded += sum(1 for count in camera.recorded if count)
    verdict.pictures_doubled += sum(count - 1 for count in camera.recorded if count > 1)


def _chain_ns(edge_ns: int, gaps: dict[WallNs | None, GapRow] | dict[WallNs, GapRow], backward: bool) -> int:
    """How long the gaps are, one after the other, that touch that edge."""
    told_ns = 0
    while (gap := gaps.get(WallNs(edge_ns))) is not None and gap.end_ns is not None:
        told_ns += gap.end_ns - gap.start_ns
        edge_ns = gap.start_ns if backward else gap.end_ns
    return told_ns


def _day(wall_ns: WallNs) -> str:
    return f"{to_datetime(wall_ns):%Y-%m-%d}"
