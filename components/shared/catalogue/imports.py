"""Foreign files in capture.db: which were imported, which were refused and why, and which is being imported.

A file is known by its camera, name, size and time of change, so that a look at a folder asks without reading; and by
the hash of its content, so that the same footage under another name, or sent again, is not imported twice.

What a file gives is written segment by segment. A segment that is recorded has an open row before its first byte; an
imported one cannot, because it may belong before others that are there already. So its place is noted in the row of
its import (`next_path`), durably, before the file is made, and that note goes in the transaction that makes the
segment's row. Whatever is at a noted place without a row is half a file, or one that nobody knows yet: `repair_imports`
removes it while its source is still there, and the import goes on after the last segment that has a row.

A row stays when its footage is deleted: what retention has deleted does not come back with the next upload.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from components.shared.catalogue.capture import CaptureWriter, RunRow, SegmentRow
from components.shared.catalogue.capture_rows import GapRow, check_gap, short
from components.shared.catalogue.database import READ_ROWS_MAX, Do, Row
from components.shared.catalogue.reconcile import Repair
from components.shared.catalogue.segment_probe import probe
from components.shared.catalogue.volumes import absence
from components.shared.errors import Fatal, Transient
from components.shared.runtime.files import Step, disk_errors, no_step, remove_durably
from components.shared.wire.object_keys import StreamName, parse_relative_path
from components.shared.wire.segment_metadata import SegmentFacts
from components.shared.wire.units import Span, WallNs

ImportState = Literal["importing", "imported", "refused"]
_STATES = frozenset(get_args(ImportState))

CAUSE = "not_delivered"
"""Of the gaps of a camera whose footage comes as files: no file has brought this time, yet."""

_FOREVER_NS = 2**62

_COLUMNS = "camera, path, size_bytes, mtime_ns, sha256, state, reason, attempts, start_ns, first_segment, last_segment"
_SELECT = f"SELECT {_COLUMNS} FROM import"
_KEY = "camera = ? AND path = ? AND size_bytes = ? AND mtime_ns = ?"


@dataclass(frozen=True, slots=True)
class FileKey:
    """A foreign file as a look into its folder sees it; `path` is absolute."""

    camera: str
    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ImportRow:
    """What became of a foreign file. `sha256` is empty when its content was not read; lower-case hex otherwise.

    `attempts` were begun and neither ended nor were stopped in good order; `start_ns` is when its first picture was.
    """

    key: FileKey
    sha256: str
    state: ImportState
    reason: str = ""
    attempts: int = 0
    start_ns: WallNs | None = None
    first_segment: str | None = None
    last_segment: str | None = None


class Imports:
    """The rows of imports, in the file of a CaptureWriter; every call is one durable transaction or a short read."""

    def __init__(self, writer: CaptureWriter) -> None:
        self._writer = writer

    def by_name(self, key: FileKey) -> ImportRow | None:
        """What became of the file as it is now, or None."""
        found = self._writer.database.read(f"{_SELECT} WHERE {_KEY}", *_values(key))
        return _import_row(found[0]) if found else None

    def was_other(self, key: FileKey) -> bool:
        """Whether a file of that name is known with another size or time of change."""
        sql = "SELECT 1 FROM import WHERE camera = ? AND path = ? AND (size_bytes <> ? OR mtime_ns <> ?) LIMIT 1"
        return bool(self._writer.database.read(sql, *_values(key)))

    def by_content(self, camera: str, sha256: str) -> ImportRow | None:
        """What became of a file with that content, whatever its name; one that is still being imported last."""
        sql = f"{_SELECT} WHERE camera = ? AND sha256 = ? ORDER BY state = 'importing', path LIMIT 1"
        found = self._writer.database.read(sql, camera, bytes.fromhex(sha256))
        return _import_row(found[0]) if found else None

    def of_camera(self, camera: str) -> list[ImportRow]:
        """The first READ_ROWS_MAX rows of a camera, by name."""
        found = self._writer.database.read(f"{_SELECT} WHERE camera = ? ORDER BY path LIMIT ?", camera, READ_ROWS_MAX)
        return [_import_row(row) for row in found]

    def taken(self, camera: str, stream: StreamName, window: Span) -> list[Span]:
        """The spans of a stream's segments that have time in the window, by start; an open one has no end."""
        sql = (
            "SELECT start_ns, coalesce(end_ns, ?5) FROM segment WHERE camera = ?1 AND stream = ?2 AND start_ns < ?3 "
            "AND start_ns >= coalesce((SELECT max(start_ns) FROM segment "
            "WHERE camera = ?1 AND stream = ?2 AND start_ns <= ?4), ?4) ORDER BY start_ns LIMIT ?6"
        )
        key = (camera, stream, window.end_ns, window.start_ns, _FOREVER_NS, READ_ROWS_MAX)
        return [Span(*row) for row in self._writer.database.read(sql, *key)]

    def put(self, row: ImportRow) -> None:
        """Writes what became of a file, or that it is being imported; a place that was noted for it stays noted."""
        key = row.key
        check_gap(key.camera, CAUSE)
        if row.state not in _STATES:
            raise Fatal(f"camera {key.camera}, file {key.path!r}: {row.state!r} is no state of an import")
        sha256 = bytes.fromhex(row.sha256) if row.sha256 else None
        with self._writer.database.transaction(f"camera {key.camera}, {row.state} {key.path}") as do:
            do(
                f"INSERT INTO import ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET sha256 = excluded.sha256, state = excluded.state, reason = excluded.reason, "
                "attempts = excluded.attempts, start_ns = excluded.start_ns, first_segment = excluded.first_segment, "
                "last_segment = excluded.last_segment",
                *_values(key),
                *(
                    sha256,
                    row.state,
                    short(row.reason),
                    row.attempts,
                    row.start_ns,
                    row.first_segment,
                    row.last_segment,
                ),
            )

    def intend(self, key: FileKey, row: SegmentRow) -> None:
        """Notes where the next segment of a file is going to be written. Fatal for an unknown file."""
        self._note(key, row.volume, row.path)

    def forget_intent(self, key: FileKey) -> None:
        """Nothing is written at the noted place: it was removed, or never made."""
        self._note(key, None, None)

    def record(
        self, key: FileKey, row: SegmentRow, run: RunRow, facts: SegmentFacts, part_sha256s: Sequence[str]
    ) -> int:
        """The segment at the noted place is complete and durable: makes its row; gives its sequence number."""

        def note(do: Do) -> None:
            sql = (
                "UPDATE import SET first_segment = coalesce(first_segment, ?), last_segment = ?, next_volume = NULL, "
                f"next_path = NULL WHERE {_KEY} AND next_path = ? RETURNING path"
            )
            if not do(sql, row.segment, row.segment, *_values(key), row.path):
                raise Fatal(f"camera {row.camera}, segment {row.segment}: its place was not noted for {key.path!r}")

        return self._writer.adopt_segment(row, run, facts, part_sha256s, adopted=False, also=note)

    def extend_record(self, camera: str, stream: StreamName, start_ns: WallNs) -> None:
        """Lets the record of a stream begin at `start_ns` if it begins later: whatever is in between is told as gaps.

        Files bring time of before the camera was configured, and the record has no holes. Unknown streams are left.
        """
        sql = "SELECT enabled_since_ns FROM stream WHERE camera = ? AND stream = ? AND enabled_since_ns > ?"
        with self._writer.database.transaction(f"camera {camera}, extend record") as do:
            found = do(sql, camera, stream, start_ns)
            if not found:
                return
            window = Span(start_ns, WallNs(found[0][0]))
            for hole in _holes(window, _spans(do, camera, stream, window)):
                gap = GapRow(camera, stream, hole.start_ns, hole.end_ns, CAUSE)
                do(
                    "INSERT INTO gap (camera, stream, start_ns, end_ns, cause, detail) VALUES (?, ?, ?, ?, ?, ?)",
                    *(gap.camera, gap.stream, gap.start_ns, gap.end_ns, gap.cause, gap.detail),
                )
            sql = "UPDATE stream SET enabled_since_ns = ? WHERE camera = ? AND stream = ?"
            do(sql, start_ns, camera, stream)

    def is_garbage(self, segment: str) -> bool:
        """Whether the file of that segment waits for its deletion."""
        return self._writer.is_garbage(segment)

    def repair(self, camera: str) -> list[Repair]:
        """Clears what a broken-off import of the camera left; see `repair_imports`."""
        return repair_imports(self._writer, camera)

    def noted(self) -> list[tuple[FileKey, str, str]]:
        """The files whose next segment has a place: key, volume and path."""
        sql = (
            "SELECT camera, path, size_bytes, mtime_ns, next_volume, next_path FROM import "
            "WHERE next_path IS NOT NULL LIMIT ?"
        )
        return [(FileKey(*row[:4]), row[4], row[5]) for row in self._writer.database.read(sql, READ_ROWS_MAX)]

    def _note(self, key: FileKey, volume: str | None, path: str | None) -> None:
        sql = f"UPDATE import SET next_volume = ?, next_path = ? WHERE {_KEY} RETURNING path"
        with self._writer.database.transaction(f"camera {key.camera}, note place of segment") as do:
            if not do(sql, volume, path, *_values(key)):
                raise Fatal(
                    f"camera {key.camera}, file {key.path!r} is not being imported: no segment of it has a place"
                )


