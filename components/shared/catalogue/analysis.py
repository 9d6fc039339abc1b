"""analysis.db: motion, events and thumbnails. VideoProcessor writes it, others read it.

What was found in one segment is one transaction: either all of it is there, or the segment is not analysed yet.
Recording the same segment again replaces what was found in it and keeps the number of an unchanged thumbnail.

The cursor `last_capture_sequence` is the highest sequence of capture.db up to which every segment is analysed or has
failed. `record` moves it over the segments that follow each other; over a number that was deleted before anybody
looked, `advance` does, because only a sweep of capture.db can tell that it is gone.

It knows nothing of pictures, nor of the segments themselves beyond their ids.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.shared.catalogue.analysis_pictures import (
    PICTURES,
    PictureFaultRow,
    drop_pictures,
    put_picture_faults,
    put_picture_references,
    read_picture_faults,
    read_picture_references,
)
from components.shared.catalogue.database import (
    READ_ROWS_MAX,
    Database,
    Do,
    Row,
    Schema,
    Value,
    open_for_reading,
    open_for_writing,
    pages,
)
from components.shared.catalogue.sync import swept_sequence
from components.shared.errors import Fatal, NvrError, Transient
from components.shared.wire.object_keys import check_id
from components.shared.wire.units import WallNs

AnalysisState = Literal["done", "failed"]

ERROR_CHARS_MAX = 500
"""Error texts are for people; a longer one is cut when it is written."""

_VERSION_1 = (
    """
    CREATE TABLE analysis (
        segment TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL,
        sequence INTEGER NOT NULL UNIQUE CHECK (sequence > 0),
        pictures INTEGER NOT NULL CHECK (pictures >= 0),
        state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
        error TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE motion (
        segment TEXT NOT NULL REFERENCES analysis (segment),
        camera TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
        peak_percent REAL NOT NULL CHECK (peak_percent BETWEEN 0 AND 100),
        PRIMARY KEY (segment, start_ns)
    ) STRICT
    """,
    "CREATE INDEX motion_of_camera ON motion (camera, start_ns)",
    """
    CREATE TABLE event (
        event TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER CHECK (end_ns IS NULL OR end_ns >= start_ns),
        peak_percent REAL NOT NULL CHECK (peak_percent BETWEEN 0 AND 100),
        segment TEXT NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX event_open ON event (camera) WHERE end_ns IS NULL",
    "CREATE INDEX event_of_camera ON event (camera, start_ns)",
    """
    CREATE TABLE thumbnail (
        segment TEXT NOT NULL PRIMARY KEY,
        camera TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        volume TEXT NOT NULL,
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
        sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
        sequence INTEGER NOT NULL UNIQUE CHECK (sequence > 0),
        UNIQUE (volume, path)
    ) STRICT
    """,
    "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT",
    "INSERT INTO counter (name, value) VALUES ('thumbnail_sequence', 0), ('capture_sequence', 0)",
)

ANALYSIS = Schema("analysis", (_VERSION_1, PICTURES))


@dataclass(frozen=True, slots=True)
class ThumbnailRow:
    """A picture of a segment. `sequence` is given when it is recorded (0 before), for readers that sweep."""

    segment: str
    camera: str
    start_ns: WallNs
    volume: str
    path: str
    size_bytes: int
    sha256: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class MotionRow:
    """A span of a segment in which something moved; `peak_percent` is the largest part of the picture that did."""

    segment: str
    camera: str
    start_ns: WallNs
    end_ns: WallNs
    peak_percent: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """A video event. `end_ns` is None while it lasts; `segment` is the one it began in."""

    event: str
    camera: str
    start_ns: WallNs
    end_ns: WallNs | None
    peak_percent: float
    segment: str


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """A segment that was looked at: `sequence` is the segment's own in capture.db."""

    segment: str
    camera: str
    sequence: int
    pictures: int
    state: AnalysisState
    error: str = ""


_THUMBNAIL = "segment, camera, start_ns, volume, path, size_bytes, sha256, sequence"
_MOTION = "segment, camera, start_ns, end_ns, peak_percent"
_EVENT = "event, camera, start_ns, end_ns, peak_percent, segment"
_ANALYSIS = "segment, camera, sequence, pictures, state, error"


class AnalysisReader:
    """Reads analysis.db. Any thread may call; every call is one short read, or several for a long answer."""

    def __init__(self, database: Database):
        """Made by `open`."""
        self._database = database

    @classmethod
    def open(cls, data: Path) -> AnalysisReader:
        """Transient when VideoProcessor has not made the file yet, or not migrated it yet."""
        return cls(open_for_reading(data, ANALYSIS))

    @property
    def database(self) -> Database:
        """The file itself, for checks of it."""
        return self._database

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def last_capture_sequence(self) -> int:
        """The cursor into capture.db: up to this number every segment is analysed or has failed."""
        return int(self._database.read("SELECT value FROM counter WHERE name = 'capture_sequence'")[0][0])

    def analysis(self, segment: str) -> AnalysisRow | None:
        """What became of a segment; None is not yet."""
        found = self._database.read(f"SELECT {_ANALYSIS} FROM analysis WHERE segment = ?", segment)
        return AnalysisRow(*found[0]) if found else None

    def done_among(self, segments: Sequence[str]) -> frozenset[str]:
        """Which of these segments were looked at to their end."""
        sql = (
            "SELECT segment FROM analysis WHERE segment IN (SELECT value FROM json_each(?)) AND state = 'done' LIMIT ?"
        )
        done: set[str] = set()
        for at in range(0, len(segments), READ_ROWS_MAX):
            ids = json.dumps(segments[at : at + READ_ROWS_MAX])
            done.update(row[0] for row in self._database.read(sql, ids, READ_ROWS_MAX))
        return frozenset(done)

    def counts(self) -> dict[AnalysisState, int]:
        """How many segments are done and how many failed."""
        counts: dict[AnalysisState, int] = {"done": 0, "failed": 0}
        counts.update(self._database.read("SELECT state, count(*) FROM analysis GROUP BY state"))
        return counts

    def thumbnail(self, segment: str) -> ThumbnailRow | None:
        """The picture of a segment, or None."""
        found = self._database.read(f"SELECT {_THUMBNAIL} FROM thumbnail WHERE segment = ?", segment)
        return _thumbnail(found[0]) if found else None

    def thumbnails_after(self, sequence: int, limit: int) -> list[ThumbnailRow]:
        """The next thumbnails after a cursor, in the order they were recorded; at most READ_ROWS_MAX of them."""
        sql = f"SELECT {_THUMBNAIL} FROM thumbnail WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [_thumbnail(row) for row in self._database.read(sql, sequence, min(limit, READ_ROWS_MAX))]

    def motions(
        self, camera: str | None = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> list[MotionRow]:
        """Motion that has time in `[since_ns, until_ns)`, by start."""
        condition, values = _within(camera, since_ns, until_ns)

        def fetch(last: Row | None, count: int) -> list[Row]:
            after, more = (" AND (start_ns, segment) > (?, ?)", (last[2], last[0])) if last is not None else ("", ())
            sql = f"SELECT {_MOTION} FROM motion WHERE {condition}{after} ORDER BY start_ns, segment LIMIT ?"
            return self._database.read(sql, *values, *more, count)

        return [MotionRow(*row) for row in pages(fetch, None)]

    def events(
        self, camera: str | None = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> list[EventRow]:
        """Events that have time in `[since_ns, until_ns)`, by start; an open one lasts."""
        condition, values = _within(camera, since_ns, until_ns)

        def fetch(last: Row | None, count: int) -> list[Row]:
            after, more = (" AND (start_ns, event) > (?, ?)", (last[2], last[0])) if last is not None else ("", ())
            sql = f"SELECT {_EVENT} FROM event WHERE {condition}{after} ORDER BY start_ns, event LIMIT ?"
            return self._database.read(sql, *values, *more, count)

        return [EventRow(*row) for row in pages(fetch, None)]

    def open_event(self, camera: str) -> EventRow | None:
        """The camera's event that lasts, or None."""
        found = self._database.read(f"SELECT {_EVENT} FROM event WHERE camera = ? AND end_ns IS NULL", camera)
        return EventRow(*found[0]) if found else None

    def picture_faults(self) -> list[PictureFaultRow]:
        """What is wrong with the pictures of cameras now."""
        return read_picture_faults(self._database)

    def picture_references(self, camera: str) -> dict[str, bytes]:
        """What was learnt of a camera's usual picture, by mode."""
        return read_picture_references(self._database, camera)


def analysed_sequence(data: Path) -> int:
    """The cursor into capture.db; 0 when analysis.db does not tell. A new file of capture.db numbers on from here."""
    try:
        reader = AnalysisReader.open(data)
    except Transient:
        return 0
    try:
        return reader.last_capture_sequence()
    except Transient:
        return 0
    finally:
        reader.close()


class AnalysisWriter(AnalysisReader):
    """Writes analysis.db; VideoProcessor alone has one. Every call is one durable transaction."""

    @classmethod
    def open(cls, data: Path) -> AnalysisWriter:
        """The file is created and migrated as needed. Transient while another process has it.

        The numbers of a new file's thumbnails go on where CloudSync has swept those of a lost one.
        """
        writer = cls(open_for_writing(data, ANALYSIS))
        try:
            if not writer.database.read("SELECT value FROM counter WHERE name = 'thumbnail_sequence'")[0][0]:
                writer.database.number_on("thumbnail_sequence", swept_sequence(data))
        except NvrError:
            writer.close()
            raise
        return writer

    def record(
        self,
        analysis: AnalysisRow,
        motions: Sequence[MotionRow] = (),
        thumbnail: ThumbnailRow | None = None,
        events: Sequence[EventRow] = (),
    ) -> None:
        """All that was found in one segment. Events are written as they now are, whether known or new."""
        check_id(analysis.camera, "camera id")
        for row in (*motions, *((thumbnail,) if thumbnail else ())):
            if row.segment != analysis.segment or row.camera != analysis.camera:
                raise Fatal(f"camera {analysis.camera}, segment {analysis.segment}: it is given a row of {row.segment}")
        with self._database.transaction(f"camera {analysis.camera}, record segment {analysis.segment}") as do:
            _put_analysis(do, analysis)
            for motion in motions:
                sql = f"INSERT INTO motion ({_MOTION}) VALUES (?, ?, ?, ?, ?)"
                do(sql, motion.segment, motion.camera, motion.start_ns, motion.end_ns, motion.peak_percent)
            if thumbnail is not None:
                _put_thumbnail(do, thumbnail)
            # An event that ends makes room for the one that begins after it.
            for event in sorted(events, key=lambda event: event.end_ns is None):
                _put_event(do, event)
            _advance(do, 0)

    def end_event(self, event: str, end_ns: WallNs) -> None:
        """Ends an event; ending it again does nothing."""
        with self._database.transaction(f"end event {event}") as do:
            do("UPDATE event SET end_ns = ? WHERE event = ? AND end_ns IS NULL", end_ns, event)

    def advance(self, sequence: int) -> None:
        """Every segment of capture.db up to `sequence` is recorded here or deleted there. Never moves back."""
        with self._database.transaction(f"advance to {sequence}") as do:
            _advance(do, sequence)

    def set_picture_faults(self, camera: str, faults: Sequence[PictureFaultRow]) -> None:
        """Exactly these faults hold of the camera's picture from now on."""
        with self._database.transaction(f"camera {camera}, set picture faults") as do:
            put_picture_faults(do, camera, faults)

    def keep_picture_references(self, learnt: Mapping[str, Mapping[str, bytes]]) -> None:
        """Keep what was learnt of these cameras' usual pictures, by camera and mode, in place of what was kept."""
        with self._database.transaction("keep picture references") as do:
            for camera, references in learnt.items():
                put_picture_references(do, camera, references)

    def forget_pictures_but(self, cameras: frozenset[str]) -> None:
        """Drop faults and references of cameras that are not among these."""
        with self._database.transaction("forget pictures") as do:
            drop_pictures(do, cameras)


def _within(camera: str | None, since_ns: int | None, until_ns: int | None) -> tuple[str, list[Value]]:
    conditions, values = ["1"], list[Value]()
    asked = (("camera = ?", camera), ("(end_ns > ? OR end_ns IS NULL)", since_ns), ("start_ns < ?", until_ns))
    for condition, value in asked:
        if value is not None:
            conditions.append(condition)
            values.append(value)
    return " AND ".join(conditions), values


def _thumbnail(row: Row) -> ThumbnailRow:
    segment, camera, start_ns, volume, path, size_bytes, sha256, sequence = row
    return ThumbnailRow(segment, camera, start_ns, volume, path, size_bytes, sha256.hex(), sequence)


def _put_analysis(do: Do, row: AnalysisRow) -> None:
    do("DELETE FROM motion WHERE segment = ?", row.segment)
    do(
        f"INSERT INTO analysis ({_ANALYSIS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (segment) DO UPDATE SET "
        f"sequence = excluded.sequence, pictures = excluded.pictures, state = excluded.state, error = excluded.error",
        *(row.segment, row.camera, row.sequence, row.pictures, row.state, row.error[:ERROR_CHARS_MAX]),
    )


def _put_thumbnail(do: Do, row: ThumbnailRow) -> None:
    values = (row.segment, row.camera, row.start_ns, row.volume, row.path, row.size_bytes, bytes.fromhex(row.sha256))
    found = do(f"SELECT {_THUMBNAIL} FROM thumbnail WHERE segment = ?", row.segment)
    if found and found[0][:7] == values:
        return
    sequence = do("UPDATE counter SET value = value + 1 WHERE name = 'thumbnail_sequence' RETURNING value")[0][0]
    do(f"INSERT OR REPLACE INTO thumbnail ({_THUMBNAIL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values, sequence)


def _put_event(do: Do, row: EventRow) -> None:
    do(
        f"INSERT INTO event ({_EVENT}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (event) DO UPDATE SET "
        f"start_ns = excluded.start_ns, end_ns = excluded.end_ns, peak_percent = excluded.peak_percent",
        *(row.event, row.camera, row.start_ns, row.end_ns, row.peak_percent, row.segment),
    )


def _advance(do: Do, sequence: int) -> None:
    """Moves the cursor to `sequence` if that is ahead, and on over the segments that follow without a hole."""
    name = "WHERE name = 'capture_sequence'"
    cursor = max(sequence, int(do(f"SELECT value FROM counter {name}")[0][0]))
    # The first recorded number whose successor is not recorded, from the cursor on.
    if do("SELECT 1 FROM analysis WHERE sequence = ?", cursor + 1):
        cursor = do(
            "SELECT sequence FROM analysis AS this WHERE sequence > ? AND NOT EXISTS "
            "(SELECT 1 FROM analysis WHERE sequence = this.sequence + 1) ORDER BY sequence LIMIT 1",
            cursor,
        )[0][0]
    do(f"UPDATE counter SET value = ? {name}", cursor)
