"""The one door to SQLite: durable, one writer, readers that hold nothing, migrations that only add."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from components.shared.catalogue.database import (
    READ_ROWS_MAX,
    WAL_BYTES_KEPT,
    Database,
    Row,
    Schema,
    catalogue_path,
    open_for_reading,
    open_for_writing,
    pages,
)
from components.shared.errors import Fatal, NvrError, Transient

FIRST = ("CREATE TABLE thing (name TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL CHECK (size > 0)) STRICT",)
SECOND = ("ALTER TABLE thing ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'", "CREATE TABLE other (a INTEGER) STRICT")
V1, V2 = Schema("things", (FIRST,)), Schema("things", (FIRST, SECOND))


def put(database: Database, name: str, size: int) -> None:
    with database.transaction(f"put {name}") as do:
        do("INSERT INTO thing (name, size) VALUES (?, ?)", name, size)


def names(database: Database) -> list[str]:
    return [row[0] for row in database.read("SELECT name FROM thing ORDER BY name LIMIT 100")]


def pragma(database: Database, name: str) -> object:
    return database.read(f"PRAGMA {name}")[0][0]


def test_what_is_committed_is_durable(tmp_path: Path) -> None:
    """The writer's connection has the settings that survive power cuts, and refuses rows that refer to none."""
    database = open_for_writing(tmp_path, V1)
    assert (pragma(database, "journal_mode"), pragma(database, "synchronous")) == ("wal", 2)
    assert (pragma(database, "foreign_keys"), pragma(database, "journal_size_limit")) == (1, WAL_BYTES_KEPT)


def test_a_broken_transaction_leaves_nothing(tmp_path: Path) -> None:
    """Whatever a block raises, nothing of it is there, and the next transaction works."""
    database = open_for_writing(tmp_path, V1)
    with pytest.raises(RuntimeError), database.transaction("two things") as do:
        do("INSERT INTO thing (name, size) VALUES ('a', 1)")
        raise RuntimeError
    put(database, "b", 1)
    assert names(database) == ["b"]


def test_a_broken_constraint_is_fatal_and_names_the_step(tmp_path: Path) -> None:
    """A row that the schema refuses is a broken promise of ours: Fatal, with what was being done."""
    database = open_for_writing(tmp_path, V1)
    with pytest.raises(Fatal, match=r"things.db, put a: CHECK constraint failed"):
        put(database, "a", 0)
    assert names(database) == []


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    """While one has the file, another is told which process it is, and has it when the first closes."""
    first = open_for_writing(tmp_path, V1)
    with pytest.raises(Transient, match=r"things.db already has a writer: process \d+"):
        open_for_writing(tmp_path, V1)
    put(first, "a", 1)
    first.close()
    first.close()
    second = open_for_writing(tmp_path, V1)
    assert names(second) == ["a"]


def test_a_reader_never_makes_a_file(tmp_path: Path) -> None:
    """Before the owner has made its file a reader is told to wait, and nothing appears."""
    with pytest.raises(Transient, match="not there"):
        open_for_reading(tmp_path, V1)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """A reader's connection refuses to change anything."""
    open_for_writing(tmp_path, V1)
    reader = open_for_reading(tmp_path, V1)
    with pytest.raises(NvrError, match="readonly"):
        put(reader, "a", 1)


def test_a_reader_sees_what_was_committed_after_it_opened(tmp_path: Path) -> None:
    """A reader holds no snapshot: each read is of now."""
    writer = open_for_writing(tmp_path, V1)
    reader = open_for_reading(tmp_path, V1)
    assert names(reader) == []
    put(writer, "a", 1)
    assert names(reader) == ["a"]


def test_a_reader_works_while_nobody_writes(tmp_path: Path) -> None:
    """A file whose writer closed it, and so removed its WAL, can be read, and written again afterwards."""
    writer = open_for_writing(tmp_path, V1)
    put(writer, "a", 1)
    writer.close()
    reader = open_for_reading(tmp_path, V1)
    assert names(reader) == ["a"]
    again = open_for_writing(tmp_path, V1)
    put(again, "b", 1)
    assert names(reader) == ["a", "b"]


def test_a_reader_follows_a_file_that_was_replaced(tmp_path: Path) -> None:
    """After a reset a reader reads the new file, and waits while there is none."""
    writer = open_for_writing(tmp_path, V1)
    put(writer, "old", 1)
    reader = open_for_reading(tmp_path, V1)
    writer.close()
    for path in (tmp_path / "catalogue").iterdir():
        path.unlink()
    with pytest.raises(Transient, match="not there"):
        names(reader)
    put(open_for_writing(tmp_path, V1), "new", 1)
    assert names(reader) == ["new"]


def test_migrations_keep_what_was_there(tmp_path: Path) -> None:
    """An older file is brought up to date when its owner opens it, rows and all."""
    old = open_for_writing(tmp_path, V1)
    put(old, "a", 1)
    old.close()
    new = open_for_writing(tmp_path, V2)
    assert new.read("SELECT name, size, colour FROM thing") == [("a", 1, "grey")]
    assert pragma(new, "user_version") == 2


