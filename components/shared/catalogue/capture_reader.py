"""Reads capture.db: what Capture has recorded, for Capture itself and for everybody else.

Any thread may call. Every call is one short read, or several for a long answer, and never holds the file. It knows
nothing of how rows come about; see `capture`.
"""
# ruff: noqa: S608 - statements are put together from constants of this package; values are always bound

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from components.shared.catalogue import capture_rows as rows
from components.shared.catalogue.capture_rows import (
    GapRow,
    GarbageRow,
    ManifestEntry,
    RunRow,
    SegmentRow,
    SegmentState,
    StreamRow,
    StreamTotals,
    Volume,
)
from components.shared.catalogue.capture_schema import CAPTURE
from components.shared.catalogue.database import READ_ROWS_MAX, Database, Row, Value, open_for_reading, pages
from components.shared.catalogue.roll_ups import Covered, roll_ups_of
from components.shared.errors import Fatal
from components.shared.wire.object_keys import StreamName, stream_stem
from components.shared.wire.units import Span, WallNs, to_datetime

STREAM_NAMES: tuple[StreamName, ...] = ("main", "sub")
SELECT_SEGMENT = f"SELECT {rows.SEGMENT_COLUMNS} FROM segment"
_PRESENT = (
    "start_ns < coalesce((SELECT start_ns FROM misdated WHERE camera = ?1 AND stream = ?2), 9223372036854775807) "
    "ORDER BY start_ns DESC LIMIT 1"
)
RECORD_END = (
    "SELECT max(end) FROM (SELECT * FROM (SELECT coalesce(end_ns, start_ns) AS end FROM segment "
    f"WHERE camera = ?1 AND stream = ?2 AND {_PRESENT}) UNION ALL SELECT * FROM "
    f"(SELECT coalesce(end_ns, start_ns) FROM gap WHERE camera = ?1 AND stream = ?2 AND {_PRESENT}))"
)
"""Where the record of a camera's stream ends, NULL without one; of what is open only the start is known.

What is misdated does not count: the record goes on in front of it.
"""

_STREAMS_OF = (
    "WITH RECURSIVE known (camera) AS (SELECT min(camera) FROM {table} UNION ALL "
    "SELECT (SELECT min(camera) FROM {table} WHERE camera > known.camera) FROM known WHERE known.camera IS NOT NULL), "
    "kinds (stream) AS (VALUES ('main'), ('sub')) SELECT known.camera, kinds.stream FROM known, kinds WHERE EXISTS "
    "(SELECT 1 FROM {table} AS one WHERE one.camera = known.camera AND one.stream = kinds.stream) LIMIT ?"
)
"""The streams of a table, a step in its index each instead of a walk over all rows."""

_BEFORE_ALL = -9_223_372_036_854_775_808
"""The smallest integer of SQLite: every row comes after it."""


class Filed(Protocol):
    """A row that has a file: segments, garbage, and the rows of other catalogues that name a volume."""

    @property
    def volume(self) -> str:
        """The volume's id."""

    @property
    def path(self) -> str:
        """The path under the volume's root."""


