"""sync.db: the queue of uploads and what became of each. CloudSync writes it, others read it.

A sweep of another catalogue puts its rows and its cursor into one transaction, so that nothing is skipped or queued
twice whenever it is killed. A key is queued once and never again: what is uploaded stays known as uploaded. What has
no row here is not uploaded yet.

It knows nothing of S3 beyond the names that a multipart upload needs to go on after a crash: its id and part ETags.
"""
# ruff: noqa: S608 - statements are put together from constants of this module; values are always bound

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from components.shared.catalogue.capture_rows import pack_hashes, unpack_hashes
from components.shared.catalogue.database import (
    READ_ROWS_MAX,
    Database,
    Do,
    Row,
    Value,
    open_for_reading,
    open_for_writing,
)
from components.shared.catalogue.sync_schema import SYNC
from components.shared.errors import Fatal, Transient
from components.shared.wire.units import NS_PER_S, WallNs

__all__ = ["SYNC", "Hold", "Standing", "SyncReader", "SyncWriter", "UploadKind", "UploadRow", "UploadState"]

UploadKind = Literal["segment", "thumbnail", "clip"]
UploadState = Literal["queued", "uploaded", "refused"]

Hold = Literal["", "undecided", "left_out"]
"""Why a queued upload is not in the queue: its policy leaves it out, or cannot tell yet. Empty: it waits its turn."""

Standing = Literal["left_out", "undecided", "queued", "refused", "uploaded"]
"""What becomes of a segment's footage, the less certain first: of several objects the last of these counts."""

HOLDS: Mapping[str, Hold] = {"all": "", "events": "undecided", "none": "left_out"}
"""What is done with new footage of a camera, by its policy."""

_STANDINGS: tuple[Standing, ...] = ("left_out", "undecided", "queued", "refused", "uploaded")
_IN_QUEUE = "state = 'queued' AND hold = ''"

NOT_BEFORE_AHEAD_NS_MAX = 86_400 * NS_PER_S
"""No wait is longer than a day: a later `not_before_ns` was written by a clock that has stepped back since."""

ALL_PRIORITIES = (0, 1_000)

_AT_ONCE = WallNs(0)

