"""What survives: one SQLite file, and the bodies of objects as files beside it.

    DIR/state.db             everything but the bodies
    DIR/bodies/ab/abcdef...  one file per uploaded object or part, never changed

The one door to both. Rows are the truth: a body is claimed by a row in the same transaction that makes the row, and
until then (and after its row is gone) its name stands in `loose`, so that a start after a kill removes exactly the
files that nobody claims, without looking at the others. Writes survive a kill of the process at once (the kernel has
them); a power cut may take the last of them, which is no loss on a developer's machine.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE loose (body TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE object (
    seq INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL,
    latest INTEGER NOT NULL, marker INTEGER NOT NULL, size_bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX object_by_version ON object (bucket, key, version);
CREATE INDEX object_by_key ON object (bucket, key, seq);
CREATE INDEX object_latest ON object (bucket, key) WHERE latest = 1;
CREATE TABLE upload (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, begun_ms INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT;
CREATE TABLE part (
    upload TEXT NOT NULL, number INTEGER NOT NULL, size_bytes INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT;
CREATE TABLE message (
    id TEXT PRIMARY KEY, queue TEXT NOT NULL, sent_ms INTEGER NOT NULL, receives INTEGER NOT NULL, facts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX message_by_queue ON message (queue, sent_ms);
CREATE TABLE item (
    tab TEXT NOT NULL, key TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (tab, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE secret (name TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_ADDED_IN_2 = "CREATE TABLE subscription (arn TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT, WITHOUT ROWID;"


class StateError(Exception):
    """The state on disk is not one that this version can go on with."""


class State:
    """The state of one stand-in; safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._bodies = folder / "bodies"
        self._bodies.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # secrets are kept in it
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "state.db", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._migrate(folder)
        for (name,) in self.read("SELECT body FROM loose"):
            self._unlink(name)

    def _migrate(self, folder: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(f"BEGIN;{_SCHEMA};{_ADDED_IN_2};PRAGMA user_version={_SCHEMA_VERSION};COMMIT;")
        elif version == 1:
            self._db.executescript(f"BEGIN;{_ADDED_IN_2};PRAGMA user_version={_SCHEMA_VERSION};COMMIT;")
        elif version != _SCHEMA_VERSION:
            raise StateError(f"{folder} is of version {version}, this program is of {_SCHEMA_VERSION}: start afresh")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing, one at a time; a nested one belongs to the outer."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def write(self, sql: str, values: Sequence[Any] = ()) -> None:
        """One statement as a transaction."""
        with self.change() as db:
            db.execute(sql, values)

    def next_number(self, name: str) -> int:
        """A number greater than every one given before under that name, from 1."""
        with self.change() as db:
            row = db.execute(
                "INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                (name,),
            ).fetchone()
        return int(row[0])

    def new_body(self) -> str:
        """The name of a body that nobody claims yet; write it at `body_path`."""
        name = uuid.uuid4().hex
        self.write("INSERT INTO loose VALUES (?)", (name,))
        self.body_path(name).parent.mkdir(exist_ok=True)
        return name

    def body_path(self, name: str) -> Path:
        """Where a body is."""
        return self._bodies / name[:2] / name

    def same_body(self, name: str) -> str:
        """Another name, not yet claimed, for the same bytes; costs no space."""
        other = self.new_body()
        os.link(self.body_path(name), self.body_path(other))
        return other

    def claim(self, names: Sequence[str]) -> None:
        """These bodies now have a row. To be called within the transaction that makes it."""
        with self.change() as db:
            db.executemany("DELETE FROM loose WHERE body = ?", [(name,) for name in names])

    def release(self, names: Sequence[str]) -> None:
        """These bodies have lost their row. To be called within the transaction that removes it; then `sweep`."""
        with self.change() as db:
            db.executemany("INSERT OR IGNORE INTO loose VALUES (?)", [(name,) for name in names])

    def sweep(self, names: Sequence[str]) -> None:
        """Removes those of these bodies that nobody claims. To be called after the transaction."""
        for name in names:
            self._unlink(name)

    def _unlink(self, name: str) -> None:
        if not self.read("SELECT 1 FROM loose WHERE body = ?", (name,)):
            return  # somebody claims it after all
        self.body_path(name).unlink(missing_ok=True)
        self.write("DELETE FROM loose WHERE body = ?", (name,))

    def size_bytes(self) -> int:
        """Bytes of all objects and their versions."""
        ((total,),) = self.read("SELECT coalesce(sum(size_bytes), 0) FROM object")
        return int(total)