def repair_imports(writer: CaptureWriter, camera: str | None = None, step: Step = no_step) -> list[Repair]:
    """Removes what broken-off imports (of one camera) left without a row; may be repeated.

    For start-up, before strays are looked for, and before a camera's import goes on. A source that is gone or
    changed cannot be imported again: then what footage there is stays, as a stray that the next start-up adopts.
    """
    imports = Imports(writer)
    volumes = {volume.volume: volume for volume in writer.volumes()}
    repairs = []
    for key, volume, relative in imports.noted():
        if camera not in (None, key.camera):
            continue
        segment = parse_relative_path(relative).segment
        path = volumes[volume].root / relative
        why = absence(volumes[volume])
        if why is not None:
            repairs.append(Repair("failed", relative, why))
            continue
        try:
            if writer.segment(segment) is None and _is_there(path):
                repairs.append(_clear(writer, key, path, relative, step))
            step("before forget")
            imports.forget_intent(key)
            step("after forget")
        except Transient as error:
            repairs.append(Repair("failed", relative, str(error)))
    return repairs


def _clear(writer: CaptureWriter, key: FileKey, path: Path, relative: str, step: Step) -> Repair:
    found = probe(path)
    if _is_unchanged(key) or found is None or not found.has_footage:
        remove_durably(path, step)
        return Repair("deleted", relative, f"half imported from {key.path}")
    writer.set_full_scan_due(True)
    return Repair("failed", relative, f"half imported from {key.path}, which is gone: start-up adopts it")