ERROR_CHARS_MAX = 500
"""Error texts are for people; a longer one is cut when it is written."""


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A file that belongs in S3. `priority` 0 goes first, then 1 and so on; within one, by `rank`, lowest first.

    `ranges` are the parts of the file that the object is made of, `(offset_bytes, size_bytes)` each; without any it is
    all of it. `parts` maps the numbers of parts that S3 has (from 1) to their ETags, for an upload that is under way.
    """

    key: str
    kind: UploadKind
    camera: str
    segment: str
    volume: str
    path: str
    size_bytes: int
    sha256: str
    part_sha256s: tuple[str, ...]
    metadata: Mapping[str, str]
    priority: int
    enqueued_ns: WallNs
    state: UploadState = "queued"
    attempts: int = 0
    not_before_ns: WallNs = _AT_ONCE
    upload_id: str | None = None
    parts: Mapping[int, str] = field(default_factory=dict)
    etag: str | None = None
    uploaded_ns: WallNs | None = None
    last_error: str | None = None
    hold: Hold = ""
    rank: int = 0
    ranges: tuple[tuple[int, int], ...] = ()


_UPLOAD = (
    "key, kind, camera, segment, volume, path, size_bytes, sha256, part_sha256s, metadata, priority, enqueued_ns, "
    "state, attempts, not_before_ns, upload_id, etag, uploaded_ns, last_error, "
    "hold, rank, ranges"
)


class SyncReader:
    """Reads sync.db. Any thread may call; every call is one short read, or several for a long answer."""

    def __init__(self, database: Database):
        """Made by `open`."""
        self._database = database

    @classmethod
    def open(cls, data: Path) -> SyncReader:
        """Transient when CloudSync has not made the file yet, or not migrated it yet."""
        return cls(open_for_reading(data, SYNC))

    @property
    def database(self) -> Database:
        """The file itself, for checks of it."""
        return self._database

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def cursor(self, source: str) -> int:
        """How far a source's rows are queued: the sequence of the last one; 0 before the first."""
        found = self._database.read("SELECT sequence FROM cursor WHERE source = ?", source)
        return int(found[0][0]) if found else 0

    def backlog(self) -> tuple[int, int]:
        """How many uploads wait, and their bytes. What a policy leaves out does not wait."""
        sql = f"SELECT count(*), coalesce(sum(size_bytes), 0) FROM upload WHERE {_IN_QUEUE}"
        count, size_bytes = self._database.read(sql)[0]
        return int(count), int(size_bytes)

    def held(self, hold: Hold) -> tuple[int, int]:
        """How many uploads are held for that reason, and their bytes."""
        # By name: SQLite would take the index of all that is queued, and look at each row of it.
        sql = (
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM upload INDEXED BY upload_held "
            "WHERE state = 'queued' AND hold <> '' AND hold = ?"
        )
        count, size_bytes = self._database.read(sql, hold)[0]
        return int(count), int(size_bytes)

    def last_uploaded_ns(self) -> int:
        """When the newest upload was done; 0 before the first."""
        newest: int | None = self._database.read("SELECT max(uploaded_ns) FROM upload WHERE state = 'uploaded'")[0][0]
        return newest or 0

    def counts(self) -> dict[UploadState, int]:
        """How many uploads there are in each state."""
        counts: dict[UploadState, int] = {"queued": 0, "uploaded": 0, "refused": 0}
        counts.update(self._database.read("SELECT state, count(*) FROM upload GROUP BY state"))
        return counts

    def count_uploaded(self, kind: UploadKind) -> int:
        """How many objects of a kind are uploaded."""
        sql = "SELECT count(*) FROM upload WHERE state = 'uploaded' AND kind = ?"
        count: int = self._database.read(sql, kind)[0][0]
        return count

    def uploads(self, state: UploadState | None = None, limit: int | None = None) -> list[UploadRow]:
        """Uploads in the order they were queued."""
        return list(itertools.islice(self.each_upload(state), limit))

    def each_upload(self, state: UploadState | None = None) -> Iterator[UploadRow]:
        """As `uploads`, one after the other: no more than READ_ROWS_MAX are held, and no read is held between them."""
        condition, values = ("1", ()) if state is None else ("state = ?", (state,))
        number = 0
        while True:
            sql = f"SELECT {_UPLOAD}, number FROM upload WHERE {condition} AND number > ? ORDER BY number LIMIT ?"
            found = self._database.read(sql, *values, number, READ_ROWS_MAX)
            for row in found:
                yield self._upload(row[:-1])
            if len(found) < READ_ROWS_MAX:
                return
            number = found[-1][-1]

    def upload(self, key: str) -> UploadRow | None:
        """The upload of that key, or None."""
        found = self._database.read(f"SELECT {_UPLOAD} FROM upload WHERE key = ?", key)
        return self._upload(found[0]) if found else None

    def uploads_of(self, segment: str) -> list[UploadRow]:
        """The uploads of a segment: itself and its thumbnail."""
        sql = f"SELECT {_UPLOAD} FROM upload WHERE segment = ? ORDER BY key LIMIT ?"
        return [self._upload(row) for row in self._database.read(sql, segment, READ_ROWS_MAX)]

    def state_of(self, key: str) -> UploadState | None:
        """What became of a key; None is "not yet"."""
        found = self._database.read("SELECT state FROM upload WHERE key = ?", key)
        state: UploadState | None = found[0][0] if found else None
        return state

    def standings_of(self, segments: Sequence[str]) -> dict[str, Standing]:
        """What becomes of these segments, at most READ_ROWS_MAX of them; who is missing is not queued yet.

        A segment that is left out and has a clip in the queue waits for that. Should it have two objects (a site that
        was renamed), the one that is uploaded counts.
        """
        places = " ".join(f"WHEN '{standing}' THEN {place}" for place, standing in enumerate(_STANDINGS))
        standing = "CASE WHEN state <> 'queued' THEN state WHEN hold = '' THEN 'queued' ELSE hold END"
        sql = (
            f"SELECT segment, max(CASE WHEN kind = 'segment' OR ({_IN_QUEUE}) THEN CASE {standing} {places} END "
            "ELSE 0 END) FROM upload WHERE segment IN (SELECT value FROM json_each(?)) "
            "AND kind IN ('segment', 'clip') GROUP BY segment LIMIT ?"
        )
        found = self._database.read(sql, json.dumps(list(segments)), READ_ROWS_MAX)
        return {segment: _STANDINGS[place] for segment, place in found}

    def next_due(
        self, now_ns: int, exclude: Collection[str] = (), priorities: tuple[int, int] = ALL_PRIORITIES
    ) -> UploadRow | None:
        """The upload to do next: the first in its order that is due, none of `exclude` (those under way).

        `priorities` are the lowest and the highest that may be taken.
        """
        sql = (
            f"SELECT {_UPLOAD} FROM upload WHERE {_IN_QUEUE} AND (not_before_ns <= ? OR not_before_ns > ?) "
            "AND key NOT IN (SELECT value FROM json_each(?)) AND priority BETWEEN ? AND ? "
            "ORDER BY priority, rank, number LIMIT 1"
        )
        until_ns = now_ns + NOT_BEFORE_AHEAD_NS_MAX
        found = self._database.read(sql, now_ns, until_ns, json.dumps(sorted(exclude)), *priorities)
        return self._upload(found[0]) if found else None

    def next_due_ns(self) -> WallNs | None:
        """When the earliest queued upload is due; None when none is queued."""
        found = self._database.read(f"SELECT min(not_before_ns) FROM upload WHERE {_IN_QUEUE}")
        return None if found[0][0] is None else WallNs(found[0][0])

    def _upload(self, row: Row) -> UploadRow:
        key, kind, camera, segment, volume, path, size_bytes, sha256, hashes, metadata, priority, enqueued_ns = row[:12]
        state, attempts, not_before_ns, upload_id, etag, uploaded_ns, last_error = row[12:19]
        hold, rank, ranges = row[19:]
        parts: dict[int, str] = {}
        if upload_id is not None:
            found = self._database.read("SELECT part, etag FROM upload_part WHERE key = ? ORDER BY part", key)
            parts = dict(found)
        return UploadRow(
            *(key, kind, camera, segment, volume, path, size_bytes, sha256.hex(), unpack_hashes(hashes)),
            *(json.loads(metadata), priority, enqueued_ns, state, attempts, not_before_ns, upload_id, parts),
            *(etag, uploaded_ns, last_error, hold, rank),
            ranges=tuple((offset, size) for offset, size in json.loads(ranges)) if ranges else (),
        )


