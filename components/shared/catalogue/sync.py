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
    Schema,
    Value,
    open_for_reading,
    open_for_writing,
)
from components.shared.errors import Fatal, Transient
from components.shared.wire.units import NS_PER_S, WallNs

UploadKind = Literal["segment", "thumbnail"]
UploadState = Literal["queued", "uploaded", "refused"]

NOT_BEFORE_AHEAD_NS_MAX = 86_400 * NS_PER_S
"""No wait is longer than a day: a later `not_before_ns` was written by a clock that has stepped back since."""

_AT_ONCE = WallNs(0)

ERROR_CHARS_MAX = 500
"""Error texts are for people; a longer one is cut when it is written."""

_VERSION_1 = (
    """
    CREATE TABLE upload (
        number INTEGER NOT NULL PRIMARY KEY,
        key TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 1024),
        kind TEXT NOT NULL,
        camera TEXT NOT NULL,
        segment TEXT NOT NULL,
        volume TEXT NOT NULL,
        path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
        sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
        part_sha256s BLOB NOT NULL CHECK (length(part_sha256s) % 32 = 0),
        metadata TEXT NOT NULL,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'uploaded', 'refused')),
        attempts INTEGER NOT NULL CHECK (attempts >= 0),
        not_before_ns INTEGER NOT NULL,
        upload_id TEXT,
        etag TEXT,
        enqueued_ns INTEGER NOT NULL,
        uploaded_ns INTEGER,
        last_error TEXT,
        CHECK (state <> 'uploaded' OR (etag IS NOT NULL AND uploaded_ns IS NOT NULL))
    ) STRICT
    """,
    "CREATE INDEX upload_due ON upload (priority, number, not_before_ns) WHERE state = 'queued'",
    "CREATE INDEX upload_backlog ON upload (size_bytes) WHERE state = 'queued'",
    "CREATE INDEX upload_of_segment ON upload (segment)",
    """
    CREATE TABLE upload_part (
        key TEXT NOT NULL REFERENCES upload (key),
        part INTEGER NOT NULL CHECK (part BETWEEN 1 AND 10000),
        etag TEXT NOT NULL,
        PRIMARY KEY (key, part)
    ) STRICT
    """,
    "CREATE TABLE cursor (source TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL) STRICT",
)

_LINK = ("CREATE INDEX upload_when_uploaded ON upload (uploaded_ns, size_bytes) WHERE state = 'uploaded'",)
"""What the link carries is measured by what was uploaded lately, among all that ever was."""

_VERSION_2 = (*_LINK,)

SYNC = Schema("sync", (_VERSION_1, _VERSION_2))


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A file that belongs in S3. `priority` 0 goes first, then 1 and so on; within one, in the order they were queued.

    `parts` maps the numbers of parts that S3 has (from 1) to their ETags, for an upload that is under way.
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


_UPLOAD = (
    "key, kind, camera, segment, volume, path, size_bytes, sha256, part_sha256s, metadata, priority, enqueued_ns, "
    "state, attempts, not_before_ns, upload_id, etag, uploaded_ns, last_error"
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
        """How many uploads wait, and their bytes."""
        sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM upload WHERE state = 'queued'"
        count, size_bytes = self._database.read(sql)[0]
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

    def states_of(self, segments: Sequence[str]) -> dict[str, UploadState]:
        """What became of these segments' own files, at most READ_ROWS_MAX of them; who is missing is not queued yet."""
        sql = (
            "SELECT segment, state FROM upload WHERE segment IN (SELECT value FROM json_each(?)) "
            "AND kind = 'segment' ORDER BY state LIMIT ?"
        )
        # Should a segment have two objects (a site that was renamed), the one that is uploaded counts.
        return dict(self._database.read(sql, json.dumps(list(segments)), 2 * READ_ROWS_MAX))

    def next_due(self, now_ns: int, exclude: Collection[str] = ()) -> UploadRow | None:
        """The upload to do next: the first in its order that is due, none of `exclude` (those under way)."""
        sql = (
            f"SELECT {_UPLOAD} FROM upload WHERE state = 'queued' AND (not_before_ns <= ? OR not_before_ns > ?) "
            "AND key NOT IN (SELECT value FROM json_each(?)) ORDER BY priority, number LIMIT 1"
        )
        found = self._database.read(sql, now_ns, now_ns + NOT_BEFORE_AHEAD_NS_MAX, json.dumps(sorted(exclude)))
        return self._upload(found[0]) if found else None

    def next_due_ns(self) -> WallNs | None:
        """When the earliest queued upload is due; None when none is queued."""
        found = self._database.read("SELECT min(not_before_ns) FROM upload WHERE state = 'queued'")
        return None if found[0][0] is None else WallNs(found[0][0])

    def _upload(self, row: Row) -> UploadRow:
        key, kind, camera, segment, volume, path, size_bytes, sha256, hashes, metadata, priority, enqueued_ns = row[:12]
        state, attempts, not_before_ns, upload_id, etag, uploaded_ns, last_error = row[12:]
        parts: dict[int, str] = {}
        if upload_id is not None:
            found = self._database.read("SELECT part, etag FROM upload_part WHERE key = ? ORDER BY part", key)
            parts = dict(found)
        return UploadRow(
            *(key, kind, camera, segment, volume, path, size_bytes, sha256.hex(), unpack_hashes(hashes)),
            *(json.loads(metadata), priority, enqueued_ns, state, attempts, not_before_ns, upload_id, parts),
            *(etag, uploaded_ns, last_error),
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

        Gives how many were new.
        """
        with self._database.transaction(f"enqueue {len(uploads)} of {source}") as do:
            added = sum(_insert(do, row) for row in uploads)
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


def _insert(do: Do, row: UploadRow) -> bool:
    values = (
        *(row.key, row.kind, row.camera, row.segment, row.volume, row.path, row.size_bytes, bytes.fromhex(row.sha256)),
        *(pack_hashes(row.part_sha256s), json.dumps(dict(row.metadata), sort_keys=True), row.priority, row.enqueued_ns),
        *("queued", 0, row.not_before_ns, None, None, None, None),
    )
    marks = ", ".join("?" * len(values))
    # Only a known key is passed over: any other conflict is a broken row, and IGNORE would hide it.
    sql = f"INSERT INTO upload ({_UPLOAD}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING RETURNING key"
    return bool(do(sql, *values))


def _change(do: Do, key: str, change: str, *values: Value) -> None:
    if not do(f"UPDATE upload SET {change} WHERE key = ? RETURNING key", *values, key):
        raise Fatal(f"upload {key} is not in the catalogue")