def _is_there(path: Path) -> bool:
    with disk_errors(path, "look at"):
        try:
            os.lstat(path)
        except FileNotFoundError:
            return False
    return True


def _is_unchanged(key: FileKey) -> bool:
    try:
        found = os.lstat(key.path)
    except (OSError, ValueError):
        return False
    return (found.st_size, found.st_mtime_ns) == (key.size_bytes, key.mtime_ns)


def _spans(do: Do, camera: str, stream: StreamName, window: Span) -> list[Span]:
    """What a stream's record has in the window, by start."""
    spans = []
    for table in ("segment", "gap"):
        sql = (
            f"SELECT start_ns, coalesce(end_ns, ?3) FROM {table} "
            "WHERE camera = ?1 AND stream = ?2 AND start_ns < ?3 AND (end_ns > ?4 OR end_ns IS NULL)"
        )
        spans += [Span(*row) for row in do(sql, camera, stream, window.end_ns, window.start_ns)]
    return sorted(spans)


def _holes(window: Span, spans: Sequence[Span]) -> Iterator[Span]:
    reached = window.start_ns
    for span in spans:
        if span.start_ns > reached:
            yield Span(reached, span.start_ns)
        reached = max(reached, span.end_ns)
    if reached < window.end_ns:
        yield Span(reached, window.end_ns)


def _values(key: FileKey) -> tuple[str, str, int, int]:
    return key.camera, key.path, key.size_bytes, key.mtime_ns


def _import_row(row: Row) -> ImportRow:
    camera, path, size_bytes, mtime_ns, sha256, *rest = row
    key = FileKey(camera, path, size_bytes, mtime_ns)
    return ImportRow(key, "" if sha256 is None else sha256.hex(), *rest)