class CaptureReader:
    """Reads capture.db. Any thread may call; every call is one short read, or several for a long answer."""

    def __init__(self, database: Database, data: Path):
        """Made by `open`."""
        self._database = database
        self._data = data

    @classmethod
    def open(cls, data: Path) -> CaptureReader:
        """Transient when Capture has not made the file yet, or not migrated it yet."""
        return cls(open_for_reading(data, CAPTURE), data)

    @property
    def database(self) -> Database:
        """The file itself, for checks of it."""
        return self._database

    @property
    def data(self) -> Path:
        """The data root."""
        return self._data

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def volumes(self) -> list[Volume]:
        """All volumes, by id."""
        sql = "SELECT volume, root, identity FROM volume ORDER BY volume LIMIT ?"
        found = self._database.read(sql, READ_ROWS_MAX)
        return [Volume(volume, self._data / root, identity) for volume, root, identity in found]

    def streams(self) -> list[StreamRow]:
        """All streams, by camera."""
        sql = f"SELECT {rows.STREAM_COLUMNS} FROM stream ORDER BY camera, stream LIMIT ?"
        return [rows.stream_row(row) for row in self._database.read(sql, READ_ROWS_MAX)]

    def segments(
        self,
        camera: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        state: SegmentState | None = None,
        limit: int | None = None,
        stream: StreamName | None = None,
    ) -> list[SegmentRow]:
        """Segments that have footage in `[since_ns, until_ns)`, by start. An open one lasts until it is closed."""
        if camera is not None and stream is None:
            # Each stream by its own index, which a search for both could not use.
            both = (self.segments(camera, since_ns, until_ns, state, limit, name) for name in STREAM_NAMES)
            return sorted(itertools.chain(*both), key=lambda row: (row.start_ns, row.segment))[:limit]
        where = _Where()
        where.add("camera = ?", camera)
        where.add("stream = ?", stream)
        where.add("(end_ns > ? OR end_ns IS NULL)", since_ns)
        where.add("start_ns < ?", until_ns)
        where.add("state = ?", state)
        first_ns = _BEFORE_ALL if since_ns is None else self._first_start_ns(camera, stream, since_ns)

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = (last[7], last[0]) if last is not None else (first_ns, "")
            sql = f"{SELECT_SEGMENT} WHERE (start_ns, segment) > (?, ?) {where.sql} ORDER BY start_ns, segment LIMIT ?"
            return self._database.read(sql, *after, *where.values, count)

        return [rows.segment_row(row) for row in pages(fetch, limit)]

    def manifest(self, camera: str, window: Span, stream: StreamName = "main") -> list[ManifestEntry]:
        """The closed segments of a stream that have footage in the window, by start, each with its GOP index."""
        # The segments of a stream never overlap: only the last one that starts before the window can reach into it.
        first = "SELECT max(start_ns) FROM segment WHERE camera = ?1 AND stream = ?2 AND start_ns <= ?3"

        def fetch(last: Row | None, count: int) -> list[Row]:
            after_ns = last[4] + 1 if last is not None else _BEFORE_ALL
            sql = (
                f"SELECT {rows.MANIFEST_COLUMNS} FROM segment WHERE camera = ?1 AND stream = ?2 "
                f"AND start_ns >= max(?4, coalesce(({first}), ?3)) AND start_ns < ?5 AND end_ns > ?3 "
                "AND state = 'closed' ORDER BY start_ns LIMIT ?6"
            )
            return self._database.read(sql, camera, stream, window.start_ns, after_ns, window.end_ns, count)

        return [rows.manifest_entry(row) for row in pages(fetch, None)]

    def totals(self) -> list[StreamTotals]:
        """How much is in closed segments, per stream; counted by SQLite, however long the archive."""
        # With one max() the other columns are those of its row (SQLite, "Bare columns in an aggregate query").
        sql = (
            "SELECT camera, stream, count(*), sum(size_bytes), segment, max(sequence) FROM segment "
            "WHERE state = 'closed' GROUP BY camera, stream ORDER BY camera, stream LIMIT ?"
        )
        return [StreamTotals(*row[:5]) for row in self._database.read(sql, READ_ROWS_MAX)]

    def spans(self, camera: str, stream: StreamName) -> list[tuple[str, WallNs, WallNs | None]]:
        """Id, start and end of all segments of a stream, by start: light where their facts are not needed."""

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = (last[1], last[0]) if last is not None else (_BEFORE_ALL, "")
            sql = (
                "SELECT segment, start_ns, end_ns FROM segment WHERE camera = ? AND stream = ? "
                "AND (start_ns, segment) > (?, ?) ORDER BY start_ns, segment LIMIT ?"
            )
            return self._database.read(sql, camera, stream, *after, count)

        return [(row[0], row[1], row[2]) for row in pages(fetch, None)]

    def recorded_streams(self) -> list[tuple[str, StreamName]]:
        """Cameras and streams that have a segment or a gap, configured or not."""
        found = set(self._database.read(_STREAMS_OF.format(table="segment"), READ_ROWS_MAX))
        found.update(self._database.read(_STREAMS_OF.format(table="gap"), READ_ROWS_MAX))
        return [(camera, stream) for camera, stream in sorted(found)]

    def segment(self, segment: str) -> SegmentRow | None:
        """The row of that id, or None."""
        found = self._database.read(f"{SELECT_SEGMENT} WHERE segment = ?", segment)
        return rows.segment_row(found[0]) if found else None

    def motion_among(self, segments: Sequence[str]) -> frozenset[str]:
        """Which of these segments are of the class `motion`; the others are `continuous`."""
        sql = "SELECT segment FROM motion_segment WHERE segment IN (SELECT value FROM json_each(?)) LIMIT ?"
        found: set[str] = set()
        for at in range(0, len(segments), READ_ROWS_MAX):
            ids = json.dumps(segments[at : at + READ_ROWS_MAX])
            found.update(row[0] for row in self._database.read(sql, ids, READ_ROWS_MAX))
        return frozenset(found)

    def closed_after(self, sequence: int, limit: int) -> list[SegmentRow]:
        """The next closed segments after a cursor, in the order they were closed; at most READ_ROWS_MAX of them.

        A number that is missing between two of them was deleted: it never appears later. Unverified ones come when
        they are verified, with another number: what is known of their bytes is not enough to upload them.
        """
        sql = (
            f"{SELECT_SEGMENT} WHERE sequence > max(?, (SELECT value FROM counter WHERE name = 'unverified_until')) "
            "ORDER BY sequence LIMIT ?"
        )
        return [rows.segment_row(row) for row in self._database.read(sql, sequence, min(limit, READ_ROWS_MAX))]

    def unverified_after(self, sequence: int, limit: int) -> list[SegmentRow]:
        """The next unverified segments after a cursor, by their numbers; at most READ_ROWS_MAX of them."""
        sql = (
            f"{SELECT_SEGMENT} WHERE sequence > ? AND sequence <= (SELECT value FROM counter "
            "WHERE name = 'unverified_until') AND unverified = 1 ORDER BY sequence LIMIT ?"
        )
        return [rows.segment_row(row) for row in self._database.read(sql, sequence, min(limit, READ_ROWS_MAX))]

    def open_segments(self) -> list[SegmentRow]:
        """Segments that are being written, or were when Capture ended."""
        # Without the plus SQLite would walk through all segments in their order instead of the few that are open.
        sql = f"{SELECT_SEGMENT} WHERE state = 'open' ORDER BY +start_ns, segment LIMIT ?"
        return [rows.segment_row(row) for row in self._database.read(sql, READ_ROWS_MAX)]

    def gaps(
        self,
        camera: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        stream: StreamName | None = None,
    ) -> list[GapRow]:
        """Gaps with time in `[since_ns, until_ns)`, by start."""
        where = _Where()
        where.add("camera = ?", camera)
        where.add("stream = ?", stream)
        where.add("(end_ns > ? OR end_ns IS NULL)", since_ns)
        where.add("start_ns < ?", until_ns)

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = (last[2], last[-1]) if last is not None else (_BEFORE_ALL, 0)
            sql = (
                f"SELECT {rows.GAP_COLUMNS}, gap FROM gap "
                f"WHERE (start_ns, gap) > (?, ?) {where.sql} ORDER BY start_ns, gap LIMIT ?"
            )
            return self._database.read(sql, *after, *where.values, count)

        return [GapRow(*row[:-1]) for row in pages(fetch, None)]

    def runs(self, camera: str | None = None) -> list[RunRow]:
        """Runs by start."""
        where = _Where()
        where.add("camera = ?", camera)

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = (last[3], last[0]) if last is not None else (_BEFORE_ALL, "")
            sql = (
                f"SELECT {rows.RUN_COLUMNS} FROM run "
                f"WHERE (started_ns, run) > (?, ?) {where.sql} ORDER BY started_ns, run LIMIT ?"
            )
            return self._database.read(sql, *after, *where.values, count)

        return [rows.run_row(row) for row in pages(fetch, None)]

    def unended_runs(self) -> list[RunRow]:
        """Runs that nobody ended: those going on, or, at start-up, those that a crash cut off."""
        sql = f"SELECT {rows.RUN_COLUMNS} FROM run WHERE ended_ns IS NULL ORDER BY started_ns LIMIT ?"
        return [rows.run_row(row) for row in self._database.read(sql, READ_ROWS_MAX)]

    def garbage(self) -> list[GarbageRow]:
        """Files that wait for their deletion."""

        def fetch(last: Row | None, count: int) -> list[Row]:
            sql = f"SELECT {rows.GARBAGE_COLUMNS} FROM garbage WHERE segment > ? ORDER BY segment LIMIT ?"
            return self._database.read(sql, last[0] if last is not None else "", count)

        return [GarbageRow(*row) for row in pages(fetch, None)]

    def is_garbage(self, segment: str) -> bool:
        """Whether a segment waits for its deletion."""
        return bool(self._database.read("SELECT 1 FROM garbage WHERE segment = ?", segment))

    def run(self, run: str) -> RunRow | None:
        """The run of that id, or None."""
        found = self._database.read(f"SELECT {rows.RUN_COLUMNS} FROM run WHERE run = ?", run)
        return rows.run_row(found[0]) if found else None

    def has_footage(self, volume: str) -> bool:
        """Whether a closed segment should be on a volume."""
        return bool(self._database.read("SELECT 1 FROM segment WHERE volume = ? AND state = 'closed' LIMIT 1", volume))

    def newest_files(self, volume: str, limit: int) -> list[tuple[str, int]]:
        """Path and size of some closed segments on a volume, of each stream's newest ones those of the last stream."""
        sql = "SELECT path, size_bytes FROM segment WHERE volume = ? AND state = 'closed' ORDER BY path DESC LIMIT ?"
        return [(path, size_bytes) for path, size_bytes in self._database.read(sql, volume, limit)]

    def beside(self, row: SegmentRow) -> tuple[WallNs | None, WallNs | None]:
        """Where the segment of the stream that begins before (or with) a row ends, and where the next one begins.

        Of one that is still open only its start counts.
        """
        others = "FROM segment WHERE camera = ? AND stream = ? AND segment <> ? AND start_ns"
        key = (row.camera, row.stream, row.segment, row.start_ns)
        sql = f"SELECT coalesce(end_ns, start_ns + 1) {others} <= ? ORDER BY start_ns DESC LIMIT 1"
        before = self._database.read(sql, *key)
        after = self._database.read(f"SELECT start_ns {others} > ? ORDER BY start_ns LIMIT 1", *key)
        return (before[0][0] if before else None), (after[0][0] if after else None)

    def last_sequence(self) -> int:
        """The number of the segment that was closed last; 0 before the first."""
        return int(self._database.read("SELECT value FROM counter WHERE name = 'sequence'")[0][0])

    def record_end_ns(self, camera: str, stream: StreamName) -> WallNs | None:
        """Where the record of a stream ends: what comes next starts here or later. None when there is no record."""
        found = self._database.read(RECORD_END, camera, stream)[0][0]
        return None if found is None else WallNs(found)

    def record_begin_ns(self, camera: str, stream: StreamName) -> WallNs | None:
        """Where the record of a stream begins. None when there is no record."""
        sql = (
            "SELECT min(start) FROM (SELECT min(start_ns) AS start FROM segment WHERE camera = ?1 AND stream = ?2 "
            "UNION ALL SELECT min(start_ns) FROM gap WHERE camera = ?1 AND stream = ?2)"
        )
        found = self._database.read(sql, camera, stream)[0][0]
        return None if found is None else WallNs(found)

    def is_open(self, camera: str, stream: StreamName) -> bool:
        """Whether a segment or gap of a stream goes on."""
        sql = (
            "SELECT EXISTS (SELECT 1 FROM segment WHERE camera = ?1 AND stream = ?2 AND state = 'open') "
            "OR EXISTS (SELECT 1 FROM gap WHERE camera = ?1 AND stream = ?2 AND end_ns IS NULL)"
        )
        return bool(self._database.read(sql, camera, stream)[0][0])

    def newest_end_ns(self) -> WallNs:
        """Where the newest of all streams' records ends; 0 without any."""
        ends = [self.record_end_ns(*stream) for stream in self.recorded_streams()]
        return WallNs(max((end for end in ends if end is not None), default=0))

    def misdated_ns(self, camera: str, stream: StreamName) -> WallNs | None:
        """Where the part of a stream's record begins that a wrong clock dated ahead; None without one."""
        found = self._database.read("SELECT start_ns FROM misdated WHERE camera = ? AND stream = ?", camera, stream)
        return WallNs(found[0][0]) if found else None

    def newest_start_ns(self, camera: str, stream: StreamName, volume: str) -> WallNs | None:
        """When the newest segment of a stream on a volume starts, closed or open."""
        # By the paths of the volume, which sort by time: a stream may have all its newer segments on another one.
        sql = "SELECT start_ns FROM segment WHERE volume = ? AND path > ? AND path < ? ORDER BY path DESC LIMIT 1"
        found = self._database.read(sql, volume, *_paths_of(camera, stream))
        return WallNs(found[0][0]) if found else None

    def _first_start_ns(self, camera: str | None, stream: StreamName | None, since_ns: int) -> int:
        """No segment with footage at `since_ns` or later starts before this: found by index, not by reading them all.

        The segments of a stream never overlap: only the last one that starts before can reach over.
        """
        known = self.recorded_streams() if camera is None or stream is None else [(camera, stream)]
        streams = [found for found in known if camera in (None, found[0]) and stream in (None, found[1])]
        sql = "SELECT max(start_ns) FROM segment WHERE camera = ? AND stream = ? AND start_ns <= ?"
        starts = [self._database.read(sql, *found, since_ns)[0][0] for found in streams]
        return min((int(start) for start in starts if start is not None), default=since_ns)

    def known_paths(self, camera: str, stream: StreamName, volume: str, since_ns: int | None) -> frozenset[str]:
        """The paths of a stream's segments on a volume in the folder of an hour and later ones; None: all."""
        first, beyond = _paths_of(camera, stream)
        if since_ns is not None:
            first += f"{to_datetime(since_ns):%Y/%m/%d/%H}"

        def fetch(last: Row | None, count: int) -> list[Row]:
            after = last[0] if last is not None else first
            sql = "SELECT path FROM segment WHERE volume = ? AND path > ? AND path < ? ORDER BY path LIMIT ?"
            return self._database.read(sql, volume, after, beyond, count)

        return frozenset(row[0] for row in pages(fetch, None))

    def file_path(self, row: Filed) -> Path:
        """Where the file of a row is. A volume that is not registered is Fatal."""
        found = self._database.read("SELECT root FROM volume WHERE volume = ?", row.volume)
        if not found:
            raise Fatal(f"volume {row.volume!r} of {row.path} is not registered")
        root: str = found[0][0]
        return self._data / root / row.path

    def overview(
        self, cameras: Sequence[str], window: Span, unit_ns: int, now_ns: WallNs, stream: StreamName = "main"
    ) -> list[Covered]:
        """Every hour or day (`unit_ns`) of the window, camera by camera; what is open lasts until `now_ns`.

        From the roll-ups: as quick for a year of footage as for a day. Rejected unless the window is whole units.
        """
        read = self._database.read
        return [covered for camera in cameras for covered in roll_ups_of(read, camera, stream, window, unit_ns, now_ns)]

    def roll_ups_due(self) -> bool:
        """Whether roll-ups are wrong until they are counted: the file is of a release that had none."""
        return bool(self._database.read("SELECT value FROM counter WHERE name = 'roll_ups_due'")[0][0])

    def full_scan_due(self) -> bool:
        """Whether a start-up has yet to look through all files: in a new catalogue, and after a broken-off scan."""
        return bool(self._database.read("SELECT value FROM counter WHERE name = 'full_scan_due'")[0][0])


def _paths_of(camera: str, stream: StreamName) -> tuple[str, str]:
    """What all paths of a stream lie between."""
    stem = stream_stem(camera, stream)
    return f"{stem}/", f"{stem}0"  # 0 follows / in ASCII


class _Where:
    """The conditions that were asked for, each with its value."""

    def __init__(self) -> None:
        self.sql = ""
        self.values: list[Value] = []

    def add(self, condition: str, value: Value) -> None:
        if value is not None:
            self.sql += f" AND {condition}"
            self.values.append(value)
