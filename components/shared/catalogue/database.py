"""The one door to sqlite3: opens an owner's file, for its one writer or for any reader, and migrates it.

It knows nothing of what the tables mean. What it keeps:

- One writer per file: a lock beside the file is held while it is open for writing, so that a second writer is told
  at once who writes already instead of both blocking each other now and then.
- What a committed transaction wrote survives a power cut: WAL with `synchronous=FULL` (with NORMAL, seconds of
  committed rows were lost). Every write is a transaction that takes the write lock at its start.
- A reader never creates, never writes, never holds a read open: a statement's rows are fetched before `read`
  returns, and a caller that wants more asks again. A read that stays open makes the WAL grow without bound.
- Migrations are numbered and only add. Writer and reader need at least their own number, never exactly it, so that
  the release before opens the file of the release after.

What SQLite raises becomes Transient (busy, full, not there), or Fatal (a broken constraint is a broken promise of
ours; so is a damaged file, which the next opening sets aside, see `damage`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.shared.catalogue.damage import DAMAGE_CODES, mend, note_damage
from components.shared.errors import Fatal, NvrError, Transient
from components.shared.runtime.files import Step, disk_errors, make_folders, no_step

FOLDER = "catalogue"
"""Under the data root: one file per owner, `<owner>.db`."""

WRITER_BUSY_MS = 5_000
"""How long a writer waits for the file. It is the only writer, so it waits only for a reader that recovers the WAL."""

READER_BUSY_MS = 2_000
"""How long a reader waits: in WAL mode only for somebody's recovery. It can come again, so less than a writer."""

READ_ROWS_MAX = 1_000
"""Rows of one statement: about 10 ms and 1 MB at most, so that no reader holds the WAL and no lock is held longer."""

WAL_BYTES_KEPT = 16 * 1024 * 1024
"""A WAL that a stopped reader made grow is cut back to this after it: four times the usual checkpoint."""

_LOCK_MODE = 0o660
_HOLDER_BYTES = 10

_TRANSIENT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
Value = int | float | str | bytes | None
Row = tuple[Any, ...]
Do = Callable[..., list[Row]]
"""`do(sql, *values)` inside a transaction: runs one statement and gives its rows."""


@dataclass(frozen=True, slots=True)
class Schema:
    """An owner's file: its name, and its migrations in order, each a sequence of statements that only add."""

    owner: str
    migrations: tuple[tuple[str, ...], ...]

    @property
    def version(self) -> int:
        """The number that `user_version` must have reached."""
        return len(self.migrations)


def catalogue_path(data: Path, owner: str) -> Path:
    """Where an owner's file is."""
    return data / FOLDER / f"{owner}.db"


