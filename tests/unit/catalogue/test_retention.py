"""What retention reads and writes of capture.db: light pages, bookmarks, early deletions, many deletions at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.shared.catalogue.bookmarks import BOOKMARKS_MAX, Bookmark, add_bookmark, bookmarks, remove_bookmark
from components.shared.catalogue.capture_rows import SEGMENT_COLUMNS
from components.shared.catalogue.database import READ_ROWS_MAX
from components.shared.catalogue.retention import (
    EarlyDeletion,
    Mark,
    delete_all_garbage,
    early_deletions,
    kept_bytes,
    kept_pages,
    mark_all_garbage,
    spans_between,
)
from components.shared.errors import Fatal, Rejected
from components.shared.wire.units import NS_PER_S
from tests.fakes.archive import Archive, at

_COPIED = {
    "segment": "segment || ?1",
    "path": "path || ?1",
    "start_ns": "start_ns + ?2",
    "end_ns": "end_ns + ?2",
    "sequence": "10 + ?1",
}
"""Columns of a copy that differ from those of the segment."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.close()


def mark(archive: Archive, start: float, early: bool = False, lost: bool = False, reason: str = "old") -> Mark:
    row = archive.writer.segments(since_ns=at(start), until_ns=at(start + 1))[0]
    assert row.end_ns is not None
    span = (row.camera, row.stream, row.start_ns, row.end_ns, row.size_bytes)
    return Mark(row.segment, *span, reason, early, lost)


def test_pages_and_bytes(archive: Archive) -> None:
    """All closed segments of a stream come by start, up to a moment, in pages; open ones do not count."""
    first = archive.record(at(0))
    other = archive.record(at(0), camera="cam-2")
    copied = ", ".join(_COPIED.get(column, column) for column in SEGMENT_COLUMNS.split(", "))
    with archive.writer.database.transaction("many segments") as do:
        for number in range(1, 2 * READ_ROWS_MAX):
            values = (number, number * 5 * NS_PER_S, first.segment)
            do(f"INSERT INTO segment ({SEGMENT_COLUMNS}) SELECT {copied} FROM segment WHERE segment = ?3", *values)
    archive.open(at(5 * 2 * READ_ROWS_MAX))
    pages = list(kept_pages(archive.writer, "cam-1", "main"))
    assert [len(page) for page in pages] == [READ_ROWS_MAX, READ_ROWS_MAX]
    starts = [row.start_ns for page in pages for row in page]
    assert starts == [at(5 * number) for number in range(2 * READ_ROWS_MAX)]
    assert kept_bytes(archive.writer) == {
        ("main", "cam-1"): 2 * READ_ROWS_MAX * first.size_bytes,
        ("main", "cam-2"): other.size_bytes,
    }
    until = [row.start_ns for page in kept_pages(archive.writer, "cam-1", "main", at(10)) for row in page]
    assert until == [at(0), at(5)]


def test_spans_between(archive: Archive) -> None:
    """Segments that reach into the span are among them, the open one without an end, others not."""
    rows = [archive.record(at(5 * number)) for number in range(4)]
    opened = archive.open(at(20))
    ids = [row.segment for row in rows]
    assert [found[0] for found in spans_between(archive.writer, "cam-1", "main", at(7), at(15))] == ids[1:3]
    assert spans_between(archive.writer, "cam-1", "main", at(19), at(30)) == [
        (ids[3], rows[3].start_ns, rows[3].end_ns),
        (opened.segment, opened.start_ns, None),
    ]
    assert spans_between(archive.writer, "cam-1", "main", at(-9), at(0)) == []


