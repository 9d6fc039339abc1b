"""What retention needs of capture.db: footage in light rows, page by page, and many deletions in few transactions.

Deleting is the catalogue's written order for several segments at once: rows to garbage rows (their spans to gaps, and
to rows of `early_deletion` where footage goes before its age), files unlinked, folders synced, garbage rows dropped.
Each step may be cut off and repeated; start-up, and the next call, finish what a garbage row tells.
"""

from __future__ import annotations

import errno
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader, CaptureWriter, GarbageRow, put_into_garbage
from components.shared.catalogue.capture_rows import short
from components.shared.catalogue.database import READ_ROWS_MAX, Do, Row, pages
from components.shared.catalogue.reconcile import unlink_garbage
from components.shared.errors import Transient
from components.shared.runtime.files import Step, disk_errors, no_step, sync_folder
from components.shared.wire.object_keys import ObjectName, StreamName, parse_relative_path, relative_path
from components.shared.wire.units import WallNs

_BEFORE_ALL = -(2**63)
_AFTER_ALL = 2**63 - 1
_EARLY = "camera, stream, start_ns, end_ns, segments, size_bytes, is_lost, reason, deleted_ns"
_STREAM_CLOSED = "FROM segment WHERE camera = ? AND stream = ? AND state = 'closed'"


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A closed segment without its facts."""

    segment: str
    camera: str
    stream: StreamName
    volume: str
    start_ns: int
    end_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A segment to delete; `is_early` before its age, `is_lost` before it was uploaded."""

    segment: str
    camera: str
    stream: StreamName
    start_ns: int
    end_ns: int
    size_bytes: int
    reason: str
    is_early: bool
    is_lost: bool


@dataclass(frozen=True, slots=True)
class EarlyDeletion:
    """Footage that was deleted before its age: so many segments from start to end, the last of them at `deleted_ns`."""

    camera: str
    stream: StreamName
    start_ns: WallNs
    end_ns: WallNs
    segments: int
    size_bytes: int
    is_lost: bool
    reason: str
    deleted_ns: WallNs


def kept_pages(
    reader: CaptureReader, camera: str, stream: StreamName, until_ns: int | None = None
) -> Iterator[list[KeptRow]]:
    """The closed segments of a stream that start before `until_ns`, by start, at most READ_ROWS_MAX at a time."""
    after_ns = _BEFORE_ALL
    sql = (
        f"SELECT segment, camera, stream, volume, start_ns, end_ns, size_bytes {_STREAM_CLOSED} "
        "AND start_ns > ? AND start_ns < ? ORDER BY start_ns LIMIT ?"
    )
    while True:
        before_ns = _AFTER_ALL if until_ns is None else until_ns
        found = reader.database.read(sql, camera, stream, after_ns, before_ns, READ_ROWS_MAX)
        if found:
            yield [KeptRow(*row) for row in found]
        if len(found) < READ_ROWS_MAX:
            return
        after_ns = found[-1][4]


def spans_between(
    reader: CaptureReader, camera: str, stream: StreamName, since_ns: int, until_ns: int
) -> list[tuple[str, int, int | None]]:
    """Id, start and end of the segments of a stream with footage in `[since_ns, until_ns)`, open ones without end."""
    before = "SELECT max(start_ns) FROM segment WHERE camera = ? AND stream = ? AND start_ns <= ?"
    first_ns = reader.database.read(before, camera, stream, since_ns)[0][0]

    def fetch(last: Row | None, count: int) -> list[Row]:
        sql = (
            "SELECT segment, start_ns, end_ns FROM segment WHERE camera = ? AND stream = ? AND start_ns >= ? "
            "AND start_ns < ? AND (end_ns > ? OR end_ns IS NULL) ORDER BY start_ns LIMIT ?"
        )
        from_ns = (since_ns if first_ns is None else first_ns) if last is None else last[1] + 1
        return reader.database.read(sql, camera, stream, from_ns, until_ns, since_ns, count)

    return [(row[0], row[1], row[2]) for row in pages(fetch, None)]


def kept_among(reader: CaptureReader, segments: Sequence[str]) -> frozenset[str]:
    """Which of these segments, at most READ_ROWS_MAX, are there and not to be deleted."""
    sql = "SELECT segment FROM segment WHERE segment IN (SELECT value FROM json_each(?)) LIMIT ?"
    return frozenset(row[0] for row in reader.database.read(sql, json.dumps(list(segments)), READ_ROWS_MAX))


