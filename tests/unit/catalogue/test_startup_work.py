"""Start-up does work for what is broken, not for what is there: counted in steps of SQLite and in folders listed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, RunRow, Volume, open_row
from components.shared.catalogue.reconcile import find_strays, repair_rows
from components.shared.wire.segment_metadata import Gop, SegmentFacts
from components.shared.wire.units import TimeBase
from tests.fakes.archive import START_NS, at

CAMERAS = ("cam-1", "cam-2")
BASE = TimeBase(1, 90_000)
SMALL, LARGE = 20, 200
"""Segments per camera; the larger archive is of 33 hours."""

STEPS_MORE_MAX = 500
"""A larger archive may cost some pages and comparisons more; a walk over its rows costs ten steps for each."""

_listed: list[str] = []
_is_counting = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _is_counting and event == "os.scandir":
        _listed.append(str(arguments[0]))


sys.addaudithook(_note)


@dataclass
class Work:
    """What was done."""

    steps: int = 0
    folders: int = 0


@contextmanager
def counted(writer: CaptureWriter) -> Iterator[Work]:
    global _is_counting  # noqa: PLW0603 - an audit hook is for the whole process and stays
    work = Work()

    def step() -> int:
        work.steps += 1
        return 0

    connection = writer.database._ready()
    connection.set_progress_handler(step, 1)
    _listed.clear()
    _is_counting = True
    try:
        yield work
    finally:
        _is_counting = False
        connection.set_progress_handler(None, 1)
        work.folders = len(_listed)


def archive(data: Path, segments: int) -> CaptureWriter:
    """Two cameras, each with one run that a crash cut off, on the first of two volumes; the files are there."""
    writer = CaptureWriter.open(data)
    for name in ("main", "second"):
        writer.register_volume(Volume(name, data / name))
    for camera in CAMERAS:
        writer.begin_run(RunRow(f"run-{camera}", camera, "main", START_NS, None, "h264", 64, 48, BASE))
        for volume in ("main", "second"):
            (data / volume / camera / "2025" / "06" / "15" / "15").mkdir(parents=True)
        for number in range(segments):
            row = open_row(camera, "main", at(number * 600), f"run-{camera}", "main")
            writer.open_segment(row)
            counts = (10, 1_000, "ab" * 32, BASE, 0, 100, (Gop(100, 900, 9),))
            facts = SegmentFacts(row.start_ns, at(number * 600 + 600), row.run, "h264", 64, 48, *counts)
            writer.close_segment(row.segment, facts, ("cd" * 32,))
            path = data / "main" / row.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            if number < segments - 1:  # a crash came before the last one was counted
                writer.update_run(row.run, (number + 1) * 10, (number + 1) * 10)
    find_strays(writer, everything=True)
    writer.set_full_scan_due(False)
    return writer


def start_up(data: Path, segments: int) -> Work:
    writer = archive(data, segments)
    with counted(writer) as work:
        assert repair_rows(writer) == []
        assert find_strays(writer) == ([], [])
    for camera in CAMERAS:
        run = writer.run(f"run-{camera}")
        assert run is not None
        assert (run.frames_recorded, run.frames_received, run.ended_ns) == (segments * 10,) * 2 + (at(segments * 600),)
    writer.close()
    return work


@pytest.mark.slow
def test_start_up_costs_the_same_whatever_is_recorded(tmp_path: Path) -> None:
    """Cut-off runs of any length are ended, and strays looked for, by the newest rows and folders alone."""
    small, large = start_up(tmp_path / "small", SMALL), start_up(tmp_path / "large", LARGE)
    assert small.steps > 100, "something was counted"
    assert large.steps <= small.steps + STEPS_MORE_MAX
    # Of each stream and volume: year, month, day and hour; days and hours before the newest are never listed.
    assert large.folders <= small.folders + 2 <= 40
