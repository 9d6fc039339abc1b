"""What the power cut show finds on a copy: everything that is wrong is found, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.copy_examination import Examined, Examiner, newest_plain_stamp
from tests.fakes.archive import Archive, at
from tests.fakes.segment_files import footage

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two closed segments, one after the other."""
    archive = Archive(tmp_path)
    archive.record(at(0))
    archive.record(at(5))
    return archive


def examine(archive: Archive) -> Examined:
    """Examine it as a copy, with nobody else there."""
    archive.close()
    return Examiner().examine(archive.data)


def faults(found: Examined) -> list[str]:
    return [*found.unreadable, *found.rows_without_bytes, *found.files_without_rows, *found.other_findings]


def test_whole_archive_has_no_faults(archive: Archive) -> None:
    """Where all agrees and plays nothing is told."""
    found = examine(archive)
    assert faults(found) == []
    assert found.last_sequence == 2
    assert sum(found.repairs.values()) == 0


def test_what_was_cut_off_is_repaired_first(archive: Archive) -> None:
    """An open row with half a file, and one whose file was never made, are start-up's to settle: no faults."""
    archive.put(archive.open(at(10)), footage()[:-5_000])
    archive.open(at(0), camera="cam-2")
    found = examine(archive)
    assert faults(found) == []
    assert found.repairs == {"adopted": 1, "discarded": 1}
    assert found.last_sequence == 3


def test_row_without_its_bytes_is_found(archive: Archive) -> None:
    """A closed row whose file is shorter is told, and so is the file, which does not show what the row says."""
    path = archive.writer.file_path(archive.writer.segments()[0])
    os.truncate(path, path.stat().st_size // 2)
    found = examine(archive)
    assert found.rows_without_bytes
    assert all(path.stem in text for text in (*found.rows_without_bytes, *found.unreadable))


def test_row_without_any_file_is_found(archive: Archive) -> None:
    """A closed row whose file is gone is told."""
    archive.writer.file_path(archive.writer.segments()[0]).unlink()
    found = examine(archive)
    assert len(found.rows_without_bytes) == 1
    assert found.unreadable == ()


def test_file_that_does_not_open_is_found(archive: Archive) -> None:
    """A file without footage in quarantine has no row and does not open: both are told."""
    archive.put(archive.open(at(10)), b"garbage" * 100)
    found = examine(archive)
    assert found.repairs == {"quarantined": 1}
    assert len(found.files_without_rows) == 1
    assert len(found.unreadable) == 1


def test_damaged_pictures_are_found(archive: Archive) -> None:
    """Bytes that changed in the middle of a picture are told by the hash and by the decoder."""
    path = archive.writer.file_path(archive.writer.segments()[0])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2_000] = bytes(2_000)
    path.write_bytes(data)
    found = examine(archive)
    assert any("hash_differs" in text for text in found.rows_without_bytes)
    assert len(found.unreadable) == 1


def test_plain_files_that_cannot_be_read_have_no_end(tmp_path: Path) -> None:
    """Of empty files, and of an MP4 whose index never came, nothing is left."""
    (tmp_path / "000001.mp4").write_bytes(b"")
    (tmp_path / "000002.mp4").write_bytes(footage()[200:])
    assert newest_plain_stamp(tmp_path) is None
    assert newest_plain_stamp(tmp_path / "nothing") is None