def swept_sequence(data: Path) -> int:
    """The highest sequence that any sweep of CloudSync has come to; 0 when sync.db does not tell.

    A new file of capture.db or analysis.db numbers on from here: its numbers must be new to those cursors.
    """
    try:
        reader = SyncReader.open(data)
    except Transient:
        return 0
    try:
        return int(reader.database.read("SELECT coalesce(max(sequence), 0) FROM cursor")[0][0])
    except Transient:
        return 0
    finally:
        reader.close()


class SyncWriter(SyncReader):
    """Writes sync.db; CloudSync alone has one. Any thread may call; every call is one durable transaction."""

    @classmethod
    def open(cls, data: Path) -> SyncWriter:
        """The file is created and migrated as needed. Transient while another process has it."""
        return cls(open_for_writing(data, SYNC))

    def enqueue(self, source: str, uploads: Sequence[UploadRow], cursor: int) -> int:
        """Queues what a sweep of `source` found and moves its cursor (never back); keys known already stay as they are.

        What the policy of its camera leaves out, or may leave out, is held. Gives how many were new.
        """
        with self._database.transaction(f"enqueue {len(uploads)} of {source}") as do:
            added = sum(insert_upload(do, row) for row in uploads)
            do(
                "INSERT INTO cursor (source, sequence) VALUES (?, ?) "
                "ON CONFLICT (source) DO UPDATE SET sequence = max(sequence, excluded.sequence)",
                *(source, cursor),
            )
        return added

    def record_upload_id(self, key: str, upload_id: str | None) -> None:
        """The multipart upload that is under way for a key, or None: none is. Parts of another one are forgotten."""
        with self._database.transaction(f"note the upload of {key}") as do:
            if do("SELECT 1 FROM upload WHERE key = ? AND upload_id IS ?", key, upload_id):
                return
            do("DELETE FROM upload_part WHERE key = ?", key)
            _change(do, key, "upload_id = ?", upload_id)

    def record_part(self, key: str, part: int, etag: str) -> None:
        """S3 has this part (numbered from 1) of the upload that is under way."""
        with self._database.transaction(f"note part {part} of {key}") as do:
            if not do("SELECT 1 FROM upload WHERE key = ? AND upload_id IS NOT NULL", key):
                raise Fatal(f"upload {key}: part {part} of no upload that is under way")
            do("INSERT OR REPLACE INTO upload_part (key, part, etag) VALUES (?, ?, ?)", key, part, etag)

    def mark_uploaded(self, key: str, etag: str, uploaded_ns: WallNs) -> None:
        """The object is in S3, whole and checked. Marking it again does nothing."""
        with self._database.transaction(f"mark {key} uploaded") as do:
            if do("SELECT 1 FROM upload WHERE key = ? AND state = 'uploaded'", key):
                return
            done = "state = 'uploaded', etag = ?, uploaded_ns = ?, upload_id = NULL, last_error = NULL"
            do("DELETE FROM upload_part WHERE key = ?", key)
            _change(do, key, done, etag, uploaded_ns)

    def mark_failed(self, key: str, error: str, not_before_ns: WallNs) -> None:
        """One more attempt failed; the next not before `not_before_ns`. Fatal unless it is queued."""
        with self._database.transaction(f"mark {key} failed") as do:
            if not do("SELECT 1 FROM upload WHERE key = ? AND state = 'queued'", key):
                raise Fatal(f"upload {key} is not queued: an attempt cannot fail")
            change = "attempts = attempts + 1, last_error = ?, not_before_ns = ?"
            _change(do, key, change, error[:ERROR_CHARS_MAX], not_before_ns)

    def mark_refused(self, key: str, error: str) -> None:
        """It will never be uploaded, for this reason. Fatal for one that is."""
        with self._database.transaction(f"mark {key} refused") as do:
            if do("SELECT 1 FROM upload WHERE key = ? AND state = 'uploaded'", key):
                raise Fatal(f"upload {key} is uploaded already: it cannot be refused")
            do("DELETE FROM upload_part WHERE key = ?", key)
            _change(do, key, "state = 'refused', upload_id = NULL, last_error = ?", error[:ERROR_CHARS_MAX])