def test_a_reader_of_an_older_file_waits(tmp_path: Path) -> None:
    """A reader that needs more than the file has is told to wait, until the owner has migrated it."""
    old = open_for_writing(tmp_path, V1)
    with pytest.raises(Transient, match=r"has schema 1, 2 is needed"):
        open_for_reading(tmp_path, V2)
    old.close()
    open_for_writing(tmp_path, V2)
    assert names(open_for_reading(tmp_path, V2)) == []


def test_the_release_before_opens_the_file_of_the_release_after(tmp_path: Path) -> None:
    """A newer file is written and read by the older release, and stays the newer one's."""
    open_for_writing(tmp_path, V2).close()
    old = open_for_writing(tmp_path, V1)
    put(old, "a", 1)
    assert names(open_for_reading(tmp_path, V1)) == ["a"] and pragma(old, "user_version") == 2
    old.close()
    assert open_for_writing(tmp_path, V2).read("SELECT colour FROM thing") == [("grey",)]


def test_a_migration_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """A migration is one transaction: when a statement of it fails, the file is what it was before."""
    broken = Schema("things", (FIRST, ("CREATE TABLE half (a INTEGER) STRICT", "CREATE TABLE thing (a INTEGER)")))
    open_for_writing(tmp_path, V1).close()
    with pytest.raises(Fatal, match="already exists"):
        open_for_writing(tmp_path, broken)
    again = open_for_writing(tmp_path, V2)
    assert again.read("SELECT name FROM sqlite_schema WHERE name = 'half'") == []


def test_a_damaged_file_is_a_wait_to_its_readers(tmp_path: Path) -> None:
    """What is no database is its owner's to mend: others wait until it is."""
    path = catalogue_path(tmp_path, "things")
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to look like one" * 100)
    with pytest.raises(Transient, match="not a database"):
        open_for_reading(tmp_path, V1)


def test_a_busy_file_is_worth_another_try(tmp_path: Path) -> None:
    """When somebody holds the write lock longer than the limit, it is Transient."""
    writer = open_for_writing(tmp_path, V1)
    writer.read("PRAGMA busy_timeout=1")
    other = sqlite3.connect(writer.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="locked"):
        put(writer, "a", 1)
    other.execute("ROLLBACK")
    other.close()
    put(writer, "a", 1)


def test_a_full_disk_is_worth_another_try(tmp_path: Path) -> None:
    """When the file cannot grow the transaction is Transient and leaves nothing."""
    writer = open_for_writing(tmp_path, V1)
    put(writer, "a", 1)
    writer.read(f"PRAGMA max_page_count={pragma(writer, 'page_count')}")
    with pytest.raises(Transient, match="full"), writer.transaction("much") as do:
        for number in range(1000):
            do("INSERT INTO thing (name, size) VALUES (?, 1)", f"{number:0100}")
    assert names(writer) == ["a"]


def test_a_file_that_was_taken_away_from_its_writer_is_fatal(tmp_path: Path) -> None:
    """A writer whose file was moved or deleted must not go on writing into nothing."""
    writer = open_for_writing(tmp_path, V1)
    put(writer, "a", 1)
    writer.path.unlink()
    with pytest.raises(Fatal, match="moved or deleted"):
        put(writer, "b", 1)


@pytest.mark.slow
def test_threads_take_turns(tmp_path: Path) -> None:
    """Transactions and reads of many threads on one writer never mix."""
    writer = open_for_writing(tmp_path, V1)
    wrong: list[object] = []

    def work(name: str) -> None:
        for number in range(25):
            with writer.transaction("two rows") as do:
                do("INSERT INTO thing (name, size) VALUES (?, 1)", f"{name}-{number}-a")
                do("INSERT INTO thing (name, size) VALUES (?, 1)", f"{name}-{number}-b")
            count = writer.read("SELECT count(*) FROM thing")[0][0]
            if count % 2:
                wrong.append(count)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == [] and writer.read("SELECT count(*) FROM thing") == [(300,)]


@pytest.mark.parametrize("limit", [None, 0, 1, READ_ROWS_MAX - 1, READ_ROWS_MAX, READ_ROWS_MAX + 1, 5000])
def test_a_long_answer_is_read_in_short_reads(limit: int | None) -> None:
    """No statement asks for more than READ_ROWS_MAX rows, and together they give exactly what was asked for."""
    everything = [(number,) for number in range(2 * READ_ROWS_MAX + 500)]
    asked: list[int] = []

    def fetch(last: Row | None, count: int) -> list[Row]:
        asked.append(count)
        start = last[0] + 1 if last is not None else 0
        return everything[start : start + count]

    assert pages(fetch, limit) == everything[:limit]
    assert all(0 < count <= READ_ROWS_MAX for count in asked)