def kept_bytes(reader: CaptureReader) -> dict[tuple[str, str], int]:
    """The bytes of closed segments per volume and camera, in short reads."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    sql = (
        "SELECT volume, sum(size_bytes), count(*), max(start_ns) FROM (SELECT volume, size_bytes, start_ns "  # noqa: S608 - constants of this module
        f"{_STREAM_CLOSED} AND start_ns > ? ORDER BY start_ns LIMIT ?) GROUP BY volume"
    )
    for camera, stream in reader.recorded_streams():
        after_ns, count = _BEFORE_ALL, READ_ROWS_MAX
        while count == READ_ROWS_MAX:
            found = reader.database.read(sql, camera, stream, after_ns, READ_ROWS_MAX)
            for volume, size_bytes, _, _ in found:
                totals[volume, camera] += size_bytes
            count = sum(row[2] for row in found)
            after_ns = max((row[3] for row in found), default=after_ns)
    return dict(totals)


def early_deletions(reader: CaptureReader, since_ns: int = _BEFORE_ALL, only_lost: bool = False) -> list[EarlyDeletion]:
    """Footage that was deleted before its age since a moment, in the order of its first deletion."""

    def fetch(last: Row | None, count: int) -> list[Row]:
        sql = (
            f"SELECT {_EARLY}, early_deletion FROM early_deletion WHERE early_deletion > ? AND deleted_ns >= ? "  # noqa: S608 - constants of this module
            "AND is_lost >= ? ORDER BY early_deletion LIMIT ?"
        )
        return reader.database.read(sql, last[-1] if last is not None else 0, since_ns, int(only_lost), count)

    return [EarlyDeletion(*row[:6], *(bool(row[6]), *row[7:9])) for row in pages(fetch, None)]


def mark_all_garbage(writer: CaptureWriter, marks: Sequence[Mark], deleted_ns: WallNs) -> None:
    """Closed segments become garbage and their spans gaps, in one transaction: keep them few, recorders wait for it.

    Marking one again does nothing. Fatal for a segment that is open, or unknown.
    """
    with writer.database.transaction(f"mark {len(marks)} segments as garbage") as do:
        for mark in marks:
            if do("SELECT 1 FROM garbage WHERE segment = ?", mark.segment):
                continue
            put_into_garbage(do, mark.segment, mark.reason)
            if mark.is_early:
                _note_early(do, mark, deleted_ns)


def delete_all_garbage(writer: CaptureWriter, rows: Sequence[GarbageRow], step: Step = no_step) -> Mapping[str, str]:
    """Deletes the files of garbage rows for good, then the rows. May be repeated.

    Of those that could not be deleted the rows stay; the answer says why, by path.
    """
    failures: dict[str, str] = {}
    folders: dict[Path, list[GarbageRow]] = defaultdict(list)
    for row in rows:
        _attempt(failures, [row], lambda row=row: folders[unlink_garbage(writer, row, step)].append(row))  # type: ignore[misc]
    gone: list[GarbageRow] = []
    for folder, unlinked in folders.items():
        # Also when the files were gone already: whoever unlinked them may not have come to the sync.
        if not folder.is_dir() or _attempt(failures, unlinked, lambda folder=folder: sync_folder(folder, step)):  # type: ignore[misc]
            gone += unlinked
    if gone:
        step("before drop row")
        with writer.database.transaction(f"drop {len(gone)} garbage rows") as do:
            for row in gone:
                do("DELETE FROM garbage WHERE segment = ?", row.segment)
        step("after drop row")
    return failures


def remove_empty_folders(reader: CaptureReader, rows: Sequence[GarbageRow]) -> None:
    """Removes the folders of deleted segments that are empty now: else years of hours would use up the files of a disk.

    Nothing is recorded into the folder of an hour that is over: those that the newest segment of the stream lies in, or
    may yet make, stay. Transient when the disk fails.
    """
    for folder in sorted({(row.volume, row.path.rpartition("/")[0]) for row in rows}):
        row = next(row for row in rows if (row.volume, row.path.rpartition("/")[0]) == folder)
        name = parse_relative_path(row.path)
        newest_ns = reader.newest_start_ns(name.camera, name.stream, row.volume)
        if newest_ns is None or newest_ns <= name.start_ns:
            continue
        newest = relative_path(ObjectName(name.camera, name.stream, newest_ns, "mp4"))
        path, relative = reader.file_path(row).parent, folder[1]
        with disk_errors(path, "remove folder"):
            while "/" in relative and not newest.startswith(f"{relative}/"):
                try:
                    path.rmdir()
                except FileNotFoundError:
                    pass  # somebody was faster; the folder above may be empty all the same
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    break
                path, relative = path.parent, relative.rpartition("/")[0]


def _attempt(failures: dict[str, str], rows: Sequence[GarbageRow], work: Callable[[], object]) -> bool:
    try:
        work()
    except Transient as error:
        failures.update({row.path: str(error) for row in rows})
        return False
    return True


def _note_early(do: Do, mark: Mark, deleted_ns: WallNs) -> None:
    """A row for the segment, or, where it follows one of the same reason, that row made longer."""
    reason, key = short(mark.reason), (mark.camera, mark.stream, int(mark.is_lost))
    before = do(
        "SELECT early_deletion FROM early_deletion WHERE camera = ? AND stream = ? AND is_lost = ? AND end_ns = ? "
        "AND reason = ? LIMIT 1",
        *(*key, mark.start_ns, reason),
    )
    if before:
        change = "end_ns = ?, segments = segments + 1, size_bytes = size_bytes + ?, deleted_ns = ?"
        longer = (mark.end_ns, mark.size_bytes, deleted_ns, before[0][0])
        do(f"UPDATE early_deletion SET {change} WHERE early_deletion = ?", *longer)  # noqa: S608 - a constant
        return
    values = (mark.camera, mark.stream, mark.start_ns, mark.end_ns, 1, mark.size_bytes, int(mark.is_lost), reason)
    do(f"INSERT INTO early_deletion ({_EARLY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values, deleted_ns)  # noqa: S608
