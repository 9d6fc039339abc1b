"""Start-up repair that is cut off before and after every durable step comes to the same end the next time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.capture import CaptureWriter, SegmentRow, open_row
from components.shared.catalogue.reconcile import reconcile
from components.shared.wire.segment_file import scan
from tests.fakes.archive import Archive, at
from tests.fakes.crash import Crash, CrashAt, CrashingDatabase
from tests.fakes.segment_files import footage, segment_file


def torn(archive: Archive) -> None:
    """An open row whose file ends in a torn fragment."""
    end = scan([footage()]).fragments[2].end_bytes
    archive.put(archive.open(at(0)), footage()[: end + 500])


def torn_trailer(archive: Archive) -> None:
    """An open row whose file ends in half a trailer."""
    row = archive.open(at(0))
    archive.put(row, archive.file_of(row)[:-10])


def unclosed(archive: Archive) -> None:
    """An open row whose file is complete."""
    row = archive.open(at(0))
    archive.put(row, archive.file_of(row))


def no_footage(archive: Archive) -> None:
    """An open row whose file holds the header only."""
    archive.put(archive.open(at(0)), footage()[:752])


def garbled(archive: Archive) -> None:
    """An open row whose file is garbage."""
    archive.put(archive.open(at(0)), b"garbage" * 100)


def deleted(archive: Archive) -> None:
    """A garbage row whose file is still there."""
    archive.writer.mark_garbage(archive.record(at(0)).segment, "retention")


def _stray(archive: Archive, seconds: float, data: bytes) -> SegmentRow:
    row = open_row("cam-9", "main", at(seconds), "run-lost", archive.volume)
    archive.put(row, data)
    return row


def lost_rows(archive: Archive) -> None:
    """Files without rows: one with its trailer, one without, and one of garbage."""
    _stray(archive, 0, segment_file("cam-9", at(0), "run-lost"))
    _stray(archive, 10, footage(seconds=3))
    _stray(archive, 20, b"garbage")


def everything(archive: Archive) -> None:
    """A bit of all, in streams of their own."""
    archive.put(archive.open(at(0), camera="cam-2"), footage()[:-5000])
    archive.put(archive.open(at(0), camera="cam-3"), footage()[:752])
    archive.writer.mark_garbage(archive.record(at(0), camera="cam-4").segment, "retention")
    lost_rows(archive)


SCENES: list[Callable[[Archive], None]] = [
    *(torn, torn_trailer, unclosed, no_footage, garbled, deleted, lost_rows, everything),
]


def state(archive: Archive) -> tuple[object, ...]:
    """All that must be the same in the end: rows (but for the order of closing) and files with their bytes."""
    writer = archive.writer
    rows = [replace(row, sequence=None) for row in writer.segments()]
    runs = sorted(writer.runs(), key=lambda run: run.run)
    files = {
        str(path.relative_to(archive.root)): path.read_bytes() for path in archive.root.rglob("*") if path.is_file()
    }
    return rows, writer.gaps(), writer.garbage(), runs, files, writer.full_scan_due()


def start_up(archive: Archive, crash: CrashAt) -> None:
    """Start-up repair whose every durable step, files and rows, is one of `crash`'s."""
    database = CrashingDatabase(archive.writer.database, crash)
    reconcile(CaptureWriter(database, archive.data), step=crash)  # type: ignore[arg-type]  # stands for it


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_cut_off_anywhere_it_comes_to_the_same_end(tmp_path: Path, scene: Callable[[Archive], None]) -> None:
    """For every call of `step`: a start-up that ends there, and one more, give what one whole start-up gives."""
    whole = Archive(tmp_path / "whole")
    scene(whole)
    never = CrashAt()
    start_up(whole, never)
    expected = state(whole)
    assert never.steps, "a scene without durable steps tests nothing"
    assert reconcile(whole.writer) == [], "nothing is left to do"

    for call in range(1, len(never.steps) + 1):
        cut = Archive(tmp_path / f"cut-{call}")
        scene(cut)
        with pytest.raises(Crash):
            start_up(cut, CrashAt(call))
        cut.close()
        again = Archive(tmp_path / f"cut-{call}")
        reconcile(again.writer)
        assert state(again) == expected, f"cut off at {never.steps[call - 1]!r}, call {call}"
        again.close()


def test_every_step_is_told_on_both_sides(tmp_path: Path) -> None:
    """Each durable step of the repair, files and rows, is told before and after, so that the test above sees both."""
    archive = Archive(tmp_path)
    everything(archive)
    calls = CrashAt()
    start_up(archive, calls)
    befores = [name for side, name in calls.names if side == "before"]
    afters = [name for side, name in calls.names if side == "after"]
    assert sorted(befores) == sorted(afters)
    files = {"truncate", "trailer", "sync", "sync folder", "make folder", "unlink", "move"}
    rows = {"row: adopt segment", "row: discard segment", "row: drop garbage", "row: end run", "row: note the"}
    assert set(befores) == files | rows | {"drop row", "close row"}