class Database:
    """One connection to one owner's file, safe to share between threads: one statement or transaction at a time."""

    def __init__(self, path: Path, schema: Schema, connect: Callable[[], sqlite3.Connection], lock_fd: int | None):
        """Opened by `open_for_writing` or `open_for_reading`, not directly."""
        self._path = path
        self._schema = schema
        self._connect = connect
        self._lock_fd = lock_fd
        self._turn = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self.set_aside: Path | None = None
        """Where the damaged file is that this new one stands for, to be told by whoever opened it."""

    @property
    def path(self) -> Path:
        """The owner's file."""
        return self._path

    def read(self, sql: str, *values: Value) -> list[Row]:
        """All rows of one statement. It must limit itself to READ_ROWS_MAX rows."""
        with self._turn, self._translated("read"):
            return self._ready().execute(sql, values).fetchall()

    @contextmanager
    def transaction(self, step: str) -> Iterator[Do]:
        """One durable change: committed when the block ends, undone when it raises. `step` is for messages."""
        with self._turn, self._translated(step):
            connection = self._ready()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield lambda sql, *values: connection.execute(sql, values).fetchall()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def number_on(self, counter: str, value: int) -> None:
        """Lets a counter of a new file go on after `value`, so that its numbers are new to those who counted so far."""
        if value:
            with self.transaction(f"number on after {value}") as do:
                do("UPDATE counter SET value = ? WHERE name = ?", value, counter)

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file: damage, and rows that refer to none.

        Table by table, because a read that lasts makes the WAL grow. CHECK constraints are not looked at: SQLite does
        not even parse them for a reader (build.c, sqlite3AddCheckConstraint).
        """
        found: list[str] = []
        for (table,) in self.read("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT ?", READ_ROWS_MAX):
            quoted = '"' + table.replace('"', '""') + '"'
            found += [f"{table}: {row[0]}" for row in self.read(f"PRAGMA quick_check({quoted})") if row[0] != "ok"]
            for _, rowid, parent, _ in self.read(f"PRAGMA foreign_key_check({quoted})"):
                found.append(f"{table}: row {rowid} refers to no {parent}")
        return found

    def close(self) -> None:
        """Closes the file and gives up the writer's lock; closing again does nothing."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None

    def _ready(self) -> sqlite3.Connection:
        """The connection. A reader whose file was replaced under it (a reset) opens the new one; its writer stops."""
        if self._connection is not None and self._inode != _inode(self._path):
            # SQLite does not notice in WAL mode: it would go on writing into a file that has no name.
            if self._lock_fd is not None:
                raise Fatal(f"catalogue {self._path.name} was moved or deleted under its writer")
            self._connection.close()
            self._connection = None
        if self._connection is None:
            inode = _inode(self._path)
            if self._lock_fd is None and inode == 0:
                raise Transient(f"catalogue {self._path.name} is not there: its owner has not made it yet")
            connection = self._connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            # Taken before a reader connects, lest it miss a file that is replaced meanwhile; a writer may make its own.
            self._connection, self._inode = connection, inode if self._lock_fd is None else _inode(self._path)
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if self._lock_fd is not None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
            _migrate(connection, self._schema)
        version = _version(connection)
        if version < self._schema.version:
            raise Transient(
                f"catalogue {self._path.name} has schema {version}, {self._schema.version} is needed: "
                f"its owner has not migrated it yet"
            )

    @contextmanager
    def _translated(self, step: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if self._lock_fd is not None and _primary_code(error) in DAMAGE_CODES:
                note_damage(self._path)
            raise _meaning(f"catalogue {self._path.name}, {step}", error, self._lock_fd is not None) from error


def open_for_writing(data: Path, schema: Schema, step: Step = no_step) -> Database:
    """The owner's file for its one writer: created and migrated as needed. Transient while another process writes.

    A damaged file is set aside and a new one begun; `set_aside` tells so.
    """
    path = catalogue_path(data, schema.owner)
    make_folders(path.parent)
    lock_fd = _take_lock(path.with_suffix(".lock"), path.name)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=WRITER_BUSY_MS / 1000)

    database = Database(path, schema, connect, lock_fd)
    try:
        database.set_aside = mend(path, step)
        try:
            database.read("SELECT 1")
        except Fatal:
            # Damage that this very opening met is noted by now; anything else is as wrong the second time.
            database.set_aside = mend(path, step)
            database.read("SELECT 1")
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def writers_lock(data: Path, owner: str) -> Iterator[None]:
    """Keeps the owner's file without a writer while the block runs. Transient while there is one."""
    path = catalogue_path(data, owner)
    make_folders(path.parent)
    lock_fd = _take_lock(path.with_suffix(".lock"), path.name)
    try:
        yield
    finally:
        os.close(lock_fd)


def open_for_reading(data: Path, schema: Schema) -> Database:
    """The owner's file for anybody else. Transient when it is not there, or is older than this reader."""
    path = catalogue_path(data, schema.owner)
    # as_uri needs an absolute path; it also escapes what a URI may not hold.
    uri = f"{path.absolute().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=READER_BUSY_MS / 1000
        )

    database = Database(path, schema, connect, None)
    try:
        database.read("SELECT 1")
    except BaseException:
        database.close()
        raise
    return database


def pages(fetch: Callable[[Row | None, int], Sequence[Row]], limit: int | None) -> list[Row]:
    """All rows of a long answer, or its first `limit`, in statements of at most READ_ROWS_MAX rows.

    `fetch(last, count)` gives the next `count` rows after the row `last`. Between two statements the file may change:
    the answer is what each part was when it was read.
    """
    rows: list[Row] = []
    last: Row | None = None
    while limit is None or len(rows) < limit:
        count = READ_ROWS_MAX if limit is None else min(READ_ROWS_MAX, limit - len(rows))
        page = fetch(last, count)
        rows.extend(page)
        if len(page) < count:
            break
        last = page[-1]
    return rows


def _migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    """Brings the file up to this release's schema, a transaction per migration; a newer file stays as it is."""
    while (version := _version(connection)) < schema.version:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in schema.migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _inode(path: Path) -> int:
    """What tells one file of a name from the next; 0 when there is none."""
    with disk_errors(path, "look at"):
        try:
            return path.stat().st_ino
        except FileNotFoundError:
            return 0


def _take_lock(path: Path, name: str) -> int:
    """The writer's lock, which ends with the process that holds it. It names the holder for the one who is refused."""
    with disk_errors(path, "open"):
        lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _LOCK_MODE)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock_fd, _HOLDER_BYTES, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock_fd)
        raise Transient(f"catalogue {name} already has a writer: process {holder}") from error
    # The name is a courtesy: on a full disk there may be no room for it, and the lock holds all the same.
    with suppress(OSError):
        os.pwrite(lock_fd, f"{os.getpid():<{_HOLDER_BYTES}}".encode(), 0)
    return lock_fd


def _primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's result code without what says more about it; None for a fault of Python's module."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _meaning(where: str, error: sqlite3.Error, writing: bool) -> NvrError:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    # A damaged file is its owner's to mend: a reader waits, as for a file that is not there yet.
    passing = _TRANSIENT if writing else _TRANSIENT | DAMAGE_CODES
    kind = Transient if _primary_code(error) in passing else Fatal
    return kind(f"{where}: {error} ({name})")
