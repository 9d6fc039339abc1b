"""A capture.db as months of recording leave it, made in minutes: rows only, no footage.

Rows are put in as they would come, in the order of time and of all cameras in turn, so that pages are as mixed as in
the field. Indexes and triggers are left out meanwhile and made afterwards by the schema's own statements; roll-ups are
then counted by the product. Each camera records segments of three minutes with a GOP index of two-second GOPs; once a
day one segment is missing and a gap tells why.
"""
# ruff: noqa: S608 - statements are put together from constants

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue import capture_rows as rows
from components.shared.catalogue.bulk import Filling, filling
from components.shared.catalogue.capture import CaptureWriter, RunRow, StreamRow, Volume, open_row
from components.shared.catalogue.database import Value, catalogue_path
from components.shared.catalogue.roll_ups import DAY_NS, day_of
from components.shared.wire.segment_metadata import Gop, pack_gops
from components.shared.wire.units import NS_PER_S, TimeBase, WallNs

SEGMENT_NS = 180 * NS_PER_S
SEGMENTS_A_DAY = DAY_NS // SEGMENT_NS
BEGIN_NS = WallNs(day_of(1_750_000_000 * NS_PER_S))
SIZE_BYTES = 45_000_000
"""Three minutes of 2 Mbit/s."""

BASE = TimeBase(1, 90_000)
_INIT_BYTES = 752
_GOPS = tuple(Gop(_INIT_BYTES + number * 500_000, 500_000, 180_000) for number in range(90))
_PARTS = bytes(range(192))
_BATCH = 20_000
_UNREACHABLE_AT = 200
"""Which segment of each day is a gap instead."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made. `runs_are_endless`: one run per camera that nobody ended, else a run a day."""

    cameras: int
    segments_each: int
    runs_are_endless: bool = False

    @property
    def end_ns(self) -> WallNs:
        """Where the record ends."""
        return WallNs(BEGIN_NS + self.segments_each * SEGMENT_NS)


def camera_name(number: int) -> str:
    """The id of a camera."""
    return f"cam-{number:02d}"


def make_archive(data: Path, size: Size, say: Callable[[str], None]) -> None:
    """Makes the catalogue of a data root that has none."""
    writer = CaptureWriter.open(data)
    writer.register_volume(Volume("main", data / "media" / "main"))
    for camera in range(size.cameras):
        writer.set_stream(StreamRow(camera_name(camera), "main", "recording", "", BEGIN_NS, 0, BEGIN_NS))
        for run in _runs(size):
            is_last = run + 1 == len(_runs(size))
            begun_ns = WallNs(BEGIN_NS + run * DAY_NS)
            ended_ns = None if size.runs_are_endless or is_last else WallNs(begun_ns + DAY_NS)
            name = f"run-{camera}-{run}"
            writer.begin_run(
                RunRow(name, camera_name(camera), "main", begun_ns, ended_ns, "h264", 1920, 1080, BASE, 10, 10)
            )
    writer.set_full_scan_due(False)
    writer.close()
    with filling(catalogue_path(data, "capture"), ("segment", "gap")) as fill:
        _fill(fill, size, say)
    say("counting roll-ups")
    writer = CaptureWriter.open(data)
    for run_row in writer.unended_runs():
        writer.update_run(run_row.run, 10, 10)  # as a recorder does after each segment: what is before it is counted
    writer.recount_roll_ups()
    writer.close()


def _runs(size: Size) -> range:
    return range(1 if size.runs_are_endless else -(-size.segments_each // SEGMENTS_A_DAY))


def _fill(fill: Filling, size: Size, say: Callable[[str], None]) -> None:
    marks = ", ".join("?" * len(rows.SEGMENT_COLUMNS.split(",")))
    made = 0
    for batch in _batches(size):
        fill.many(f"INSERT INTO segment ({rows.SEGMENT_COLUMNS}) VALUES ({marks})", batch)
        made += len(batch)
        if made % (50 * _BATCH) < _BATCH:
            say(f"{made} segments")
    fill.many(f"INSERT INTO gap ({rows.GAP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", _gaps(size))
    fill.do("UPDATE counter SET value = ? WHERE name = 'sequence'", size.cameras * size.segments_each)
    say("making indexes")


def _batches(size: Size) -> Iterator[list[tuple[Value, ...]]]:
    batch: list[tuple[Value, ...]] = []
    facts = (1920, 1080, 4_500, SIZE_BYTES, bytes(32), _PARTS, BASE.numerator, BASE.denominator)
    gops = pack_gops(_GOPS)
    sequence = 0
    names = [camera_name(number) for number in range(size.cameras)]
    for number in range(size.segments_each):
        day, of_day = divmod(number, SEGMENTS_A_DAY)
        if of_day == _UNREACHABLE_AT:
            continue
        start_ns = BEGIN_NS + number * SEGMENT_NS
        model = open_row("x", "main", WallNs(start_ns), "run", "main")
        run = 0 if size.runs_are_endless else day
        for camera, name in enumerate(names):
            sequence += 1
            batch.append(
                (
                    *(name + model.segment[1:], name, "main", f"run-{camera}-{run}", "main"),
                    *(name + model.path[1:].replace("/x_", f"/{name}_"), "closed", start_ns, start_ns + SEGMENT_NS),
                    *(sequence, "h264", *facts, number * 180 * 90_000, _INIT_BYTES, gops, 0, 0, 0),
                )
            )
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    yield batch


def _gaps(size: Size) -> Iterator[tuple[Value, ...]]:
    for number in range(_UNREACHABLE_AT, size.segments_each, SEGMENTS_A_DAY):
        start_ns = BEGIN_NS + number * SEGMENT_NS
        for camera in range(size.cameras):
            yield (camera_name(camera), "main", start_ns, start_ns + SEGMENT_NS, "unreachable", "no route to host")