def test_early_deletions_are_joined(archive: Archive) -> None:
    """What follows each other for the same reason is one row; another reason, or lost or not, begins a new one."""
    for number in range(6):
        archive.record(at(5 * number))
    size_bytes = archive.writer.segments()[0].size_bytes
    mark_all_garbage(archive.writer, [mark(archive, 0, early=True), mark(archive, 5, early=True)], at(100))
    mark_all_garbage(archive.writer, [mark(archive, 10, early=True, lost=True), mark(archive, 15)], at(200))
    mark_all_garbage(archive.writer, [mark(archive, 20, True, True, "room")], at(300))
    expected = [
        EarlyDeletion("cam-1", "main", at(0), at(10), 2, 2 * size_bytes, False, "old", at(100)),
        EarlyDeletion("cam-1", "main", at(10), at(15), 1, size_bytes, True, "old", at(200)),
        EarlyDeletion("cam-1", "main", at(20), at(25), 1, size_bytes, True, "room", at(300)),
    ]
    assert early_deletions(archive.writer) == expected
    assert early_deletions(archive.writer, at(200)) == expected[1:]
    assert early_deletions(archive.writer, only_lost=True) == expected[1:]


def test_marking_and_deleting_may_be_repeated(archive: Archive) -> None:
    """Marking twice is marking once; an open segment is Fatal and nothing of its batch is marked."""
    archive.record(at(0))
    archive.record(at(5))
    opened = archive.open(at(10))
    first = mark(archive, 0, early=True)
    wrong = replace(first, segment=opened.segment)
    with pytest.raises(Fatal, match="is not closed"):
        mark_all_garbage(archive.writer, [first, wrong], at(50))
    assert archive.writer.garbage() == [] and early_deletions(archive.writer) == []
    for _ in range(2):
        mark_all_garbage(archive.writer, [first], at(50))
    (row,) = archive.writer.garbage()
    assert len(early_deletions(archive.writer)) == 1
    for _ in range(2):
        assert delete_all_garbage(archive.writer, [row]) == {}
    assert archive.writer.garbage() == [] and not archive.writer.file_path(row).exists()


def test_files_are_gone_for_good_before_their_rows_are(archive: Archive) -> None:
    """Each folder is synced once, after its files are unlinked and before the rows are dropped."""
    rows = [archive.record(at(5 * number)) for number in range(2)]
    mark_all_garbage(archive.writer, [mark(archive, 0), mark(archive, 5)], at(50))
    steps: list[str] = []
    delete_all_garbage(archive.writer, archive.writer.garbage(), steps.append)
    unlinks = ["before unlink", "after unlink"] * 3 * len(rows)
    assert steps == [*unlinks, "before sync folder", "after sync folder", "before drop row", "after drop row"]


def bookmark(name: str, start: float, end: float, camera: str = "cam-1") -> Bookmark:
    return Bookmark(name, camera, at(start), at(end), "the blue car", at(1_000))


def test_bookmarks(archive: Archive) -> None:
    """A bookmark is there once, by start, until it is removed; one that is none is refused."""
    later, sooner = bookmark("b", 5, 9), bookmark("a", 1, 9, "cam-2")
    for row in (later, sooner, later):
        add_bookmark(archive.writer, row)
    assert bookmarks(archive.writer) == [sooner, later]
    assert bookmarks(archive.writer, "cam-1") == [later]
    for row in (bookmark("c", 5, 5), bookmark("c", 5, 6, "Cam")):
        with pytest.raises(Rejected):
            add_bookmark(archive.writer, row)
    assert remove_bookmark(archive.writer, "a") and not remove_bookmark(archive.writer, "a")
    assert bookmarks(archive.writer) == [later]


def test_bookmarks_have_a_limit(archive: Archive) -> None:
    """One more than the limit is refused, and one that is known is not one more."""
    with archive.writer.database.transaction("many bookmarks") as do:
        for number in range(BOOKMARKS_MAX - 1):
            do("INSERT INTO bookmark VALUES (?, 'cam-1', 1, 2, '', 3)", f"many-{number}")
    last = bookmark("last", 5, 6)
    add_bookmark(archive.writer, last)
    add_bookmark(archive.writer, last)
    with pytest.raises(Rejected, match="remove some"):
        add_bookmark(archive.writer, bookmark("one-more", 5, 6))
    assert len(bookmarks(archive.writer)) == BOOKMARKS_MAX
