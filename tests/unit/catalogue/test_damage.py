"""A damaged catalogue is set aside and a new one begun; nothing is deleted, and cursors of others hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from components.shared.catalogue.analysis import AnalysisRow, AnalysisWriter, ThumbnailRow
from components.shared.catalogue.capture import CaptureReader, CaptureWriter
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.check import check
from components.shared.catalogue.damage import SET_ASIDE_MAX
from components.shared.catalogue.database import catalogue_path, open_for_writing
from components.shared.catalogue.reconcile import reconcile
from components.shared.catalogue.sync import SyncWriter
from components.shared.errors import Fatal, Transient
from tests.fakes.archive import START_NS, Archive, at

GARBAGE = b"no database at all, but long enough to look like one" * 200


def damage(data: Path) -> Path:
    """capture.db overwritten."""
    path = catalogue_path(data, "capture")
    path.write_bytes(GARBAGE)
    return path


def aside(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "catalogue").glob("*.damaged-*")}


def test_recording_goes_on_with_a_new_file(tmp_path: Path) -> None:
    """After damage Capture has a working catalogue, its footage is adopted, and people are told where the old is."""
    archive = Archive(tmp_path)
    rows = [archive.record(at(second)) for second in (0, 5)]
    archive.close()
    damage(tmp_path)

    again = Archive(tmp_path)
    kept = catalogue_path(tmp_path, "capture").with_name("capture.damaged-1.db")
    assert again.writer.database.set_aside == kept
    assert aside(tmp_path) == {"capture.damaged-1.db": GARBAGE}
    reconcile(again.writer)
    assert [row.segment for row in again.writer.segments()] == [row.segment for row in rows]
    assert [finding.what for finding in check(tmp_path, pause=lambda: None)] == ["set_aside"]
    again.close()
    sound = CaptureWriter.open(tmp_path)
    assert sound.database.set_aside is None and len(sound.segments()) == 2
    sound.close()


def test_damage_that_is_met_later_is_mended_by_the_next_start(tmp_path: Path) -> None:
    """A page that turns out bad while running ends the worker; the next one sets the file aside."""
    archive = Archive(tmp_path)
    archive.record(at(0))
    ((page, page_bytes),) = archive.writer.database.read(
        "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'segment'"
    )
    archive.close()
    path = catalogue_path(tmp_path, "capture")
    with path.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)

    writer = CaptureWriter.open(tmp_path)
    assert writer.database.set_aside is None
    with pytest.raises(Fatal, match="malformed"):
        writer.segments()
    writer.close()
    again = CaptureWriter.open(tmp_path)
    assert again.database.set_aside is not None and again.segments() == []
    again.close()


def test_a_suspicion_that_is_none_changes_nothing(tmp_path: Path) -> None:
    """A file that was noted as damaged and is sound keeps its rows, and the note is dropped."""
    archive = Archive(tmp_path)
    row = archive.record(at(0))
    archive.close()
    note = catalogue_path(tmp_path, "capture").with_suffix(".suspect")
    note.touch()
    writer = CaptureWriter.open(tmp_path)
    assert writer.segments() == [row] and writer.database.set_aside is None and not note.exists()
    writer.close()


def test_what_is_set_aside_is_never_replaced(tmp_path: Path) -> None:
    """Each damaged file keeps a name of its own, up to a limit where somebody has to look."""
    for number in range(SET_ASIDE_MAX):
        open_for_writing(tmp_path, CAPTURE).close()
        damage(tmp_path)
        database = open_for_writing(tmp_path, CAPTURE)
        assert database.set_aside is not None and database.set_aside.name == f"capture.damaged-{number + 1}.db"
        database.close()
    damage(tmp_path)
    with pytest.raises(Transient, match="take them away"):
        open_for_writing(tmp_path, CAPTURE)


class Crash(BaseException):
    """What ends the process in the middle."""


@pytest.mark.parametrize("call", range(1, 11))
def test_cut_off_anywhere_it_is_set_aside_by_the_next_start(tmp_path: Path, call: int) -> None:
    """Before and after every step: the next opening gives a new file; the old one and its log are kept as a pair."""
    open_for_writing(tmp_path, CAPTURE).close()
    path = damage(tmp_path)
    Path(f"{path}-wal").write_bytes(GARBAGE)
    path.with_suffix(".suspect").touch()
    steps: list[str] = []

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) == call:
            raise Crash

    with pytest.raises(Crash):
        open_for_writing(tmp_path, CAPTURE, step)
    database = open_for_writing(tmp_path, CAPTURE)
    assert database.read("SELECT value FROM counter WHERE name = 'sequence'") == [(0,)]
    assert aside(tmp_path) == {"capture.damaged-1.db": GARBAGE, "capture.damaged-1.db-wal": GARBAGE}
    assert not catalogue_path(tmp_path, "capture").with_suffix(".suspect").exists()
    database.close()


def test_readers_wait_and_then_read_the_new_file(tmp_path: Path) -> None:
    """A reader of a file that is set aside goes on with the new one."""
    archive = Archive(tmp_path)
    archive.record(at(0))
    reader = CaptureReader.open(tmp_path)
    assert len(reader.segments()) == 1
    # Else the log, which is there as long as a reader is, still has every page.
    archive.writer.database.read("PRAGMA wal_checkpoint(TRUNCATE)")
    archive.close()
    damage(tmp_path)
    CaptureWriter.open(tmp_path).close()
    assert reader.segments() == []
    reader.close()


def test_numbers_of_a_new_file_are_new_to_everybody(tmp_path: Path) -> None:
    """Cursors into a lost capture.db or analysis.db miss nothing of the new one: it numbers on from them."""
    sync = SyncWriter.open(tmp_path)
    sync.enqueue("capture", [], 40)
    sync.enqueue("analysis", [], 70)
    archive = Archive(tmp_path)
    assert archive.record(at(0)).sequence == 71
    archive.close()

    analysis = AnalysisWriter.open(tmp_path)
    picture = ThumbnailRow("segment-1", "cam-1", START_NS, "main", "a.jpg", 9, "ab" * 32)
    analysis.record(AnalysisRow("segment-1", "cam-1", 71, 1, "done"), [], picture)
    assert [found.sequence for found in analysis.thumbnails_after(70, 9)] == [71]
    analysis.advance(500)
    catalogue_path(tmp_path, "capture").unlink()
    again = Archive(tmp_path)
    assert again.record(at(10)).sequence == 501
    again.close()
    assert Archive(tmp_path).record(at(20)).sequence == 502


def test_another_error_is_no_damage(tmp_path: Path) -> None:
    """A file that another program has locked, or whose schema is foreign, is not set aside."""
    path = catalogue_path(tmp_path, "capture")
    path.parent.mkdir()
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE volume (a)")
    foreign.commit()
    foreign.close()
    with pytest.raises(Fatal, match="already exists"):
        open_for_writing(tmp_path, CAPTURE)
    assert aside(tmp_path) == {}