def insert_upload(do: Do, row: UploadRow) -> bool:
    """Queues an upload as the policy of its camera says; whether it was new. Clips are held by no policy."""
    hold: Hold = row.hold
    if row.kind != "clip" and not hold:
        found = do("SELECT policy FROM upload_policy WHERE camera = ?", row.camera)
        hold = HOLDS[found[0][0]] if found else ""
    values = (
        *(row.key, row.kind, row.camera, row.segment, row.volume, row.path, row.size_bytes, bytes.fromhex(row.sha256)),
        *(pack_hashes(row.part_sha256s), json.dumps(dict(row.metadata), sort_keys=True), row.priority, row.enqueued_ns),
        *("queued", 0, row.not_before_ns, None, None, None, None),
        *(hold, row.rank, json.dumps(row.ranges) if row.ranges else ""),
    )
    marks = ", ".join("?" * len(values))
    # Only a known key is passed over: any other conflict is a broken row, and IGNORE would hide it.
    sql = f"INSERT INTO upload ({_UPLOAD}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING RETURNING key"
    return bool(do(sql, *values))


def _change(do: Do, key: str, change: str, *values: Value) -> None:
    if not do(f"UPDATE upload SET {change} WHERE key = ? RETURNING key", *values, key):
        raise Fatal(f"upload {key} is not in the catalogue")
